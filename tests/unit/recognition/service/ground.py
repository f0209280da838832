"""A small consortium for tests of what is decided and written: everything a test needs is one call with its changes."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid5

from services.recognition.application.catalogue import agreement_version, award_version
from services.recognition.domain.catalogue import AgreementVersion, AwardVersion, Catalogue, Member, Period
from services.recognition.domain.deciding import (
    Change,
    award_conferred,
    catalogue_changed,
    choice_made,
    completion_published,
    enrolment_recorded,
)
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
)
from services.recognition.domain.rulings import Ruling, officer_decided
from services.recognition.engine.model import Line

LEARNER = UUID("11111111-1111-4111-8111-111111111111")
SPACE = UUID("22222222-2222-4222-8222-222222222222")
TODAY = date(2026, 9, 10)


def id_of(name: str) -> UUID:
    """The id of a completion or enrolment that a test calls by a name."""
    return uuid5(SPACE, name)


def completion(name: str, revision: int = 1, **changes: Any) -> Completion:
    """20 FHEQ credits at level 5 from northbridge, passed with 58 on 30 June, claimable from 1 September 2026.

    Its course is northbridge:<name> unless the test says otherwise.
    """
    provider = changes.pop("provider", "northbridge")
    claimable_on = changes.pop("claimable_on", date(2026, 9, 1))
    fields: dict[str, Any] = {
        "completion_id": id_of(name),
        "revision": revision,
        "provider": provider,
        "reference": name,
        "learner_reference": "N-1",
        "is_matchable": True,
        "course": f"{provider}:{name}",
        "course_version": 1,
        "credits": Fraction(20),
        "framework": "FHEQ",
        "level": 5,
        "result": "pass",
        "mark": Fraction(58),
        "completed_on": date(2026, 6, 30),
        "workload_hours": None,
        "identity_verified_at_assessment": True,
        "used_for": None,
        "revoked": False,
        "missing_elements": (),
        "claimable_from": datetime(claimable_on.year, claimable_on.month, claimable_on.day, 9, tzinfo=UTC),
        "claimable_on": claimable_on,
    }
    return Completion(**{**fields, **changes})


def enrolment(name: str = "e", revision: int = 1, **changes: Any) -> Enrolment:
    """Opened at strathmore on 1 September 2026, in its award `pgcert`."""
    fields: dict[str, Any] = {
        "enrolment_id": id_of(name),
        "revision": revision,
        "receiver": "strathmore",
        "reference": name,
        "learner_reference": "S-1",
        "award": "strathmore:pgcert",
        "opened_on": date(2026, 9, 1),
        "closed_on": None,
    }
    return Enrolment(**{**fields, **changes})


def agreement(id_: str = "n-s", version: int = 1, **changes: Any) -> AgreementVersion:
    """northbridge to strathmore: like for like, one for one, a mark of 40 at least; a revocation is referred."""
    document: dict[str, Any] = {
        "id": id_,
        "version": version,
        "title": "Credit",
        "parties": {"provider": "northbridge", "receiver": "strathmore"},
        "credit_ratio": "1",
        "credit_step": "1",
        "in_force_from": "2025-01-01",
        "in_force_until": "2030-12-31",
        "in_force_basis": "claim",
        "on_expired": "DECLINED",
        "minimum_mark": "40",
        "grade_policy": "carry",
        "excess_credit": "drop",
        "on_revocation": "refer",
        **changes,
    }
    if "credit_units" in document:
        del document["credit_ratio"]
    return agreement_version(document)


def award(version: int = 1, number: int = 1, **changes: Any) -> AwardVersion:
    """strathmore's award at level 6; without a cap unless the test sets one."""
    document: dict[str, Any] = {
        "id": "strathmore:pgcert",
        "version": version,
        "member": "strathmore",
        "title": "Certificate",
        "framework": "FHEQ",
        "level": 6,
        "credits_required": "60",
        "minimum_level": 4,
        **changes,
    }
    return award_version(document, number)


def member(member_id: str, *suspensions: tuple[date, date | None], framework: str = "FHEQ") -> Member:
    return Member(member_id, framework, tuple(Period(*period) for period in suspensions), None)


def catalogue(
    *agreements: AgreementVersion,
    awards: Iterable[AwardVersion] | None = None,
    members: Iterable[Member] | None = None,
    number: int = 10,
) -> Catalogue:
    """These agreements, the award without caps, and the members northbridge, strathmore, ashford and westfield."""
    versions: dict[str, list[AwardVersion]] = {}
    for one in sorted([award()] if awards is None else awards, key=lambda one: -one.version):
        versions.setdefault(one.id, []).append(one)
    known = [member(name) for name in ("northbridge", "strathmore", "ashford", "westfield")]
    return Catalogue(
        number, {one.member_id: one for one in (known if members is None else members)}, agreements, versions
    )


