"""The service's REST interface (ADR 12, 14 and 15)."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from starlette.middleware import Middleware

from chassis import export
from chassis.clock import Clock
from chassis.database import Pool
from chassis.http import create_app
from chassis.identity import Verifier
from chassis.service import database_answers
from services.recognition.api import backtest, decisions, documents, drafts, gaps, officers, preview, waiting
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.domain.business_days import WITHOUT_HOLIDAYS, Calendar
from services.recognition.held import HELD

DESCRIPTION = """
What members recognise of each other's credit, and on which terms.

An agreement or an award definition is drafted, approved by each party's registry – its very bytes, by their SHA-256 –
and published version by version; a published version never changes. What was decided is read as a feed: `next` of an
answer is the `after` of the following request, also when nothing was new. What no rule decides is referred to officers
of the receiver, who decide it, and what learners appeal against, with reasons.
"""


def create_api(
    pool: Pool,
    clock: Clock,
    verifier: Verifier,
    *,
    zone: ZoneInfo,
    calendar: Calendar = WITHOUT_HOLIDAYS,
    catalogues: CatalogueReader | None = None,
    middleware: Sequence[Middleware] = (),
) -> FastAPI:
    """The application that serves the interface; `catalogues` is the process's reader, where it has one already."""
    catalogues = catalogues or CatalogueReader()
    app = create_app(
        "Concord recognition",
        "1",
        description=DESCRIPTION,
        verifier=verifier,
        checks={"database": lambda: database_answers(pool)},
        middleware=middleware,
    )
    # An award's id may hold slashes, so the longer addresses are looked for first.
    app.include_router(drafts.routes(pool, clock))
    app.include_router(backtest.routes(pool, clock, zone))
    app.include_router(gaps.routes(pool, clock, zone))
    app.include_router(documents.routes(pool, clock, zone))
    app.include_router(decisions.routes(pool, clock))
    app.include_router(preview.routes(pool, clock, zone))
    app.include_router(waiting.routes(pool))
    app.include_router(officers.routes(pool, clock, catalogues, zone=zone, calendar=calendar))
    app.include_router(export.routes(pool, HELD))
    return app
