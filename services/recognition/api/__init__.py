"""The service's REST interface (ADR 12, 14 and 15)."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.middleware import Middleware

from chassis.clock import Clock
from chassis.database import Pool
from chassis.http import create_app
from chassis.identity import Verifier
from chassis.service import database_answers
from services.recognition.api import decisions, documents, waiting

DESCRIPTION = """
What members recognise of each other's credit, and on which terms.

An agreement or an award definition is published version by version; a published version never changes. What was decided
is read as a feed: `next` of an answer is the `after` of the following request, also when nothing was new.
"""


def create_api(pool: Pool, clock: Clock, verifier: Verifier, *, middleware: Sequence[Middleware] = ()) -> FastAPI:
    """The application that serves the interface."""
    app = create_app(
        "Concord recognition",
        "1",
        description=DESCRIPTION,
        verifier=verifier,
        checks={"database": lambda: database_answers(pool)},
        middleware=middleware,
    )
    app.include_router(documents.routes(pool, clock))
    app.include_router(decisions.routes(pool))
    app.include_router(waiting.routes(pool))
    return app
