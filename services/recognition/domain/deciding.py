"""A change is folded into a learner's claims: what is opened, evaluated, granted, withdrawn and decided.

Everything here is decision.md, "What is decided", in its order. It is pure: the learner given is worked on, and nothing
else; times, causes and the catalogue are handed in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final
from uuid import UUID

from services.recognition.domain.balances import (
    GivenBack,
    cap_clauses,
    counts_at_same_level,
    given_back,
    is_under_a_cap,
    ledger_of,
    slots_filled_by,
    widened,
)
from services.recognition.domain.cases import evaluations
from services.recognition.domain.catalogue import AgreementVersion, AwardVersion, Catalogue
from services.recognition.domain.claims import claim_date, is_open, waits_for
from services.recognition.domain.learner import (
    Cause,
    Choice,
    Completion,
    Conferral,
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
    for enrolment in _in_order(learner):
        if enrolment.receiver != completion.provider:
            look_at(learner, enrolment, catalogue, change, lambda deciding: deciding.opened_by_revision(completion))


def enrolment_recorded(learner: Learner, enrolment: Enrolment, catalogue: Catalogue, change: Change) -> None:
    """An enrolment is opened, changed or closed: whatever the learner completed elsewhere is claimed for it."""
    learner.enrol(enrolment)
    look_at(learner, learner.enrolments[enrolment.enrolment_id], catalogue, change)


def catalogue_changed(learner: Learner, enrolment_id: UUID, catalogue: Catalogue, change: Change) -> None:
    """Something was published, or a member changed: what is open is evaluated, and what a new award version widens."""
    look_at(learner, learner.enrolments[enrolment_id], catalogue, change)


def choice_made(learner: Learner, choice: Choice, catalogue: Catalogue, change: Change) -> None:
    """The learner chose, or chose anew: in that enrolment everything under a cap is decided again."""
    learner.choices[choice.enrolment_id] = choice
    if (enrolment := learner.enrolments.get(choice.enrolment_id)) is not None:
        look_at(learner, enrolment, catalogue, change, Deciding.opened_by_choice)


def award_conferred(learner: Learner, conferral: Conferral, catalogue: Catalogue, change: Change) -> None:
    """An award was conferred: its enrolment is closed, and what it counted is decided again in the others."""
    learner.confer(conferral)
    for enrolment in _in_order(learner):
        look_at(learner, enrolment, catalogue, change, lambda deciding: deciding.opened_by_conferral(conferral))


def _in_order(learner: Learner) -> list[Enrolment]:
    return sorted(learner.enrolments.values(), key=lambda one: one.enrolment_id)


def look_at(
    learner: Learner, enrolment: Enrolment, catalogue: Catalogue, change: Change, opens: "Opens | None" = None
) -> None:
    """Decide what is open in an enrolment, with what `opens` opens besides, and note how its claims stand then."""
    award = catalogue.award(enrolment.award)
    if award is not None and enrolment.receiver in catalogue.members:
        deciding = Deciding(learner, enrolment, award, catalogue, change)
        deciding.decide(opens(deciding) if opens is not None else {})
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
class Deciding:
    """One enrolment of one learner, in view of one change."""

    learner: Learner
    enrolment: Enrolment
    award: AwardVersion
    catalogue: Catalogue
    change: Change
    owed: set[UUID] = field(default_factory=set)
    """Completions whose new revision gives a new decision, whatever its outcome."""

    def decide(self, opened: "Opened") -> None:
        """Open what the change opens, and evaluate round by round, until a round changes nothing."""
        if not self.is_closed:
            opened = opened | self._opened_by_award()
        before: tuple[object, ...] = ()
        for _ in range(MOST_ROUNDS):
            open_now = self._open(opened)
            others = [grant for grant in self._grants() if open_now.keys().isdisjoint(grant.completions)]
            begins_with = (open_now.keys(), [grant.ordinal for grant in others])
            # An evaluation is a function of these, so the same again would change nothing.
            if not open_now or begins_with == before:
                return
            before = begins_with
            ledger = self.ledger()
            if not self._round(open_now, others) or self.is_closed:
                return
            opened = self.opened_by_what_came_back(given_back(ledger, self.ledger()))
        raise NeverSettles(f"enrolment {self.enrolment.enrolment_id} after {MOST_ROUNDS} rounds")

    @property
    def is_closed(self) -> bool:
        """Whether the enrolment is closed on the day of the change."""
        return self.enrolment.is_closed(self.change.today)

    def ledger(self) -> model.Ledger:
        """The enrolment's ledger as it stands now."""
        return ledger_of(self._grants())

    def _grants(self) -> list[Grant]:
        return sorted(self.learner.grants_of(self.enrolment), key=lambda grant: grant.ordinal)

    def _current(self, completion_id: UUID) -> Decision | None:
        return self.learner.decision_on(completion_id, self.enrolment)

    # What is open

    def opened_by_revision(self, revised: Completion) -> "Opened":
        """The first two rows: the completion itself; or its grant is frozen, which opens nothing."""
        current = self._current(revised.completion_id)
        if current is None or (current.grant is None and self.is_closed):
            return {}
        if current.grant is not None and self._is_to_be_frozen(current.grant):
            self._freeze(current.grant, revised)
            return {}
        self.owed.add(revised.completion_id)
        return {revised.completion_id: self.change.cause}

    def _is_to_be_frozen(self, grant: Grant) -> bool:
        return grant.refers_revocation and any(self.learner.completions[one].revoked for one in grant.completions)

    def opened_by_choice(self) -> "Opened":
        """Everything granted with a line under a cap that is set, and everything with a cap ground.

        Not what a conferral counted, nor what an officer settled: no choice of the learner's undoes either.
        """
        if self.is_closed:
            return {}
        opened = {}
        for completion in self.learner.claims_of(self.enrolment):
            current = self._current(completion.completion_id)
            if current is None or current.is_frozen or current.is_an_officers:
                continue
            under_a_cap = current.grant is not None and is_under_a_cap(current.grant, self.award.terms)
            is_counted = any(completion.completion_id in one.completions for one in self.learner.conferrals.values())
            if (under_a_cap or cap_clauses(current.grounds)) and not is_counted:
                opened[completion.completion_id] = self.change.cause
        return opened

    def opened_by_conferral(self, conferral: Conferral) -> "Opened":
        """In the learner's other enrolments that are not closed, the completions that the conferral counted."""
        if self.is_closed or conferral.enrolment_id == self.enrolment.enrolment_id:
            return {}
        decided = (one for one in conferral.completions if (current := self._current(one)) and not current.is_frozen)
        return dict.fromkeys(decided, self.change.cause)

    def _opened_by_award(self) -> "Opened":
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

    def opened_by_what_came_back(self, back: GivenBack) -> "Opened":
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

    def _open(self, opened: "Opened") -> "Opened":
        """All that is open now, each with the cause of its next decision; a grant opens with any completion of it."""
        open_now = {
            completion.completion_id: self.change.cause
            for completion in self.learner.claims_of(self.enrolment)
            if completion.provider in self.catalogue.members
            and is_open(completion, self.enrolment, self._current(completion.completion_id), self.change.today)
        }
        for completion_id, cause in opened.items():
            open_now |= dict.fromkeys((completion_id, *self._granted_with(completion_id)), cause)
        return open_now

    def _granted_with(self, completion_id: UUID) -> list[UUID]:
        """The completions that rest on one grant with this one; not one that an officer has decided since."""
        current = self._current(completion_id)
        if current is None or (grant := current.grant) is None:
            return []
        return [one for one in grant.completions if (its := self._current(one)) is not None and its.grant == grant]

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
        choice = self.learner.choices.get(self.enrolment.enrolment_id)
        for together in evaluations(claims, self.enrolment, self.award, self.learner, self.catalogue):
            case = together.case(self.award.terms, ledger_of(standing), choice)
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
            award=self.award.document,
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
                award=self.award.document,
                claimed_on=claimed_on[one.completion],
                claimable_from=completion.claimable_from,
                grant=grant_of.get(completion.completion_id),
                conferrals=self.known_conferrals(completion.completion_id),
            )
            if self._is_to_be_written(decision, current):
                made.append(Made(decision, causes[completion.completion_id], self.catalogue.number, case))
        return made

    def known_conferrals(self, completion_id: UUID) -> tuple[UUID, ...]:
        """The conferrals that counted a completion in the learner's other enrolments."""
        return tuple(
            sorted(one.conferral_id for one in self.learner.conferrals_elsewhere(completion_id, self.enrolment))
        )

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
                conferrals=self.known_conferrals(completion_id),
            )
            if completion_id == revised.completion_id or decision.outcome != current.outcome:
                made.append(Made(decision, self.change.cause, self.catalogue.number, None))
        self.learner.make(made)


Opened = dict[UUID, Cause]
"""Completions that are opened, each with the cause of its next decision."""
Opens = Callable[[Deciding], Opened]


def _revoked(grant: Grant) -> model.Ground:
    return _refers(
        grant,
        "REVOKED",
        "revoked",
        "The provider has revoked this completion, and a person decides what becomes of the credit that it was "
        "granted.",
    )


def _frozen(grant: Grant) -> model.Ground:
    return _refers(
        grant,
        "GRANT_FROZEN",
        "granted together with a revoked completion",
        "It was granted together with a completion that its provider has revoked, and a person decides what becomes "
        "of the credit.",
    )


def _refers(grant: Grant, code: str, stated: str, sentence: str) -> model.Ground:
    # What an officer granted without an agreement is referred as the agreements' default would have it.
    pinned = grant.agreement
    return model.Ground(
        code=code,
        state=model.State.REFERRED,
        clause="/on_revocation" if pinned else "revocation_of_what_an_officer_granted",
        document=pinned.id if pinned else model.CONSORTIUM,
        version=pinned.version if pinned else None,
        compared=(("stated", stated), ("on_revocation", "refer")),
        sentence=sentence,
    )
