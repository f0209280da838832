"""ExplainDecision: a decision in one plain English paragraph, be it stored or only previewed."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from contracts.recognition_decision import DecisionMade
from services.recognition.domain import learner as domain
from services.recognition.domain.declines import AppealRoute
from services.recognition.domain.explaining import Told, explain
from services.recognition.domain.learner import DocumentVersion
from services.recognition.engine.model import Line, State


@dataclass(frozen=True, slots=True)
class Receiver:
    """Who takes a member's referrals, and how one appeals against its decisions."""

    referrals_to: str
    appeals: AppealRoute | None

    @classmethod
    def of(cls, referrals_to: str, appeals: Mapping[str, Any]) -> "Receiver":
        """From what the member stated."""
        return cls(referrals_to, AppealRoute.of(appeals))


def explain_stored(decision: DecisionMade, receiver: Receiver, *, replaced: bool) -> str:
    """The paragraph of a decision as it is stored."""
    grant, agreement = decision.grant, decision.agreement
    return explain(
        Told(
            state=State(decision.state),
            codes=[ground.code for ground in decision.grounds],
            sentences=[ground.sentence for ground in decision.grounds],
            lines=[Line(one.slot, Fraction(one.credits), one.level, one.kind) for one in grant.lines] if grant else [],
            rests_on=len(grant.completions) if grant else 0,
            is_frozen=grant is not None and grant.frozen,
            grade=None if decision.grade is None else Fraction(decision.grade),
            provider=decision.provider,
            receiver=decision.receiver,
            agreement=None if agreement is None else DocumentVersion(agreement.id, agreement.version),
            award=DocumentVersion(decision.award.id, decision.award.version),
            claimed_on=decision.claimed_on,
            referrals_to=receiver.referrals_to,
            appeals=receiver.appeals,
            replaced=replaced,
        )
    )


def explain_decision(decision: domain.Decision, provider: str, at: str, receiver: Receiver) -> str:
    """The paragraph of a decision that is not written, on a completion of the provider's, `at` the receiver."""
    grant = decision.grant
    return explain(
        Told(
            state=decision.state,
            codes=[ground.code for ground in decision.grounds],
            sentences=[ground.sentence for ground in decision.grounds],
            lines=grant.lines if grant else [],
            rests_on=len(grant.completions) if grant else 0,
            is_frozen=decision.is_frozen,
            grade=decision.grade,
            provider=provider,
            receiver=at,
            agreement=decision.agreement,
            award=decision.award,
            claimed_on=decision.claimed_on,
            referrals_to=receiver.referrals_to,
            appeals=receiver.appeals,
        )
    )
