"""A process of operations: `python -m services.operations.main all`."""

import httpx
from fastapi import FastAPI

from chassis import export, set_aside_api
from chassis.clock import Clock
from chassis.consumer import Consumer
from chassis.database import Pool
from chassis.http import create_app
from chassis.identity import Verifier
from chassis.kafka import Access
from chassis.pages.issuer import Issuer
from chassis.pages.sessions import Sessions
from chassis.pages.site import Site
from chassis.service import Parts, database_answers, main
from chassis.settings import Settings
from services.operations import api, aside_pages, pages
from services.operations.asking import Desks
from services.operations.audit.kept import NewestReport
from services.operations.events import GROUP, JourneyDesk
from services.operations.held import HELD
from services.operations.synthetic.probe import Probe

PAGE_PATIENCE = 4.0
"""Seconds that a page waits for a service: less than the page itself may take, so that the others are still shown."""

DESCRIPTION = """
The journey of every completion, from its acceptance to every record it stands on, watched from the topics.
"""


def application(settings: Settings, pool: Pool, clock: Clock, client: httpx.AsyncClient) -> FastAPI:
    """The API and the pages; `client` is what the issuer and the services are asked with."""
    verifier = Verifier.of(settings, client)
    templates = pages.templates(settings.trace_url)
    app = create_app(
        "Concord operations",
        "1",
        description=DESCRIPTION,
        verifier=verifier,
        checks={"database": lambda: database_answers(pool)},
    )
    app.include_router(api.routes(pool, clock))
    app.include_router(export.routes(pool, HELD))
    app.include_router(set_aside_api.routes(JourneyDesk(clock), pool, clock, group=GROUP))
    app.include_router(pages.routes(pool, clock, templates))
    desks = Desks(
        client,
        {
            "recognition": settings.recognition_url,
            "learner_record": settings.learner_record_url,
            "operations": settings.operations_url,
        },
        patience=PAGE_PATIENCE,
    )
    app.include_router(aside_pages.routes(desks, templates))
    site = Site(
        name="operations",
        public_url=settings.public_url,
        sessions=Sessions(pool),
        issuer=Issuer.of(settings, verifier, client),
        verifier=verifier,
        templates=templates,
        clock=clock,
        sign_in_limit=settings.sign_in_limit,
    )
    site.put_on(app, "services.operations")
    return app


async def build(settings: Settings, pool: Pool, clock: Clock) -> Parts:
    """Put the service together."""
    consumer = Consumer(
        JourneyDesk(clock),
        group=GROUP,
        pool=pool,
        bootstrap=settings.kafka_bootstrap_servers,
        access=Access.of(settings),
        clock=clock,
        session_timeout_ms=settings.session_timeout_ms,
        set_aside_in_a_row=settings.set_aside_in_a_row,
    )
    return Parts(
        app=application(settings, pool, clock, httpx.AsyncClient()),
        consumer=consumer,
        beside_worker=[
            NewestReport(pool).run,
            *([Probe(settings, pool, clock).run] if settings.synthetic_every else ()),
        ],
    )


if __name__ == "__main__":
    main("operations", build)