@dataclass
class Story:
    """A learner to whom one thing after another happens; after each, what was made, posted and withdrawn by it."""

    catalogue: Catalogue
    learner: Learner = field(default_factory=lambda: Learner(LEARNER))
    made: list[Made] = field(default_factory=list)
    posted: list[Grant] = field(default_factory=list)
    withdrawn: list[Grant] = field(default_factory=list)
    events: int = 0

    def then(self, *happenings: Completion | Enrolment, today: date = TODAY) -> "Story":
        """Completions are published and enrolments recorded, in this order."""
        self.made, self.posted, self.withdrawn = [], [], []
        for happening in happenings:
            if isinstance(happening, Completion):
                before = self.learner.completions.get(happening.completion_id)
                kind = "completion" if before is None else "revision"
                kind = "revocation" if before and happening.revoked and not before.revoked else kind
                completion_published(self._begun(), happening, self.catalogue, self._change(kind, today))
            else:
                enrolment_recorded(self._begun(), happening, self.catalogue, self._change("enrolment", today))
            self._gather()
        return self

    def choose(self, *completions: str, enrolment: str = "e", today: date = TODAY) -> "Story":
        """The learner chooses these completions for an enrolment, the first one first."""
        before = self.learner.choices.get(id_of(enrolment))
        revision = before.revision + 1 if before else 1
        choice = Choice(id_of(enrolment), revision, tuple(id_of(one) for one in completions))
        self.made, self.posted, self.withdrawn = [], [], []
        choice_made(self._begun(), choice, self.catalogue, self._change("choice", today))
        self._gather()
        return self

    def confer(
        self, *completions: str, enrolment: str = "e", award: str = "strathmore:pgcert", version: int = 1
    ) -> "Story":
        """The enrolment's award is conferred today; it counts these completions."""
        conferral = Conferral(
            conferral_id=id_of(f"conferral of {enrolment}"),
            enrolment_id=id_of(enrolment),
            award=DocumentVersion(award, version),
            conferred_on=TODAY,
            completions=frozenset(id_of(one) for one in completions),
        )
        self.made, self.posted, self.withdrawn = [], [], []
        award_conferred(self._begun(), conferral, self.catalogue, self._change("conferral", TODAY))
        self._gather()
        return self

    def rule(
        self,
        completion: str,
        *lines: Line,
        enrolment: str = "e",
        reasons: str = "The syllabus covers it.",
        today: date = TODAY,
        on_appeal: bool = False,
    ) -> "Story":
        """An officer decides a claim. Raises CannotRule, and the story stays as it was."""
        ruling = Ruling(id_of(completion), id_of(enrolment), lines, reasons, "officer-1", on_appeal=on_appeal)
        worked_on = self.learner.begun()
        officer_decided(worked_on, ruling, self.catalogue, self._change("officer", today))
        self.learner = worked_on
        self.made, self.posted, self.withdrawn = [], [], []
        self._gather()
        return self

    def look_again(self, catalogue: Catalogue, kind: str = "agreement", enrolment: str = "e") -> "Story":
        """The catalogue becomes another, and the standing query finds the enrolment."""
        self.made, self.posted, self.withdrawn = [], [], []
        self.catalogue = catalogue
        catalogue_changed(self._begun(), id_of(enrolment), catalogue, self._change(kind, TODAY))
        self._gather()
        return self

    def _change(self, kind: str, today: date) -> Change:
        self.events += 1
        return Change(Cause(kind, id_of(f"event {self.events}")), today)

    def _begun(self) -> Learner:
        self.learner = self.learner.begun()
        return self.learner

    def _gather(self) -> None:
        self.made += self.learner.made
        self.posted += self.learner.posted
        self.withdrawn += self.learner.withdrawn

    def current(self, completion: str, enrolment: str = "e") -> Decision | None:
        return self.learner.current.get((id_of(completion), id_of(enrolment)))

    def state(self, completion: str, enrolment: str = "e") -> str:
        """Number, state and ground codes of the current decision, such as `2 DECLINED NOT_PASSED`; '' where none is."""
        decision = self.current(completion, enrolment)
        if decision is None:
            return ""
        return " ".join([str(decision.number), decision.state.value, *sorted(g.code for g in decision.grounds)])

    def waits(self, completion: str, enrolment: str = "e") -> str | None:
        """What the claim waits for."""
        standing = self.learner.standings.get((id_of(completion), id_of(enrolment)))
        return standing.waits_for if standing else None

    def balance(self, enrolment: str = "e") -> Fraction:
        """What stands in the ledger, frozen credit too."""
        grants = [grant for grant in self.learner.grants.values() if grant.enrolment_id == id_of(enrolment)]
        return sum((grant.credits for grant in grants), Fraction(0))

    def written(self) -> list[str]:
        """Of the last step, in order: the completion's reference and the state of its new decision, with the cause."""
        return [
            f"{self.learner.completions[one.decision.completion_id].reference} {one.decision.state} ({one.cause.kind})"
            for one in self.made
        ]
