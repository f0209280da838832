"""Each input of a decision that documents.md gives a source: an adverse value by the API, its ground on the record.

One strict agreement (Northbridge to Eastmoor) is published for these cases; where it cannot show an input, the demo's
own agreements do. What cannot occur through the API (documents.md names it) is covered by the engine's cases alone.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest

from deploy.demo.publishing import publish_document
from tests.e2e.test_spine import entries
from tests.eventually import eventually
from tests.whole import TODAY, Whole, completion, enrolment, learner

pytestmark = pytest.mark.servers

COURSES: Final[dict[str, dict[str, Any]]] = {
    f"northbridge:{code}": {"title": f"Case {code}", "credits": "10", "level": 5, "kind": "standalone"} | more
    for code, more in {
        "plain": {},
        "other": {},
        "third": {},
        "denied": {},
        "excluded": {},
        "unruled": {},
        "big": {"credits": "70"},
        "small": {"credits": "2"},
        "without-hours": {"workload_hours": None},
        "bare": {"title": None, "awarding_body": None, "quality_assurance": None},
        "pair-a": {},
        "pair-b": {},
        "level-3": {"level": 3},
        "level-7": {"level": 7},
    }.items()
}

AGREEMENT: Final[dict[str, Any]] = {
    "id": "northbridge-eastmoor-strict",
    "version": 1,
    "title": "Strict, for these cases",
    "parties": {"provider": "northbridge", "receiver": "eastmoor"},
    "credit_ratio": "1",
    "credit_step": "0.01",
    "in_force_from": "2025-01-01",
    "in_force_until": "2034-12-31",
    "covers_since": "2024-09-01",
    "in_force_basis": "claim",
    "currency_years": 3,
    "on_expired": "DECLINED",
    "minimum_mark": "50",
    "minimum_claim": "5",
    "accepts_compensated_pass": False,
    "grade_policy": "carry",
    "whole_units_only": True,
    "excess_credit": "drop",
    "double_counting": [],
    "course_versions": [1, 3],
    "requires_identity_check": True,
    "hours_per_credit": ["8", "12"],
    "denied_courses": [{"course": "northbridge:denied", "reason": "It is taught at Eastmoor itself."}],
    "excluded_components": ["northbridge:excluded"],
    "on_revocation": "withdraw",
    "rules": [
        {
            "priority": 1,
            "requires": {"all": [{"course": "northbridge:pair-a"}, {"course": "northbridge:pair-b"}]},
            "grants": None,
        },
        {
            "priority": 2,
            "requires": {
                "any": [
                    {"course": f"northbridge:{code}"}
                    for code in ("plain", "other", "third", "denied", "excluded", "big", "small", "bare")
                ]
            },
            "grants": None,
        },
        {
            "priority": 2,
            "requires": {
                "any": [{"course": f"northbridge:{code}"} for code in ("without-hours", "level-3", "level-7")]
            },
            "grants": [{"slot": "GENERAL", "credits": "10", "level": 4}],
        },
    ],
}


@dataclass(frozen=True)
class Adverse:
    """What is sent for one learner, and the ground that the last completion's entry must show."""

    ground: str
    state: str
    sent: tuple[tuple[str, dict[str, Any]], ...]
    enrolled: dict[str, Any] = field(default_factory=dict)
    award: str = "eastmoor:cert-digital"


def one(ground: str, state: str, code: str = "plain", **fields: Any) -> Adverse:
    """A case of one completion of one of the courses above."""
    return Adverse(ground, state, ((f"northbridge:{code}", fields),))


def _day(days: int) -> str:
    return (TODAY + timedelta(days=days)).isoformat()


CASES: Final = [
    one("EXPLICITLY_DENIED", "DECLINED", "denied"),
    one("EXCLUDED_COMPONENT", "DECLINED", "excluded"),
    one("NO_RULE", "REFERRED", "unruled"),
    one("VERSION_NOT_COVERED", "REFERRED", learning_opportunity={"id": "northbridge:plain", "version": 4}),
    one("CAP_EXCEEDED", "DECLINED", "big", workload_hours="700"),
    one("BELOW_MIN_CLAIM", "INCOMPLETE", "small", workload_hours="20"),
    one("LEVEL_MISSING", "REFERRED", level=None),
    one("BELOW_HE_LEVEL", "DECLINED", "level-3"),
    one("LEVEL_MISMATCH", "REFERRED", "level-7"),
    one("GRADE_BELOW_MIN", "DECLINED", mark="49.99"),
    one("MISSING_ELEMENT:mark", "REFERRED", mark=None),
    one("NOT_PASSED", "DECLINED", result="fail", mark="20"),
    one("NOT_ASSESSED", "DECLINED", result="not_assessed", mark=None),
    one("AWAITING_RESULT", "INCOMPLETE", result="pending", mark=None),
    one("COMPENSATED_NOT_ACCEPTED", "DECLINED", result="compensated"),
    one("CURRENCY", "DECLINED", completed_on=_day(-4 * 366)),
    one("COMPLETED_IN_FUTURE", "INVALID", completed_on=_day(30)),
    one("WORKLOAD_INCONSISTENT", "REFERRED", workload_hours="500"),
    one("MISSING_ELEMENT:workload", "REFERRED", "without-hours"),
    one("MISSING_ELEMENT:title", "REFERRED", "bare"),
    one("MISSING_ELEMENT:issued_on", "REFERRED", issued_on=None),
    one("ID_NOT_VERIFIED_AT_ASSESSMENT", "REFERRED", identity_verified_at_assessment=False),
    one("REVOKED", "DECLINED", revoked=True, revocation_reason="issued in error"),
    one("ALREADY_USED", "DECLINED", used_for={"title": "Certificate elsewhere", "framework": "FHEQ", "level": 4}),
    one("RULE_NOT_SATISFIED", "INCOMPLETE", "pair-a"),
    Adverse(
        "DUPLICATE_CLAIM",
        "DECLINED",
        (("northbridge:plain", {}), ("northbridge:plain", {"reference": "again", "mark": "80"})),
    ),
    Adverse(
        "CAP_EXCEEDED",
        "DECLINED",
        (
            ("northbridge:plain", {"credits": "55", "workload_hours": "550"}),
            ("northbridge:other", {"credits": "10", "workload_hours": "100"}),
        ),
    ),
    # More than the cap takes at once, and the learner has chosen nothing.
    Adverse(
        "CHOICE_REQUIRED",
        "INCOMPLETE",
        (
            ("northbridge:plain", {"credits": "40", "workload_hours": "400"}),
            ("northbridge:other", {"credits": "40", "workload_hours": "400"}),
        ),
        {"last": True},
    ),
    Adverse("LEVEL_AMBIGUOUS", "REFERRED", (("delmere:databases", {}),)),
    # The claim date is the enrolment's opening where that is later: after the agreements ended; during a suspension.
    Adverse("AGREEMENT_NOT_IN_FORCE", "REFERRED", (("northbridge:plain", {}),), {"opened_on": "2036-01-01"}),
    Adverse("MEMBER_SUSPENDED", "REFERRED", (("northbridge:plain", {}),), {"opened_on": _day(410)}),
    # The award's lowest level: Glenmore's PGCert takes nothing below SCQF 10.
    Adverse("BELOW_HE_LEVEL", "DECLINED", (("eastmoor:programming", {}),), {}, "glenmore:pgcert-data"),
]


