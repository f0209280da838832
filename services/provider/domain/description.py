"""What Annex I asks of a microcredential, and where a completion gets what it does not state itself."""

from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Description:
    """What a completion may leave to its learning opportunity (documents.md, Completion). Hours are notional hours."""

    title: str | None = None
    awarding_body: str | None = None
    learning_outcomes: tuple[str, ...] | None = None
    assessment_type: str | None = None
    participation_form: str | None = None
    quality_assurance: str | None = None
    workload_hours: Decimal | None = None

    def filled_in_from(self, other: "Description") -> "Description":
        """This description, with what it leaves open as the other states it; an empty list states nothing."""
        return Description(
            self.title or other.title,
            self.awarding_body or other.awarding_body,
            self.learning_outcomes or other.learning_outcomes,
            self.assessment_type or other.assessment_type,
            self.participation_form or other.participation_form,
            self.quality_assurance or other.quality_assurance,
            self.workload_hours if self.workload_hours is not None else other.workload_hours,
        )


NOTHING_STATED = Description()

_TEXTS = tuple(field.name for field in fields(Description) if field.name != "workload_hours")


def missing_from_completion(description: Description, issued_on: date | None) -> tuple[str, ...]:
    """The elements that neither a completion nor its learning opportunity states, in the order of decision.md.

    Workload and mark are never among them: rules that compare them say so when they do (documents.md).
    """
    stated = {name for name in _TEXTS if getattr(description, name)} | ({"issued_on"} if issued_on else set())
    order = (
        "title",
        "awarding_body",
        "issued_on",
        "learning_outcomes",
        "assessment_type",
        "participation_form",
        "quality_assurance",
    )
    return tuple(name for name in order if name not in stated)


def missing_from_catalogue(description: Description, level: int | None) -> tuple[str, ...]:
    """The elements of Annex I that a learning opportunity leaves out; whoever reads the catalogue is told."""
    missing = [name for name in _TEXTS if not getattr(description, name)]
    if description.workload_hours is None:
        missing.append("workload")
    if level is None:
        missing.append("level")
    return tuple(missing)
