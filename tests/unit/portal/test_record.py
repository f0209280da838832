"""What of a record may be appealed against and chosen from, and until when."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

import pytest

from services.portal.record import Appeal, Appeals, Enrolment, Entry, Record

SPACE = UUID(int=1)
DECISION, OTHER = uuid5(SPACE, "decision"), uuid5(SPACE, "another decision")
TODAY = date(2026, 9, 1)
NOTHING = {"own": "0", "specific": "0", "general": "0", "imported": "0", "total": "0", "by_level": []}


def ground(code: str) -> dict[str, Any]:
    return {"code": code, "document": "a", "version": 1, "clause": "/import_cap", "sentence": "Why."}


def counted(title: str, *, frozen: bool = False) -> dict[str, Any]:
    line = {"slot": "GENERAL", "credits": "15", "level": 11, "kind": "general"}
    return {"completions": [str(uuid5(SPACE, title))], "lines": [line], "frozen": frozen, "counts": not frozen}


def entry(title: str = "Data Ethics", state: str = "DECLINED", **fields: Any) -> dict[str, Any]:
    completion = {
        "completion_id": str(uuid5(SPACE, title)), "provider": "northbridge", "provider_name": None, "title": title,
        "awarding_body": None, "credits": "15", "framework": "FHEQ", "level": 7, "result": "pass", "mark": None,
        "completed_on": "2026-06-30", "revocation_reason": None,
    }  # fmt: skip
    return {
        "entry_id": str(uuid5(SPACE, f"entry {title}")), "state": state, "completion": completion,
        "decision_id": str(DECISION), "decided_at": "2026-08-31T23:30:00Z",
    } | fields  # fmt: skip


def appeal(state: str = "open", **fields: Any) -> Appeal:
    return Appeal(**{"decision_id": DECISION, "stage": 1, "withdrawn": False, "state": state} | fields)


def enrolment(*entries: dict[str, Any], reference: str = "E-1", **fields: Any) -> dict[str, Any]:
    return {
        "enrolment_id": str(uuid5(SPACE, reference)), "reference": reference, "award": {"id": "strathmore:pgcert-data"},
        "opened_on": "2026-08-15", "closed_on": None, "entries": list(entries), "totals": NOTHING, "frozen": NOTHING,
    } | fields  # fmt: skip


def conferred(*titles: str) -> dict[str, Any]:
    conferral = {
        "award": {"id": "strathmore:pgcert-data", "version": 1},
        "conferred_on": "2026-08-20",
        "completions": [str(uuid5(SPACE, title)) for title in titles],
    }
    return {"eligible": True, "capstone": "none", "conditions": [], "conferral": conferral}


def choosable(*enrolments: dict[str, Any]) -> list[str]:
    at = {"member": "strathmore", "name": None, "framework": "SCQF", "own_credit": [], "enrolments": list(enrolments)}
    record = Record.model_validate({"version": 1, "members": [at]})
    return [one.title for one in record.to_choose_from(record.members[0].enrolments[0])]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("DECLINED", True),
        ("PARTIAL", True),
        ("REFERRED", True),
        ("INVALID", True),
        ("RECOGNISED", False),
        ("INCOMPLETE", False),
        ("RECEIVED", False),
    ],
)
def test_what_gives_less_than_was_claimed_can_be_appealed_against(state: str, expected: bool) -> None:
    assert Entry.model_validate(entry(state=state)).can_be_appealed is expected


def test_a_decision_is_appealed_against_once_and_the_next_one_anew() -> None:
    assert not Entry.model_validate(entry(appeal=appeal())).can_be_appealed
    assert Entry.model_validate(entry(appeal=appeal(decision_id=OTHER))).can_be_appealed


def test_an_appeal_is_possible_for_days_counted_in_the_consortiums_time_zone() -> None:
    ways = Appeals(route="Write", days=20, stages=["Registrar"])
    shown = Entry.model_validate(entry())

    assert shown.appeal_until(ways, ZoneInfo("UTC")) == date(2026, 9, 20)
    assert shown.appeal_until(ways, ZoneInfo("Europe/London")) == date(2026, 9, 21)
    assert shown.appeal_until(None, ZoneInfo("UTC")) is None
    assert shown.decided_at == datetime(2026, 8, 31, 23, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("state", "withdrawn", "standing", "can_be_withdrawn"),
    [
        ("lodged", False, "lodged", True),
        ("open", False, "open", True),
        ("open", True, "withdrawn", False),
        ("withdrawn", True, "withdrawn", False),
        ("dismissed", False, "dismissed", False),
        ("upheld", True, "upheld", False),
    ],
)
def test_an_appeal_is_withdrawn_as_soon_as_the_learner_says_so(
    state: str, withdrawn: bool, standing: str, can_be_withdrawn: bool
) -> None:
    shown = appeal(state, withdrawn=withdrawn)
    assert (shown.standing, shown.can_be_withdrawn) == (standing, can_be_withdrawn)


@pytest.mark.parametrize(
    ("state", "until", "expected"),
    [
        ("dismissed", TODAY, True),
        ("dismissed", TODAY - timedelta(days=1), False),
        ("dismissed", None, False),
        ("open", TODAY, False),
    ],
)
def test_only_a_dismissed_appeal_goes_further_and_only_in_time(state: str, until: date | None, expected: bool) -> None:
    assert appeal(state, next_stage_until=until).goes_further(TODAY) is expected


@pytest.mark.parametrize("code", ["CHOICE_REQUIRED", "CAP_REACHED", "LEVEL_CAP_EXCEEDED", "SAME_LEVEL_CAP_REACHED"])
def test_where_there_is_no_room_the_learner_may_choose(code: str) -> None:
    shown = Enrolment.model_validate(enrolment(entry(grounds=[ground(code)])))
    assert shown.takes_a_choice(TODAY)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"choice": [str(DECISION)]}, True),
        ({"choice": [str(DECISION)], "closed_on": "2026-09-02"}, True),
        ({"choice": [str(DECISION)], "closed_on": "2026-09-01"}, False),
        ({"choice": [str(DECISION)], "progress": conferred()}, False),
    ],
)
def test_a_choice_can_be_changed_while_the_enrolment_is_open(fields: dict[str, Any], expected: bool) -> None:
    shown = enrolment(entry(grounds=[ground("LEVEL_TOO_LOW")]), **fields)
    assert Enrolment.model_validate(shown).takes_a_choice(TODAY) is expected


def test_chosen_from_is_what_takes_room_or_would() -> None:
    assert choosable(
        enrolment(
            entry("Waits", "INCOMPLETE", grounds=[ground("CHOICE_REQUIRED")]),
            entry("No room", grounds=[ground("CAP_REACHED")]),
            entry("Counts", "RECOGNISED", counts_as=counted("Counts")),
            entry("Frozen", "REFERRED", counts_as=counted("Frozen", frozen=True)),
            entry("Too low", grounds=[ground("LEVEL_TOO_LOW")]),
            entry("Chosen", "REFERRED"),
            entry("Settled", "RECOGNISED", counts_as=counted("Settled")),
            choice=[str(uuid5(SPACE, "Chosen"))],
        ),
        enrolment(reference="E-2", progress=conferred("Settled")),
    ) == ["Chosen", "Counts", "No room", "Waits"]
