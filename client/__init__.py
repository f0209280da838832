"""The `concord` command and a Python client, for members' systems; it knows the contracts and HTTP, nothing else."""

from client.api import (
    Accepted,
    AcceptedCompletion,
    AcceptedEnrolment,
    AcceptedLearningOpportunity,
    Concord,
    Decision,
    Decisions,
    FieldError,
    Problem,
    Published,
)
from client.patience import GaveUp, NotConcord
from client.publishing import Summary
from client.rows import Refused
from client.session import SignInFailed

__all__ = [
    "Accepted",
    "AcceptedCompletion",
    "AcceptedEnrolment",
    "AcceptedLearningOpportunity",
    "Concord",
    "Decision",
    "Decisions",
    "FieldError",
    "GaveUp",
    "NotConcord",
    "Problem",
    "Published",
    "Refused",
    "SignInFailed",
    "Summary",
]
