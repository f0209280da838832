"""The business state of a system, without times: what two runs of the same story must have in common."""

from typing import Final

from tests.whole import Whole

QUERIES: Final[dict[str, tuple[str, str]]] = {
    "completions": (
        "provider",
        "SELECT completion_id, revision, body_hash FROM completion_revision",
    ),
    "decisions": (
        "recognition",
        "SELECT completion_id, enrolment_id, number, completion_revision, state, grade, agreement_id, "
        "agreement_version, award_version, grant_id, is_frozen, grounds::text FROM decision",
    ),
    "current decisions": (
        "recognition",
        "SELECT DISTINCT ON (completion_id, enrolment_id) completion_id, enrolment_id, number, state, grant_id "
        "FROM decision ORDER BY completion_id, enrolment_id, number DESC",
    ),
    "grants": ("recognition", "SELECT enrolment_id, ordinal, grant_id, completions, fills FROM credit_grant"),
    "ledger": (
        "recognition",
        "SELECT grant_id, line, is_withdrawal, enrolment_id, slot, credits, level, kind FROM ledger",
    ),
    "entries": (
        "learner_record",
        "SELECT DISTINCT ON (entry_id) entry_id, member, completion_id, enrolment_id, completion_revision, "
        "decision_id, decision_number, state FROM entry ORDER BY entry_id, revision DESC",
    ),
}


async def business_state(whole: Whole) -> dict[str, list[tuple[str, ...]]]:
    """Every table that matters, sorted."""
    return {
        name: sorted(tuple(str(value) for value in row) for row in await whole.fetch(service, sql))
        for name, (service, sql) in QUERIES.items()
    }
