"""A process of the portal: `python -m services.portal.main api`."""

import asyncio

import httpx
from fastapi import FastAPI

from chassis.clock import Clock
from chassis.database import Pool
from chassis.http import create_app
from chassis.identity import Verifier
from chassis.pages.issuer import Issuer
from chassis.pages.sessions import Sessions
from chassis.pages.site import Site
from chassis.service import Parts, database_answers, main
from chassis.settings import Settings
from services.portal import asking_pages, pages
from services.portal.upstream import Upstream

DESCRIPTION = """
Pages for learners. There is no API here: members' systems use the services' own.
"""


def application(
    settings: Settings, pool: Pool, clock: Clock, client: httpx.AsyncClient, ending: asyncio.Event
) -> FastAPI:
    """The pages; `client` is what the issuer and the services are asked with, `ending` ends the open streams."""
    verifier = Verifier.of(settings, client)
    upstream = Upstream(client, provider_url=settings.provider_url, learner_record_url=settings.learner_record_url)
    templates = pages.templates()
    app = create_app(
        "Concord portal",
        "1",
        description=DESCRIPTION,
        verifier=verifier,
        checks={"database": lambda: database_answers(pool)},
    )
    site = Site(
        name="portal",
        public_url=settings.public_url,
        sessions=Sessions(pool),
        issuer=Issuer.of(settings, verifier, client),
        verifier=verifier,
        templates=templates,
        clock=clock,
        sign_in_limit=settings.sign_in_limit,
    )
    # Before the pages, whose addresses begin with any member's id.
    site.put_on(app, "services.portal")
    records = pages.RecordPages(upstream, templates, clock, settings.time_zone)
    app.include_router(pages.routes(upstream, templates, records, clock, ending))
    app.include_router(asking_pages.routes(upstream, templates, records))
    return app


async def build(settings: Settings, pool: Pool, clock: Clock) -> Parts:
    """Put the service together."""
    # Every open page holds one connection for its stream.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=50)
    ending = asyncio.Event()
    app = application(settings, pool, clock, httpx.AsyncClient(limits=limits), ending)
    return Parts(app=app, before_end=(ending.set,))


if __name__ == "__main__":
    main("portal", build)
