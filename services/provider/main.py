"""`python -m services.provider.main api|worker|all`: the provider service, wired."""

from chassis.clock import Clock
from chassis.database import Pool
from chassis.identity import Verifier
from chassis.kafka import Access
from chassis.learners import key_from
from chassis.relay import Relay
from chassis.service import Parts, main
from chassis.settings import Settings
from services.provider.api import create_api


async def build(settings: Settings, pool: Pool, clock: Clock) -> Parts:
    """The parts of the service: its interface, and the relay of its outbox. It consumes nothing."""
    verifier = Verifier.of(settings)
    app = create_api(
        pool,
        clock,
        verifier,
        zone=settings.time_zone,
        learner_id_key=key_from(settings),
        scheme=settings.learner_scheme,
    )
    relay = Relay(
        database_url=settings.service_database_url.get_secret_value(),
        bootstrap=settings.kafka_bootstrap_servers,
        access=Access.of(settings),
        source=f"urn:concord:{settings.consortium}:provider",
        clock=clock,
    )
    return Parts(app=app, relay=relay)


if __name__ == "__main__":
    main("provider", build)
