"""`python -m services.learner_record.main api|worker|all`: the learner-record service, wired."""

import httpx

from chassis import set_aside_api
from chassis.clock import Clock
from chassis.consumer import Consumer
from chassis.database import Pool
from chassis.identity import Verifier
from chassis.kafka import Access
from chassis.learners import key_from
from chassis.relay import Relay
from chassis.service import Parts, main
from chassis.settings import Settings
from services.learner_record.api import create_api
from services.learner_record.application.progressing import TellProgress
from services.learner_record.application.watching import Watch
from services.learner_record.events import GROUP, RecordDesk
from services.learner_record.others import Others


async def build(settings: Settings, pool: Pool, clock: Clock) -> Parts:
    """The parts of the service: its interface with the watch of live records, its consumer, and its relay."""
    database_url = settings.service_database_url.get_secret_value()
    verifier = Verifier.of(settings)
    watch = Watch(database_url, pool)
    app = create_api(
        pool,
        clock,
        verifier,
        watch,
        Others.of(settings, httpx.AsyncClient()),
        zone=settings.time_zone,
        learner_id_key=key_from(settings),
        scheme=settings.learner_scheme,
    )
    desk = RecordDesk(clock, settings.time_zone)
    app.include_router(set_aside_api.routes(desk, pool, clock, group=GROUP))
    consumer = Consumer(
        desk,
        group=GROUP,
        pool=pool,
        bootstrap=settings.kafka_bootstrap_servers,
        access=Access.of(settings),
        clock=clock,
        session_timeout_ms=settings.session_timeout_ms,
        set_aside_in_a_row=settings.set_aside_in_a_row,
    )
    relay = Relay(
        database_url=database_url,
        bootstrap=settings.kafka_bootstrap_servers,
        access=Access.of(settings),
        source=f"urn:concord:{settings.consortium}:learner_record",
        clock=clock,
    )
    return Parts(
        app=app,
        consumer=consumer,
        relay=relay,
        beside_api=(watch.run,),
        beside_worker=(TellProgress(pool, clock).run,),
        before_end=(watch.close,),
    )


if __name__ == "__main__":
    main("learner_record", build)
