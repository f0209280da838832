"""A decision as a paragraph: for every state what was granted, why, under what, and what comes next."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.recognition.domain.declines import AppealRoute
from services.recognition.domain.explaining import Told, explain
from services.recognition.domain.learner import DocumentVersion
from services.recognition.engine.model import Line, State

GENERAL = Line("GENERAL", Fraction(20), 5, "general")
CORE = Line("CORE", Fraction(15, 2), 11, "specific")
MARK = "The mark is 39, and at least 40 is needed."


def told(state: State, *sentences: str, **changes: Any) -> str:
    fields: dict[str, Any] = {
        "state": state,
        "codes": ["GRADE_BELOW_MIN"] * len(sentences),
        "sentences": sentences,
        "lines": [],
        "rests_on": 0,
        "is_frozen": False,
        "grade": None,
        "provider": "northbridge",
        "receiver": "strathmore",
        "agreement": DocumentVersion("n-s", 3),
        "award": DocumentVersion("strathmore:pgcert", 2),
        "claimed_on": date(2026, 9, 1),
        "referrals_to": "the recognition office",
        "appeals": AppealRoute("Write to the registrar.", 20, ("the registrar", "a panel")),
    }
    return explain(Told(**{**fields, **changes}))


JUDGED = "The claim of 2026-09-01 was judged under the agreement n-s, version 3."
APPEAL = (
    "If you think this is wrong, you may appeal within 20 days, before the registrar then a panel: "
    "Write to the registrar."
)


@pytest.mark.parametrize(
    ("state", "sentences", "changes", "paragraph"),
    [
        (
            State.RECOGNISED,
            [],
            {"lines": [GENERAL], "rests_on": 1, "grade": Fraction(58)},
            "This completion is recognised towards strathmore:pgcert (version 2): 20 credits at level 5 as general "
            f"credit, and the mark 58 goes with it. {JUDGED} You need do nothing.",
        ),
        (
            State.RECOGNISED,
            [],
            {"lines": [CORE, GENERAL], "rests_on": 3},
            "This completion is recognised together with 2 other completions towards strathmore:pgcert (version 2): "
            f"7.5 credits at level 11 as CORE and 20 credits at level 5 as general credit. {JUDGED} You need do "
            "nothing.",
        ),
        (
            State.PARTIAL,
            ["It was worth 30 credits and 20 count; the agreement does not use the rest."],
            {"lines": [GENERAL], "rests_on": 2},
            "Part of this completion is recognised together with 1 other completion towards strathmore:pgcert "
            "(version 2): 20 credits at level 5 as general credit. Not all of it counts. It was worth 30 credits and "
            f"20 count; the agreement does not use the rest. {JUDGED} {APPEAL}",
        ),
        (
            State.INCOMPLETE,
            ["The result is still pending; once it is final the claim is decided by itself."],
            {},
            "Whether this completion counts towards strathmore:pgcert (version 2) cannot be said yet. The result is "
            f"still pending; once it is final the claim is decided by itself. {JUDGED} You need do nothing: it is "
            "decided again by itself as soon as that changes.",
        ),
        (
            State.INCOMPLETE,
            ["Not everything fits."],
            {"codes": ["CHOICE_REQUIRED"]},
            "Whether this completion counts towards strathmore:pgcert (version 2) cannot be said yet. Not everything "
            f"fits. {JUDGED} Choose what is to count first; it is decided again at once, and you may choose anew "
            "later.",
        ),
        (
            State.REFERRED,
            ["There is no agreement here."],
            {"agreement": None},
            "A person at strathmore decides whether this completion counts towards strathmore:pgcert (version 2). "
            "There is no agreement here. The claim of 2026-09-01 was judged under the terms of strathmore, without an "
            "agreement. You need do nothing: it is with the recognition office, at strathmore.",
        ),
        (
            State.REFERRED,
            ["The provider has revoked this completion."],
            {"lines": [GENERAL], "rests_on": 1, "is_frozen": True},
            "The credit that this completion was granted towards strathmore:pgcert (version 2) counts no more until a "
            f"person has decided. The provider has revoked this completion. {JUDGED} You need do nothing: it is with "
            "the recognition office, at strathmore.",
        ),
        (
            State.DECLINED,
            [MARK, "It was too long ago."],
            {"appeals": AppealRoute("Write", 1, ("the dean",))},
            "This completion does not count towards strathmore:pgcert (version 2). The mark is 39, and at least 40 is "
            f"needed. It was too long ago. {JUDGED} If you think this is wrong, you may appeal within 1 day, before "
            "the dean: Write.",
        ),
        (
            State.DECLINED,
            [MARK],
            {"appeals": None},
            f"This completion does not count towards strathmore:pgcert (version 2). {MARK} {JUDGED} If you think this "
            "is wrong, ask the recognition office, at strathmore.",
        ),
        (
            State.INVALID,
            ["The signature is broken."],
            {},
            "This completion cannot be judged for strathmore:pgcert (version 2) as it stands. The signature is broken. "
            f"{JUDGED} Ask northbridge to correct it; it is decided again by itself then. {APPEAL}",
        ),
        (
            State.DECLINED,
            [MARK],
            {"replaced": True},
            "A newer decision has taken the place of this one. This completion does not count towards "
            f"strathmore:pgcert (version 2). {MARK} {JUDGED} What to do next is said by the newer decision.",
        ),
    ],
)
def test_every_state_is_told(state: State, sentences: list[str], changes: dict[str, Any], paragraph: str) -> None:
    assert told(state, *sentences, **changes) == paragraph


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("lines", [[], [GENERAL]])
def test_no_reason_is_left_out_and_it_is_one_paragraph(state: State, lines: list[Line]) -> None:
    paragraph = told(state, MARK, "It was too long ago.", lines=lines, rests_on=len(lines))
    assert f"{MARK} It was too long ago." in paragraph
    assert "\n" not in paragraph
    assert paragraph.endswith(".")
    assert "  " not in paragraph
