"""The learner who is shown first: credit from three members opens the capstone of her award at a fourth."""

from typing import Any, Final

from rich.console import Group

from deploy.demo.acting import Actors, eventually
from deploy.demo.consortium import Document
from deploy.demo.people import Story
from deploy.demo.printing import block

UNITS: Final = {"EQF": "ECTS"}
"""What credit is called, where it is not simply credits."""


async def shown_first(actors: Actors, told: Story, document: Document) -> Group:
    """Who she is and what she holds, from her own record. Raises DemoRefused where her capstone does not open."""
    enrolled = await capstone_open(actors, told)
    awards = {award["id"]: award for award in document["awards"]}
    award = awards[enrolled["award"]["id"]]
    member = document["members"][award["member"]]["name"]
    rows: list[tuple[str, ...]] = []
    for entries in _by_grant(enrolled["entries"]):
        [grant] = {one["counts_as"]["grant_id"]: one["counts_as"] for one in entries}.values()
        for nth, entry in enumerate(entries):
            done = entry["completion"]
            counts = " + ".join(line["credits"] for line in grant["lines"])
            unit = UNITS.get(done["framework"], "credits")
            shown = "" if nth < len(entries) - 1 else f"→ {counts} both" if nth else f"→ {counts}"
            rows.append((done["title"], done["provider_name"], f"{done['credits']} {unit}", shown))
    capstone = document["learning_opportunities"][award["capstone"]]["title"]
    held, wanted = enrolled["totals"]["total"], enrolled["award"]["credits_required"]
    return block(
        f"{told.first.name}, at the {member} for its {award['title']}, holds",
        rows,
        end=f"{held} of {wanted} credits without asking anybody; her capstone is open: {capstone}.",
    )


async def capstone_open(actors: Actors, told: Story) -> Any:
    """Her enrolment, once her capstone is open. Raises DemoRefused where it does not open in time."""

    async def there() -> Any:
        enrolments = await actors.enrolments(told.first.identifier)
        return next((one for one in enrolments if one["progress"] and one["progress"]["capstone"] == "open"), None)

    return await eventually(there, f"the open capstone of {told.first.name}")


def _by_grant(entries: list[Any]) -> list[list[Any]]:
    """The entries that count, each with those whose credit is granted together with its own."""
    grants: dict[str, list[Any]] = {}
    for entry in entries:
        if entry["counts_as"]:
            grants.setdefault(entry["counts_as"]["grant_id"], []).append(entry)
    return sorted(grants.values(), key=lambda together: (len(together), together[0]["completion"]["title"]))