@pytest.fixture(scope="module")
async def strict(whole: Whole) -> Whole:
    """The strict agreement with its courses, and a suspension of Northbridge in a year's time."""
    async with whole.at("provider-api", "northbridge-system") as http:
        for course, offered in COURSES.items():
            body = {
                "version": 1,
                "revision": 1,
                "awarding_body": "Northbridge University",
                "framework": "FHEQ",
                "workload_hours": str(10 * int(offered["credits"])),
                "learning_outcomes": ["Know the case"],
                "assessment_type": "Coursework",
                "participation_form": "Online",
                "quality_assurance": "Reviewed",
            } | offered
            response = await http.put(f"/learning-opportunities/{course}", json=body)
            assert response.status_code == 201, response.text
    async with whole.at("provider-api", "consortium") as http:
        read = await http.get("/members/northbridge")
        body = {
            name: value for name, value in read.json().items() if name not in ("member_id", "revision", "accepted_at")
        }
        body["suspensions"] = [{"from": _day(400), "until": _day(420), "reason": "Audit"}]
        response = await http.put("/members/northbridge", json=body, headers={"If-Match": read.headers["ETag"]})
        assert response.status_code == 200, response.text
    await publish_document(AGREEMENT, whole.doors)

    async def suspended() -> bool:
        rows = await whole.fetch("recognition", "SELECT suspensions FROM member WHERE member_id = 'northbridge'")
        return _day(400) in rows[0][0]

    await eventually(suspended)
    return whole


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{number}-{CASES[number].ground}")
async def test_an_adverse_value_is_a_ground_on_the_record(strict: Whole, number: int) -> None:
    case, code = CASES[number], f"a{number}"
    receiver = case.award.partition(":")[0]
    enrolled = enrolment(code, case.award, **{name: v for name, v in case.enrolled.items() if name != "last"})
    enrols_last = case.enrolled.get("last", False)
    if not enrols_last:
        assert (await strict.enrol(enrolled)).status_code == 201
    reference = ""
    for nth, (course, fields) in enumerate(case.sent):
        reference = fields.get("reference", course.partition(":")[2])
        document = _completion(code, course, fields) | {"reference": f"{code}-{reference}"}
        assert (await strict.publish(document)).status_code == 201
        if nth + 1 < len(case.sent) and not enrols_last:
            await _entry(strict, receiver, code, f"{code}-{reference}")
    if enrols_last:

        async def both_are_known() -> bool:
            rows = await strict.fetch(
                "recognition", "SELECT 1 FROM completion_revision WHERE reference ^@ $1", f"{code}-"
            )
            return len(rows) == len(case.sent)

        await eventually(both_are_known)
        assert (await strict.enrol(enrolled)).status_code == 201
    entry = await _entry(strict, receiver, code, f"{code}-{reference}")
    shown = {ground["code"]: ground for ground in entry["grounds"]}
    assert case.ground in shown, entry["grounds"]
    assert entry["state"] == case.state, entry["grounds"]
    assert shown[case.ground]["sentence"]
    assert shown[case.ground]["clause"]


def _completion(code: str, course: str, fields: dict[str, Any]) -> dict[str, Any]:
    if course in COURSES:
        offered = COURSES[course]
        template = completion(code, "northbridge:statistics")
        own = {
            "learner": learner(code, "northbridge"),
            "learning_opportunity": {"id": course, "version": 1},
            "credits": offered["credits"],
            "level": offered["level"],
        }
        return template | own | fields
    return completion(code, course, **fields)


async def _entry(whole: Whole, receiver: str, code: str, reference: str) -> dict[str, Any]:
    async def decided() -> dict[str, Any] | None:
        found = entries(await whole.record(receiver, code), reference)
        return next((entry for entry in found if entry["decision_number"]), None)

    return await eventually(decided, what=f"a decision on {reference} at {receiver}")
