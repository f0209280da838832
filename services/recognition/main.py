"""The recognition service: `python -m services.recognition.main api|worker|all`."""

from chassis import set_aside_api
from chassis.clock import Clock
from chassis.consumer import Consumer
from chassis.database import Pool
from chassis.identity import Verifier
from chassis.kafka import Access
from chassis.relay import Relay
from chassis.service import Parts, main
from chassis.settings import Settings, days_in
from services.recognition.api import create_api
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.standing import StandingQuery
from services.recognition.domain.business_days import Calendar
from services.recognition.events import GROUP, Desk


async def build(settings: Settings, pool: Pool, clock: Clock) -> Parts:
    """Put the service together."""
    catalogues = CatalogueReader()
    calendar = Calendar(days_in(settings.business_holidays))
    desk = Desk(catalogues, zone=settings.time_zone, clock=clock, calendar=calendar)
    app = create_api(
        pool, clock, Verifier.of(settings), zone=settings.time_zone, calendar=calendar, catalogues=catalogues
    )
    app.include_router(set_aside_api.routes(desk, pool, clock, group=GROUP))
    return Parts(
        app=app,
        consumer=Consumer(
            desk,
            group=GROUP,
            pool=pool,
            bootstrap=settings.kafka_bootstrap_servers,
            access=Access.of(settings),
            clock=clock,
            session_timeout_ms=settings.session_timeout_ms,
            set_aside_in_a_row=settings.set_aside_in_a_row,
        ),
        relay=Relay(
            database_url=settings.service_database_url.get_secret_value(),
            bootstrap=settings.kafka_bootstrap_servers,
            access=Access.of(settings),
            source=f"urn:concord:{settings.consortium}:recognition",
            clock=clock,
        ),
        beside_worker=[StandingQuery(catalogues, pool=pool, zone=settings.time_zone, clock=clock).run],
    )


if __name__ == "__main__":
    main("recognition", build)
