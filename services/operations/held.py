"""What this service holds about a learner, for the learner's export (docs/privacy.md).

It knows of learners only that there are such: what it saw is found by their completions and enrolments.
"""

from typing import Final

from chassis.export import BY_COMPLETION, OF_EVERY_SERVICE, Held

HELD: Final[Held] = {
    **OF_EVERY_SERVICE,
    "hop": (
        "SELECT * FROM hop WHERE completion_id = ANY (about.completions)"
        " UNION SELECT * FROM hop WHERE facts ->> 'enrolment_id' = ANY (about.enrolments::text[])"
    ),
    "record_access": BY_COMPLETION.format(table="record_access"),
}
