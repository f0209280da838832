"""What is held about learners is known: every table that says whose a row is stands in its service's export."""

from collections.abc import Awaitable, Callable
from importlib import import_module
from uuid import UUID

import pytest

from chassis.database import connect
from chassis.export import About, Held, read
from chassis.migrate import SERVICES
from tests.conftest import Database

pytestmark = pytest.mark.servers

OF_LEARNERS = (
    "learner_id",
    "completion_id",
    "enrolment_id",
    "evaluation_id",
    "appeal_id",
    "grant_id",
    "identifier",
    "queue",
)
"""Columns by which a row is somebody's."""

HELD_WITHOUT = {"portal"}
"""Its sessions are sealed under keys that only browsers have: nobody can tell whose one is (docs/privacy.md)."""

EXCEPTIONS = {
    ("learner_record", "progress_due"): "a work row of a moment: that the learner is due, which the record shows",
}
"""Tables with such a column that are in no export, and why."""


def held_by(service: str) -> Held:
    held: Held = import_module(f"services.{service}.held").HELD
    return held


@pytest.mark.parametrize("service", SERVICES)
async def test_every_table_with_something_of_a_learner_is_exported(
    service: str, database: Callable[[str], Awaitable[Database]]
) -> None:
    connection = await connect((await database(service)).url)
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT table_name, table_type FROM information_schema.columns JOIN information_schema.tables"
            " USING (table_schema, table_name) WHERE table_schema = 'public' AND column_name = ANY ($1::text[])",
            list(OF_LEARNERS),
        )
        found = {row["table_name"] for row in rows}
        if service in HELD_WITHOUT:
            assert found == set()
            return
        held = held_by(service)
        excepted = {table for of, table in EXCEPTIONS if of == service}
        assert found - set(held) == excepted, "each is in the export, or among the exceptions with a reason"
        assert set(held) <= found, "nothing is exported that is not there"
        # With the rights of the service, and as JSON.
        assert (await read(connection, held, About(UUID(int=0)))).startswith(b"{")
    finally:
        await connection.close()
