"""The life of a document: draft, linted, approved, published, superseded, in run-off or ended (documents.md)."""

from collections.abc import Collection
from datetime import date
from typing import Final, Literal

from services.recognition.engine.years import years_later

DraftState = Literal["draft", "linted", "approved", "published"]
PublishedState = Literal["published", "superseded", "run-off", "ended"]

DRAFT_STATES: Final = (
    "`draft`: lint finds something; `linted`: nothing; `approved`: by everyone; `published`: as it is."
)


def state_of_draft(*, findings: int, not_approved_by: Collection[str], is_published: bool) -> DraftState:
    """How far a draft is on its way to publication."""
    if is_published:
        return "published"
    if findings:
        return "draft"
    return "linted" if not_approved_by else "approved"


def state_of_agreement(
    version: int, newest: int, in_force_until: date, run_off_years: int, today: date
) -> PublishedState:
    """The state of a published version on a day.

    A newer version supersedes it, from its publication on; claims of earlier dates may rest on it still. After
    `in_force_until` (included) what was completed by then may be claimed for `run_off_years` more: it is in run-off,
    and ended after that.
    """
    if version < newest:
        return "superseded"
    if today <= in_force_until:
        return "published"
    return "run-off" if today <= years_later(in_force_until, run_off_years) else "ended"


def state_of_award(version: int, newest: int) -> PublishedState:
    """The state of a published version of an award definition: the newest counts."""
    return "superseded" if version < newest else "published"
