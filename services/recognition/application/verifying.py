"""VerifyDecisions: every stored decision of the engine again, from its stored inputs and pinned versions (I-12).

What is compared is canonical JSON, byte for byte: state, every field of every ground, grade, claim date, and the
grant's completions and lines. A release whose sentences read otherwise differs too: this is where that is seen.
"""

import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from chassis.database import Connection
from services.recognition.application.catalogue import agreement_version, award_version
from services.recognition.domain.catalogue import AgreementVersion, AwardVersion
from services.recognition.domain.inputs import case_from
from services.recognition.domain.learner import OFFICER, DocumentVersion
from services.recognition.engine.codec import outcome_to_json
from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.numbers import text_of_number
from services.recognition.store import catalogue as documents
from services.recognition.store import stored as store
from services.recognition.store.stored import Stored

LEARNERS_AT_A_TIME: Final = 200
"""So many learners' decisions are in memory at once."""
MOST_TOLD: Final = 1000
"""Differences are counted all, and told up to so many."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A stored decision and what comes of its inputs now differ in a field, such as `grounds/0/sentence`."""

    decision_id: UUID
    field: str
    stored: str
    decided: str


@dataclass(slots=True)
class Report:
    """What was examined, and what differs; `by_people` were decided by officers, or froze a grant, from no inputs."""

    decisions: int = 0
    evaluations: int = 0
    by_people: int = 0
    differing: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether something was examined, and nothing differs."""
        return self.decisions > 0 and self.differing == 0


async def verify(connection: Connection, *, at_a_time: int = LEARNERS_AT_A_TIME) -> AsyncIterator[Report]:
    """Decide everything again; gives the same report after each batch of learners, as it has become.

    It only reads. Every batch is read by a statement of its own, so that it never holds a snapshot for long: what is
    stored never changes.
    """
    report, pinned, after = Report(), Pinned(connection), UUID(int=0)
    while learner_ids := await store.learners(connection, after, at_a_time):
        after = learner_ids[-1]
        rows = await store.decisions(connection, learner_ids)
        await pinned.learn(rows)
        for evaluation_id, together in groupby(rows, key=lambda one: one.evaluation_id):
            if evaluation_id is not None:
                _decide_again(list(together), pinned, report)
            else:
                _without_inputs(together, report)
        yield report


class Pinned:
    """The published versions that decisions pin, each read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._agreements: dict[DocumentVersion, AgreementVersion] = {}
        self._awards: dict[DocumentVersion, AwardVersion] = {}

    async def learn(self, rows: Iterable[Stored]) -> None:
        """Read what these decisions pin and is not known yet."""
        agreements, awards = set(), set()
        for row in rows:
            if row.agreement is not None:
                agreements.add(row.agreement)
            awards.add(row.award)
        new = [(one.id, one.version) for one in agreements - self._agreements.keys()]
        for key, document in (await documents.agreement_documents(self._connection, new)).items():
            self._agreements[DocumentVersion(*key)] = agreement_version(document)
        new = [(one.id, one.version) for one in awards - self._awards.keys()]
        for key, document in (await documents.award_documents(self._connection, new)).items():
            # Which number its publication took matters to no evaluation.
            self._awards[DocumentVersion(*key)] = award_version(document, 0)

    def of(self, row: Stored) -> tuple[AgreementVersion | None, AwardVersion]:
        """The versions that a decision pins. Raises KeyError where one is not there."""
        return None if row.agreement is None else self._agreements[row.agreement], self._awards[row.award]


def _without_inputs(rows: Iterable[Stored], report: Report) -> None:
    """Only people, and what freezes a grant, decide without an evaluation."""
    for row in rows:
        if row.is_frozen or any(ground["code"] == OFFICER for ground in row.grounds):
            report.by_people += 1
        else:
            report.decisions += 1
            _tell(report, row, [("evaluation", "none", "one")])


def _decide_again(rows: Sequence[Stored], pinned: Pinned, report: Report) -> None:
    report.evaluations += 1
    report.decisions += len(rows)
    first = rows[0]
    if first.inputs is None:
        for row in rows:
            _tell(report, row, [("inputs", "none", "those of its evaluation")])
        return
    try:
        agreement, award = pinned.of(first)
        # An award stands in its member's framework: that is the one into which the agreement converts.
        terms = None if agreement is None else agreement.terms[award.framework]
        decided = outcome_to_json(evaluate(case_from(first.inputs, terms, award.terms)))
    except (KeyError, TypeError, ValueError) as error:
        for row in rows:
            _tell(report, row, [("inputs", "cannot be evaluated", f"{type(error).__name__}: {error}")])
        return
    claimed_on = _claim_dates(first.inputs)
    grant_of = {one: grant for grant in decided["grants"] for one in grant["completions"]}
    for row in rows:
        id_ = str(row.completion_id)
        versions = (row.agreement, row.award)
        if id_ not in decided["decisions"]:
            _tell(report, row, [("inputs", "without this completion", "with it")])
        elif versions != (first.agreement, first.award):
            _tell(report, row, [("versions", _text(versions), _text((first.agreement, first.award)))])
        else:
            again = decided["decisions"][id_] | {"claimed_on": claimed_on[id_], "grant": _content(grant_of.get(id_))}
            _tell(report, row, list(differences(_as_decided(row), again)))


def _claim_dates(inputs: dict[str, Any]) -> dict[str, Any]:
    shared = inputs.get("claimed_on")
    return {one["id"]: one.get("claimed_on", shared) for one in inputs["completions"]}


def _as_decided(row: Stored) -> dict[str, Any]:
    """A stored decision in the form of the engine's."""
    grant = None
    if row.granted_on or row.lines:
        lines = [line | {"credits": text_of_number(Fraction(line["credits"]))} for line in row.lines]
        grant = {"completions": [str(one) for one in row.granted_on], "lines": lines}
    return {
        "state": row.state,
        "grounds": row.grounds,
        "grade": None if row.grade is None else text_of_number(Fraction(row.grade)),
        "claimed_on": row.claimed_on.isoformat(),
        "grant": _content(grant),
    }


def _content(grant: dict[str, Any] | None) -> dict[str, Any] | None:
    """What makes a grant the one it is: the same one may have been posted with its lines in another order."""
    if grant is None:
        return None
    return {"completions": sorted(grant["completions"]), "lines": sorted(grant["lines"], key=_text)}


def differences(stored: Any, decided: Any, at: str = "") -> Iterable[tuple[str, str, str]]:
    """Where two JSON values differ, as deep down as both have a place there: its path, and both values as text."""
    if _text(stored) == _text(decided):
        return
    if isinstance(stored, dict) and isinstance(decided, dict) and stored.keys() == decided.keys():
        for name in stored:
            yield from differences(stored[name], decided[name], f"{at}/{name}" if at else name)
    elif isinstance(stored, list) and isinstance(decided, list) and len(stored) == len(decided):
        for place, pair in enumerate(zip(stored, decided, strict=True)):
            yield from differences(*pair, f"{at}/{place}")
    else:
        yield at, _text(stored), _text(decided)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)


def _tell(report: Report, row: Stored, found: Sequence[tuple[str, str, str]]) -> None:
    report.differing += bool(found)
    room = MOST_TOLD - len(report.differences)
    report.differences += [Difference(row.decision_id, *one) for one in found[:room]]
