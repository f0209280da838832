"""A change is folded into a learner's claims: what is opened, evaluated, granted, withdrawn and decided.

Everything here is decision.md, "What is decided", in its order. It is pure: the learner given is worked on, and nothing
else; times, causes and the catalogue are handed in.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final
from uuid import UUID

from services.recognition.domain.balances import (
    GivenBack,
    cap_clauses,
    counts_at_same_level,
    given_back,
    ledger_of,
    slots_filled_by,
    widened,
)
from services.recognition.domain.cases import evaluations
from services.recognition.domain.catalogue import AgreementVersion, AwardVersion, Catalogue
from services.recognition.domain.claims import claim_date, is_open, waits_for
from services.recognition.domain.learner import (
    Cause,
    Completion,
    Decision,
    DocumentVersion,
    Enrolment,
    Grant,
    Learner,
    Made,
    Standing,
)
from services.recognition.engine import model
from services.recognition.engine.evaluate import evaluate

MOST_ROUNDS: Final = 50
"""Each round but the last gives room back to somebody; so many in a row would be a fault of the rules' reading."""


class NeverSettles(Exception):
    """Rounds of evaluation that go on changing what they changed."""


@dataclass(frozen=True, slots=True)
class Change:
    """Why claims are looked at, and the day on which the change happened."""

    cause: Cause
    today: date


def completion_published(learner: Learner, completion: Completion, catalogue: Catalogue, change: Change) -> None:
    """A completion is new, or has a new revision: it opens for every enrolment at another member."""
    learner.completions[completion.completion_id] = completion
    for enrolment in sorted(learner.enrolments.values(), key=lambda one: one.enrolment_id):
        if enrolment.receiver != completion.provider:
            _look_at(learner, enrolment, catalogue, change, revised=completion)


def enrolment_recorded(learner: Learner, enrolment: Enrolment, catalogue: Catalogue, change: Change) -> None:
    """An enrolment is opened, changed or closed: whatever the learner completed elsewhere is claimed for it."""
    learner.enrolments[enrolment.enrolment_id] = enrolment
    _look_at(learner, enrolment, catalogue, change)


def catalogue_changed(learner: Learner, enrolment_id: UUID, catalogue: Catalogue, change: Change) -> None:
    """Something was published, or a member changed: what is open is evaluated, and what a new award version widens."""
    _look_at(learner, learner.enrolments[enrolment_id], catalogue, change)


def _look_at(
    learner: Learner, enrolment: Enrolment, catalogue: Catalogue, change: Change, *, revised: Completion | None = None
) -> None:
    award = catalogue.award(enrolment.award)
    if award is not None and enrolment.receiver in catalogue.members:
        _Deciding(learner, enrolment, award, catalogue, change).decide(revised)
    for completion in learner.claims_of(enrolment):
        current = learner.decision_on(completion.completion_id, enrolment)
        opened = is_open(completion, enrolment, current, change.today)
        standing = Standing(
            catalogue.number,
            is_open=opened,
            has_cap_ground=current is not None
            and bool(cap_clauses(current.grounds))
            and not enrolment.is_closed(change.today),
            waits_for=waits_for(completion.provider, enrolment, catalogue) if opened and current is None else None,
        )
        learner.stand((completion.completion_id, enrolment.enrolment_id), standing)


