"""Whose record a token is about, by the identifiers that the federation states (ADR 13)."""

from collections.abc import Callable
from uuid import UUID

from chassis.identity import Principal
from chassis.learners import Learner, Scheme, learners_of_token
from chassis.problems import conflict, forbidden

LearnerOfToken = Callable[[Principal], UUID]
IdentifiedLearner = Callable[[Principal], Learner]


def learner_of_token(learner_id_key: bytes, scheme: Scheme) -> LearnerOfToken:
    """A function that gives the pseudonym of a token's learner; it raises as that of `identified_by_token` does."""
    identified = identified_by_token(learner_id_key, scheme)
    return lambda principal: identified(principal).learner_id


def identified_by_token(learner_id_key: bytes, scheme: Scheme) -> IdentifiedLearner:
    """A function that gives the learner of a token; it raises the Problems 403 (nobody's) and 409 (several')."""

    def learner_of(principal: Principal) -> Learner:
        learners = learners_of_token(learner_id_key, scheme, principal.learner_identifiers)
        if not learners:
            raise forbidden(
                f"The token states no {scheme} of yours (schac_personal_unique_code), so no record can be found.",
                name="no-learner-identifier",
            )
        if len(learners) > 1:
            raise conflict(
                f"The token states several {scheme}s (schac_personal_unique_code), and two learners are never merged:"
                " ask your institution which one is yours.",
                name="several-learner-identifiers",
            )
        return learners[0]

    return learner_of
