"""Who can be signed in as at the demo's issuer: its learners, and staff of every member."""

from pathlib import Path

import yaml

from deploy.demo.consortium import Document
from deploy.demo.people import Learner, Story


def write(path: Path, story: Story, members: dict[str, Document]) -> None:
    """Write the people as the local issuer reads them."""
    people = [
        _learner(learner, _about(learner, story, members), is_named=learner in story.named)
        for learner in story.learners
    ]
    for member, document in members.items():
        people += [
            {
                "id": f"{member}-registry",
                "name": f"Registry of {document['name']}",
                "member": member,
                "roles": ["registry"],
            },
            {
                "id": f"{member}-officer",
                "name": f"Recognition officer of {document['name']}",
                "member": member,
                "roles": ["officer"],
            },
        ]
    people.append(
        {
            "id": "operator",
            "name": "Operations",
            "roles": ["operations"],
            "about": "follows journeys",
            "begin_here": True,
        }
    )
    path.write_text(yaml.safe_dump({"people": people}, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _about(learner: Learner, story: Story, members: dict[str, Document]) -> str:
    if learner == story.unenrolled:
        return "enrolled nowhere, with a record all the same"
    return f"studies at {members[learner.home]['name']}"


def _learner(learner: Learner, about: str, *, is_named: bool) -> Document:
    return {
        "id": f"learner-{learner.number}",
        "name": learner.name,
        "roles": ["learner"],
        "schac_personal_unique_code": learner.identifier,
        "about": about,
        "begin_here": is_named,
    }
