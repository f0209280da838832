"""Who read whose record: an append-only log in every service that shows one, which the learner is shown whole.

A route notes a reading on the connection on which it reads: one more statement, of one row. Learners who read their own
record, and events and answers that go to both parties of a decision as such, are not noted (docs/privacy.md).
"""

from datetime import datetime
from typing import Final
from uuid import UUID

from chassis.database import Connection
from chassis.identity import Principal

NOTE: Final = """
INSERT INTO record_access (learner_id, completion_id, what, subject, member, roles, read_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""


async def note(
    connection: Connection,
    reader: Principal,
    what: str,
    at: datetime,
    *,
    learner_id: UUID | None = None,
    completion_id: UUID | None = None,
) -> None:
    """Note that somebody reads something of a learner's, in a few words such as "record" or "appeal statement".

    Exactly one of the two ids says whose; a completion's where the service does not know its learner.
    """
    roles = sorted(role.value for role in reader.roles)
    await connection.execute(NOTE, learner_id, completion_id, what, reader.subject, reader.member, roles, at)
