"""A learner's record as a table for spreadsheets: CSV, a row for each entry (docs/elmo.md, "CSV").

Own credit has a row, and so has what became of it for each enrolment. It is UTF-8 with a byte-order mark, without which
some spreadsheet programs take it for another encoding, with commas and the line ends of RFC 4180.
"""

import csv
import io
import re
from collections.abc import Iterator
from typing import Final

from services.learner_record.views import EnrolmentView, EntryView, MemberView, RecordView

COLUMNS: Final = (
    "provider", "provider_name", "reference", "revision", "title", "awarding_body", "learning_opportunity",
    "learning_opportunity_version", "credits", "framework", "level", "result", "mark", "completed_on", "issued_on",
    "revoked", "revocation_reason", "at_member", "at_member_name", "enrolment", "award", "award_title", "state",
    "counts", "credits_here", "slots", "grade", "reasons", "agreement", "agreement_version", "decided_at",
)  # fmt: skip
"""The header. From `at_member` on it is about one member, which for own credit is the provider itself."""

_STARTS_A_FORMULA: Final = re.compile("[=+\\-@\t\r\n＝＋－＠]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def written(record: RecordView) -> bytes:
    """The table."""
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, COLUMNS)
    table.writeheader()
    for member in record.members:
        for entry in member.own_credit:
            table.writerow(dict(_cells(member, None, entry)))
        for enrolment in member.enrolments:
            for entry in enrolment.entries:
                table.writerow(dict(_cells(member, enrolment, entry)))
    return text.getvalue().encode("utf-8-sig")


def _cells(member: MemberView, enrolment: EnrolmentView | None, entry: EntryView) -> Iterator[tuple[str, str]]:
    completion = entry.completion.model_dump(mode="json")
    opportunity = entry.completion.learning_opportunity
    lines = entry.counts_as.lines if entry.counts_as else []
    values = {
        **{name: completion.get(name) for name in COLUMNS},
        "learning_opportunity": opportunity.id,
        "learning_opportunity_version": opportunity.version,
        "at_member": member.member,
        "at_member_name": member.name,
        "enrolment": enrolment.reference if enrolment else None,
        "award": enrolment.award.id if enrolment else None,
        "award_title": enrolment.award.title if enrolment else None,
        "state": entry.state,
        "counts": entry.counts,
        "credits_here": " ".join(line.model_dump(mode="json")["credits"] for line in lines),
        "slots": " ".join(line.slot for line in lines),
        "grade": entry.model_dump(mode="json", include={"grade"})["grade"],
        "reasons": " ".join(ground.sentence for ground in entry.grounds),
        "agreement": entry.agreement.id if entry.agreement else None,
        "agreement_version": entry.agreement.version if entry.agreement else None,
        "decided_at": entry.decided_at.isoformat() if entry.decided_at else None,
    }
    for name in COLUMNS:
        yield name, _cell(values[name])


def _cell(value: object) -> str:
    """A value as a cell. Text that a spreadsheet would run as a formula begins with an apostrophe, and is text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    is_formula = _STARTS_A_FORMULA.match(text) and not _NUMBER.fullmatch(text)
    return f"'{text}" if is_formula else text
