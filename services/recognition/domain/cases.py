"""What the engine is given for one enrolment (documents.md, "Where each input of a case comes from")."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date

from services.recognition.domain.catalogue import AgreementVersion, AwardVersion, Catalogue
from services.recognition.domain.learner import Choice, Completion, Enrolment, Learner
from services.recognition.domain.uses import uses_of
from services.recognition.engine import model
from services.recognition.engine.choosing import evaluations_of
from services.recognition.engine.uln import PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Together:
    """Open claims that are decided together: as the engine takes them, under one agreement or (None) without any."""

    agreement: AgreementVersion | None
    terms: model.Agreement | None
    completions: tuple[model.Completion, ...]

    def case(self, award: model.Award, ledger: model.Ledger, choice: Choice | None) -> model.Case:
        """The evaluation, on the ledger that the one before left."""
        chosen = tuple(str(one) for one in choice.completions) if choice is not None and choice.completions else None
        return model.Case(self.completions, self.terms, award, ledger, chosen)


def evaluations(
    claims: Mapping[Completion, date],
    enrolment: Enrolment,
    award: AwardVersion,
    learner: Learner,
    catalogue: Catalogue,
) -> list[Together]:
    """The evaluations of an enrolment's open claims with their claim dates, in the order of decision.md.

    All members concerned must be known to the catalogue.
    """
    claimed: dict[str, list[model.Completion]] = {}
    for completion, claimed_on in claims.items():
        uses = uses_of(completion, enrolment, award, learner, catalogue)
        claimed.setdefault(completion.provider, []).append(
            _claimed(completion, claimed_on, enrolment.receiver, uses, catalogue)
        )
    candidates = {provider: catalogue.candidates(provider, enrolment.receiver) for provider in claimed}
    found = []
    for evaluation in evaluations_of(claimed, candidates):
        terms, agreement = evaluation.agreement, None
        completions = evaluation.completions
        if terms is not None:
            agreement = catalogue.agreement(terms.id, terms.version)
            completions = _converted(completions, agreement, terms.receiver_framework)
        found.append(Together(agreement, terms, completions))
    return found


def _claimed(
    completion: Completion, claimed_on: date, receiver: str, uses: tuple[model.Use, ...], catalogue: Catalogue
) -> model.Completion:
    # The agreement states suspensions for all claims at once; each claim has its own date, and so carries its own.
    return model.Completion(
        id=str(completion.completion_id),
        course=completion.course,
        course_version=completion.course_version,
        credits=completion.credits,
        framework=completion.framework,
        level=completion.level,
        mark=completion.mark,
        result=completion.result,
        completed_on=completion.completed_on,
        workload_hours=completion.workload_hours,
        identity_verified_at_assessment=completion.identity_verified_at_assessment,
        signature_valid=True,  # until signed payloads come
        revoked=completion.revoked,
        missing_elements=completion.missing_elements,
        uln=None if completion.is_matchable else PLACEHOLDER,
        already_used_for=uses,
        claimed_on=claimed_on,
        provider_suspended=catalogue.members[completion.provider].is_suspended(claimed_on),
        receiver_suspended=catalogue.members[receiver].is_suspended(claimed_on),
    )


def _converted(
    completions: Iterable[model.Completion], agreement: AgreementVersion | None, framework: str
) -> tuple[model.Completion, ...]:
    """Under a multilateral agreement each completion carries its own ratio."""
    if agreement is None or agreement.ratios is None:
        return tuple(completions)
    return tuple(replace(one, credit_ratio=agreement.ratios[one.framework, framework]) for one in completions)