@dataclass(slots=True)
class _Deciding:
    """One enrolment of one learner, in view of one change."""

    learner: Learner
    enrolment: Enrolment
    award: AwardVersion
    catalogue: Catalogue
    change: Change
    owed: set[UUID] = field(default_factory=set)
    """Completions whose new revision gives a new decision, whatever its outcome."""

    def decide(self, revised: Completion | None) -> None:
        """Open what the change opens, and evaluate round by round, until a round changes nothing."""
        opened = self._opened_by_revision(revised) if revised is not None else {}
        if not self._is_closed:
            opened |= self._opened_by_award()
        before: tuple[object, ...] = ()
        for _ in range(MOST_ROUNDS):
            open_now = self._open(opened)
            others = [grant for grant in self._grants() if open_now.keys().isdisjoint(grant.completions)]
            begins_with = (open_now.keys(), [grant.ordinal for grant in others])
            # An evaluation is a function of these, so the same again would change nothing.
            if not open_now or begins_with == before:
                return
            before = begins_with
            ledger = ledger_of(self._grants())
            if not self._round(open_now, others) or self._is_closed:
                return
            opened = self._opened_by(given_back(ledger, ledger_of(self._grants())))
        raise NeverSettles(f"enrolment {self.enrolment.enrolment_id} after {MOST_ROUNDS} rounds")

    @property
    def _is_closed(self) -> bool:
        return self.enrolment.is_closed(self.change.today)

    def _grants(self) -> list[Grant]:
        return sorted(self.learner.grants_of(self.enrolment), key=lambda grant: grant.ordinal)

    def _current(self, completion_id: UUID) -> Decision | None:
        return self.learner.decision_on(completion_id, self.enrolment)

    # What is open

    def _opened_by_revision(self, revised: Completion) -> dict[UUID, Cause]:
        """The first two rows: the completion itself; or its grant is frozen, which opens nothing."""
        current = self._current(revised.completion_id)
        if current is None or (current.grant is None and self._is_closed):
            return {}
        if current.grant is not None and self._is_to_be_frozen(current.grant):
            self._freeze(current.grant, revised)
            return {}
        self.owed.add(revised.completion_id)
        return {revised.completion_id: self.change.cause}

    def _is_to_be_frozen(self, grant: Grant) -> bool:
        return grant.refers_revocation and any(self.learner.completions[one].revoked for one in grant.completions)

    def _opened_by_award(self) -> dict[UUID, Cause]:
        """A new award version opens what has a ground for a cap that it widens."""
        opened = {}
        for completion in self.learner.claims_of(self.enrolment):
            claim = (completion.completion_id, self.enrolment.enrolment_id)
            standing = self.learner.standings.get(claim)
            current = self._current(completion.completion_id)
            if standing is None or current is None:
                continue
            seen = self.catalogue.award_at(self.award.id, standing.stamped)
            if seen is not None and not cap_clauses(current.grounds).isdisjoint(widened(seen.terms, self.award.terms)):
                opened[completion.completion_id] = self.change.cause
        return opened

    def _opened_by(self, back: GivenBack) -> dict[UUID, Cause]:
        """Room, course or slot given back opens what waited for it, what has a grant too."""
        framework = self.catalogue.members[self.enrolment.receiver].framework
        cause = Cause("given_back", self.change.cause.event_id)
        opened = {}
        for completion in self.learner.claims_of(self.enrolment):
            current = self._current(completion.completion_id)
            if current is None or current.state not in (model.State.DECLINED, model.State.PARTIAL):
                continue
            pinned = current.agreement and self.catalogue.agreement(current.agreement.id, current.agreement.version)
            if back.opens(current, completion.course, pinned.terms[framework] if pinned else None):
                opened[completion.completion_id] = cause
        return opened

    def _open(self, opened: Mapping[UUID, Cause]) -> dict[UUID, Cause]:
        """All that is open now, each with the cause of its next decision; a grant opens with any completion of it."""
        open_now = {
            completion.completion_id: self.change.cause
            for completion in self.learner.claims_of(self.enrolment)
            if completion.provider in self.catalogue.members
            and is_open(completion, self.enrolment, self._current(completion.completion_id), self.change.today)
        }
        for completion_id, cause in opened.items():
            current = self._current(completion_id)
            together = current.grant.completions if current is not None and current.grant is not None else ()
            open_now |= dict.fromkeys((completion_id, *together), cause)
        return open_now

    # What is written

    def _round(self, open_now: Mapping[UUID, Cause], others: Sequence[Grant]) -> bool:
        """Evaluate what is open, one agreement after the other on the ledger left by the one before; False: no change.

        `others` are the grants that are not opened.
        """
        claims = {
            completion: claim_date(completion, self.enrolment, self._current(completion.completion_id))
            for completion in (self.learner.completions[one] for one in sorted(open_now))
        }
        standing = list(others)
        made: list[Made] = []
        for together in evaluations(claims, self.enrolment, self.award, self.catalogue):
            case = together.case(self.award.terms, ledger_of(standing))
            outcome = evaluate(case)
            granted = self._settle_grants(together.agreement, case, outcome)
            standing += granted
            made += self._decisions(together.agreement, case, outcome, granted, open_now)
        # What is lost leaves first, so that no reader ever counts more than there is.
        made.sort(key=lambda one: not self._loses(one.decision))
        self.learner.make(made)
        return bool(made)

    def _settle_grants(
        self, agreement: AgreementVersion | None, case: model.Case, outcome: model.Outcome
    ) -> list[Grant]:
        """The grants that come of an evaluation.

        One with the same completions and lines as one opened is that one. Every other opened one is withdrawn whole,
        and every other new one posted.
        """
        ids = {UUID(completion.id) for completion in case.completions}
        opened = {grant.content: grant for grant in self._grants() if not ids.isdisjoint(grant.completions)}
        wanted = [self._grant(granted, agreement, case) for granted in outcome.grants if agreement is not None]
        kept = {grant.content for grant in wanted} & opened.keys()
        for content, grant in opened.items():
            if content not in kept:
                self.learner.withdraw(grant)
        result = []
        for grant in wanted:
            if grant.content in kept:
                result.append(opened[grant.content])
            else:
                posted = replace(grant, ordinal=self.learner.grants_made.get(self.enrolment.enrolment_id, 0))
                self.learner.post(posted)
                result.append(posted)
        return result

    def _grant(self, granted: model.Grant, agreement: AgreementVersion, case: model.Case) -> Grant:
        used = [completion for completion in case.completions if completion.id in granted.completions]
        return Grant(
            enrolment_id=self.enrolment.enrolment_id,
            ordinal=0,
            completions=tuple(UUID(one) for one in sorted(granted.completions)),
            courses=tuple(sorted({completion.course for completion in used})),
            lines=granted.lines,
            fills=slots_filled_by(granted.lines, case.agreement) if case.agreement else (),
            counts_at_same_level=counts_at_same_level(used, case),
            refers_revocation=agreement.on_revocation == "refer",
            agreement=DocumentVersion(agreement.id, agreement.version),
            award=DocumentVersion(self.award.id, self.award.version),
        )

    def _decisions(
        self,
        agreement: AgreementVersion | None,
        case: model.Case,
        outcome: model.Outcome,
        grants: Iterable[Grant],
        causes: Mapping[UUID, Cause],
    ) -> list[Made]:
        """A decision for each completion whose outcome is another than the current one, or that is owed one."""
        grant_of = {completion_id: grant for grant in grants for completion_id in grant.completions}
        claimed_on = {completion.id: completion.claimed_on for completion in case.completions}
        made = []
        for one in outcome.decisions:
            completion = self.learner.completions[UUID(one.completion)]
            current = self._current(completion.completion_id)
            decision = Decision(
                completion_id=completion.completion_id,
                enrolment_id=self.enrolment.enrolment_id,
                number=current.number + 1 if current else 1,
                completion_revision=completion.revision,
                state=one.state,
                grounds=one.grounds,
                grade=one.grade,
                agreement=DocumentVersion(agreement.id, agreement.version) if agreement else None,
                award=DocumentVersion(self.award.id, self.award.version),
                claimed_on=claimed_on[one.completion],
                claimable_from=completion.claimable_from,
                grant=grant_of.get(completion.completion_id),
            )
            if self._is_to_be_written(decision, current):
                made.append(Made(decision, causes[completion.completion_id], self.catalogue.number, case))
        return made

    def _is_to_be_written(self, decision: Decision, current: Decision | None) -> bool:
        is_owed = decision.completion_id in self.owed
        self.owed.discard(decision.completion_id)
        return current is None or is_owed or decision.outcome != current.outcome

    def _loses(self, decision: Decision) -> bool:
        current = self._current(decision.completion_id)
        before = current.grant.credits if current and current.grant and not current.is_frozen else 0
        return before > (decision.grant.credits if decision.grant else 0)

    def _freeze(self, grant: Grant, revised: Completion) -> None:
        """Every completion of the grant is referred; the grant stays in the ledger and counts in no total."""
        made = []
        for completion_id in grant.completions:
            completion, current = self.learner.completions[completion_id], self._current(completion_id)
            if current is None:
                continue
            decision = replace(
                current,
                number=current.number + 1,
                completion_revision=completion.revision,
                state=model.State.REFERRED,
                grounds=(_revoked(grant) if completion.revoked else _frozen(grant),),
                grade=None,
                claimed_on=claim_date(completion, self.enrolment, current),
                claimable_from=completion.claimable_from,
                is_frozen=True,
            )
            if completion_id == revised.completion_id or decision.outcome != current.outcome:
                made.append(Made(decision, self.change.cause, self.catalogue.number, None))
        self.learner.make(made)


def _revoked(grant: Grant) -> model.Ground:
    return model.Ground(
        code="REVOKED",
        state=model.State.REFERRED,
        clause="/on_revocation",
        document=grant.agreement.id,
        version=grant.agreement.version,
        compared=(("stated", "revoked"), ("on_revocation", "refer")),
        sentence="The provider has revoked this completion, and a person decides what becomes of the credit that it "
        "was granted.",
    )


def _frozen(grant: Grant) -> model.Ground:
    return model.Ground(
        code="GRANT_FROZEN",
        state=model.State.REFERRED,
        clause="/on_revocation",
        document=grant.agreement.id,
        version=grant.agreement.version,
        compared=(("stated", "granted together with a revoked completion"), ("on_revocation", "refer")),
        sentence="It was granted together with a completion that its provider has revoked, and a person decides what "
        "becomes of the credit.",
    )
