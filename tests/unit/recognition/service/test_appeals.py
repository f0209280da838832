"""How an appeal comes to stand: by what the learner asks for, and what an officer decides."""

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from services.recognition.domain.appeals import Appeal, Request, dismissed, requested, upheld
from services.recognition.domain.declines import AppealRoute

ROUTE = AppealRoute("Write to the registrar", 20, ("Registrar", "Senate"))
ID = UUID(int=1)
REQUEST = Request(ID, 1, ID, ID, "strathmore", ID, ID, ID, 1, withdrawn=False, day=date(2026, 9, 3))
DUE = date(2026, 9, 24)
OPEN = Appeal(REQUEST, 1, 2, "open", DUE)


def test_a_request_opens_its_stage() -> None:
    assert requested(None, REQUEST, ROUTE, DUE) == OPEN
    # A receiver that has fewer stages than the one that was lodged, or says nothing of them, has that many.
    assert requested(None, replace(REQUEST, stage=3), ROUTE, DUE) == replace(
        OPEN, request=replace(REQUEST, stage=3), stages=3
    )
    assert requested(None, REQUEST, None, DUE) == replace(OPEN, stages=1)


@pytest.mark.parametrize("revision", [1, 2])
def test_a_request_that_is_known_or_older_changes_nothing(revision: int) -> None:
    known = replace(OPEN, request=replace(REQUEST, revision=2))
    assert requested(known, replace(REQUEST, revision=revision), ROUTE, DUE) is None


def test_withdrawn_while_it_is_open() -> None:
    withdrawal = replace(REQUEST, revision=2, withdrawn=True)
    assert requested(OPEN, withdrawal, ROUTE, date(2027, 1, 1)) == replace(
        OPEN, request=withdrawal, revision=2, state="withdrawn"
    )
    for decided in (upheld(OPEN, ID, "Equal.", "officer"), dismissed(OPEN, ROUTE, DUE, "Not equal.", "officer")):
        assert requested(decided, withdrawal, ROUTE, DUE) is None


def test_dismissed_the_next_stage_is_open_for_the_receivers_days_and_after_the_last_there_is_none() -> None:
    after = dismissed(OPEN, ROUTE, date(2026, 9, 10), "Not equal.", "officer")
    assert (after.state, after.revision, after.next_stage_until) == ("dismissed", 2, date(2026, 9, 30))
    further = replace(REQUEST, revision=2, stage=2)
    second = requested(after, further, ROUTE, date(2026, 10, 20))
    assert second == Appeal(further, 3, 2, "open", date(2026, 10, 20))
    assert dismissed(second, ROUTE, date(2026, 10, 1), "Not equal.", "officer").next_stage_until is None
