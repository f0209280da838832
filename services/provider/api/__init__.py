"""The service's REST interface (ADR 12, 14 and 15)."""

from zoneinfo import ZoneInfo

from fastapi import FastAPI

from chassis import erasure, export
from chassis.clock import Clock
from chassis.database import Pool
from chassis.http import create_app
from chassis.identity import Verifier
from chassis.learners import Scheme
from chassis.service import database_answers
from services.provider.api import completions, learning_opportunities, members
from services.provider.application.comparing import CompareCompletions
from services.provider.application.completions import PublishCompletions
from services.provider.application.learning_opportunities import PublishLearningOpportunities
from services.provider.application.members import RegisterMember
from services.provider.held import HELD

DESCRIPTION = """
What members of the consortium state: who they are, what they offer, and what their learners completed.

Who calls is in the token, and the member with it: everybody acts in their own namespace. A completion and a version of
a learning opportunity are changed by a higher `revision`; sending a stored revision again gives the answer it had, with
200 in place of 201.
"""


def create_api(
    pool: Pool,
    clock: Clock,
    verifier: Verifier,
    *,
    zone: ZoneInfo,
    learner_id_key: bytes,
    scheme: Scheme,
) -> FastAPI:
    """The application that serves the interface."""
    app = create_app(
        "Concord provider",
        "1",
        description=DESCRIPTION,
        verifier=verifier,
        checks={"database": lambda: database_answers(pool)},
    )
    app.include_router(members.routes(pool, RegisterMember(pool, clock)))
    app.include_router(learning_opportunities.routes(pool, PublishLearningOpportunities(pool, clock)))
    publish_completions = PublishCompletions(pool, clock, zone, learner_id_key=learner_id_key, scheme=scheme)
    app.include_router(completions.routes(pool, publish_completions, CompareCompletions(pool, publish_completions)))
    app.include_router(export.routes(pool, HELD))
    app.include_router(erasure.routes(pool))
    return app
