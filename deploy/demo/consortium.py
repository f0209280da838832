"""The demo's consortium as data: its members, what they offer, award and agreed. Nothing of it is real.

It is in documents/, by kind, and what is offered by member. There each learning opportunity says what is its own; what
a member's have in common (participation, quality assurance) is said once beside them, and how a subject is assessed
in subjects.yaml.
"""

from functools import cache
from importlib.resources import files
from typing import Any, Final

import yaml

Document = dict[str, Any]

_DOCUMENTS: Final = files("deploy.demo").joinpath("documents")
_HOURS_A_CREDIT: Final = {"FHEQ": 10, "SCQF": 10, "EQF": 25}


@cache
def consortium() -> Document:
    """`members` and `learning_opportunities` by id, and `awards` and `agreements` as lists, as they are sent.

    It is read once: whoever wants it otherwise makes a copy.
    """
    members = _read("members.yaml")
    subjects = _read("subjects.yaml")
    offered: Document = {}
    for member, about in members.items():
        catalogue = _read(f"catalogue/{member}.yaml")
        for subject, courses in catalogue["offered"].items():
            for code, course in courses.items():
                stated = _in_full(course, subjects[subject], catalogue, about)
                offered[f"{member}:{code}"] = {**stated, "url": f"https://{member}.example/{code}"}
    return {
        "members": members,
        "learning_opportunities": offered,
        "awards": _read("awards.yaml"),
        "agreements": _read("agreements.yaml") + _read("agreements_on_blocks.yaml"),
    }


def _in_full(course: Document, subject: Document, catalogue: Document, member: Document) -> Document:
    """A learning opportunity with all elements of Annex I that are not of a learner's completion (domain.md)."""
    return {
        "version": 1,
        "revision": 1,
        "kind": course.get("kind", "stackable"),
        "title": course["title"],
        "awarding_body": member["name"],
        "credits": str(course["credits"]),
        "framework": member["framework"],
        "level": course["level"],
        "workload_hours": str(course["credits"] * _HOURS_A_CREDIT[member["framework"]]),
        "learning_outcomes": course["outcomes"],
        "assessment_type": subject["assessment"],
        "participation_form": catalogue["participation"],
        "quality_assurance": catalogue["quality_assurance"],
        "subject": subject["code"],
        "skills": [],
        "language": course.get("language", catalogue["language"]),
    }


def _read(name: str) -> Any:
    # The parser in C: the one in Python takes a second for all of it.
    return yaml.load(_DOCUMENTS.joinpath(name).read_text(encoding="utf-8"), yaml.CSafeLoader)
