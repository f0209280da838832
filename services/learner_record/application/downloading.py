"""A learner's record to take along: as JSON, as a table, and as ELMO."""

from typing import Any, Final

import orjson

from chassis.clock import Clock, instant
from chassis.learners import Learner
from services.learner_record.application import elmo, table
from services.learner_record.application.elmo import Credit, Report
from services.learner_record.application.reading import ReadRecord, WholeRecord
from services.learner_record.domain.published import document_of

JSON = dict[str, Any]

NOBODY: Final = Report("concord", "Concord", ())
"""The report of an empty record: ELMO has at least one."""


class DownloadRecord:
    """Gives a learner their record as a file. Whoever reads their own is not noted."""

    def __init__(self, read: ReadRecord, clock: Clock) -> None:
        self._read = read
        self._clock = clock

    async def as_json(self, learner: Learner) -> bytes:
        """All that is shown, and every completion as its member published it (views.RecordDownload)."""
        whole = await self._read.whole(learner.learner_id)
        download = {
            "generated_at": instant(self._clock()),
            "record": orjson.Fragment(whole.view.model_dump_json()),
            "completions": [_document(event, learner) for event in _in_order(whole)],
        }
        return orjson.dumps(download)

    async def as_table(self, learner: Learner) -> bytes:
        """A row for each entry."""
        return table.written((await self._read.whole(learner.learner_id)).view)

    async def as_elmo(self, learner: Learner) -> bytes:
        """Every completion, in a report for each member that published some."""
        whole = await self._read.whole(learner.learner_id)
        reports: dict[str, list[Credit]] = {}
        for event in _in_order(whole):
            opportunity = event["learning_opportunity"]
            title = whole.names.titles.get((opportunity["id"], opportunity["version"]))
            credit = Credit(_document(event, learner), title or opportunity["id"])
            reports.setdefault(event["provider"], []).append(credit)
        made = [_report(member, credits_, whole) for member, credits_ in sorted(reports.items())]
        return elmo.written(learner.scheme, learner.identifier, made or [NOBODY], self._clock())


def _in_order(whole: WholeRecord) -> list[JSON]:
    return sorted(whole.stored.completions, key=lambda one: (one["provider"], one["completed_on"], one["reference"]))


def _document(event: JSON, learner: Learner) -> JSON:
    return document_of(event, scheme=learner.scheme, identifier=learner.identifier)


def _report(member: str, credits_: list[Credit], whole: WholeRecord) -> Report:
    registered = whole.names.members.get(member, {})
    name = registered.get("name") or member
    return Report(member, name, credits_, registered.get("country"), registered.get("ukprn"))
