"""All event types, and the topics that carry them (topics.yaml)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

import yaml

from contracts.event import Event
from contracts.learner_record_appeal_request import AppealRequestLodged
from contracts.learner_record_award_progress import AwardProgressChanged
from contracts.learner_record_choice import ChoiceMade
from contracts.learner_record_enrolment import EnrolmentRecorded
from contracts.learner_record_entry import EntryUpdated
from contracts.provider_completion import CompletionPublished
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered
from contracts.recognition_agreement import AgreementPublished
from contracts.recognition_appeal import AppealChanged
from contracts.recognition_award import AwardPublished
from contracts.recognition_decision import DecisionMade

EVENTS: Final[tuple[type[Event], ...]] = (
    MemberRegistered,
    LearningOpportunityPublished,
    CompletionPublished,
    AgreementPublished,
    AwardPublished,
    DecisionMade,
    EnrolmentRecorded,
    EntryUpdated,
    ChoiceMade,
    AppealRequestLodged,
    AppealChanged,
    AwardProgressChanged,
)
BY_TYPE: Final[Mapping[str, type[Event]]] = {event.TYPE: event for event in EVENTS}


@dataclass(frozen=True)
class Topic:
    """A topic: who alone writes it, what keys it, and how Kafka keeps it."""

    name: str
    owner: str
    key: str
    event: str
    partitions: int
    retention_days: int
    max_message_bytes: int


@cache
def topics() -> tuple[Topic, ...]:
    """Read topics.yaml, the one list of topics."""
    document = yaml.safe_load(files("contracts").joinpath("topics.yaml").read_text(encoding="utf-8"))
    defaults = document["defaults"]
    return tuple(Topic(name=name, **{**defaults, **fields}) for name, fields in document["topics"].items())
