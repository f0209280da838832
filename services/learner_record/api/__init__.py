"""The service's REST interface (ADR 12, 15 and 18)."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from fastapi import FastAPI
from starlette.middleware import Middleware

from chassis.clock import Clock
from chassis.database import Pool
from chassis.http import create_app
from chassis.identity import Verifier
from chassis.learners import Scheme
from chassis.service import database_answers
from services.learner_record.api import asking, downloads, enrolments, previews, progress, record, rights
from services.learner_record.api.whose import identified_by_token, learner_of_token
from services.learner_record.application.asking import Ask
from services.learner_record.application.conferring import ConferAward
from services.learner_record.application.downloading import DownloadRecord
from services.learner_record.application.enrolling import RecordEnrolments
from services.learner_record.application.reading import ReadRecord
from services.learner_record.application.rights import Rights
from services.learner_record.application.watching import Watch
from services.learner_record.others import Others

DESCRIPTION = """
What learners have: their enrolments, and for every member what stands on their record there – the credit they earned,
and what became of it elsewhere, with the reasons.

Members' systems open and close enrolments, each in its own namespace; an enrolment is changed by a higher `revision`,
and sending a stored revision again gives the answer it had, with 200 in place of 201. A learner reads the whole record,
and is told by the stream when it has changed.
"""


def create_api(
    pool: Pool,
    clock: Clock,
    verifier: Verifier,
    watch: Watch,
    others: Others,
    *,
    zone: ZoneInfo,
    learner_id_key: bytes,
    scheme: Scheme,
    middleware: Sequence[Middleware] = (),
) -> FastAPI:
    """The application that serves the interface."""
    app = create_app(
        "Concord learner record",
        "1",
        description=DESCRIPTION,
        verifier=verifier,
        checks={"database": lambda: database_answers(pool)},
        middleware=middleware,
    )
    enrol = RecordEnrolments(pool, clock, zone, learner_id_key=learner_id_key, scheme=scheme)
    app.include_router(enrolments.routes(pool, enrol))
    app.include_router(progress.routes(pool, ConferAward(pool, clock, zone)))
    learner_of = learner_of_token(learner_id_key, scheme)
    read = ReadRecord(pool, clock, zone)
    app.include_router(record.routes(read, watch, learner_of))
    app.include_router(downloads.routes(DownloadRecord(read, clock), identified_by_token(learner_id_key, scheme)))
    app.include_router(asking.routes(Ask(pool, clock, zone), learner_of))
    app.include_router(previews.routes(others, learner_of))
    of_learners = Rights(pool, clock, others)
    app.include_router(rights.routes(of_learners, learner_of, learner_id_key=learner_id_key, scheme=scheme))
    return app
