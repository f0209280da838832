"""The demo, on a whole system. It comes last, since its story drafts and suspends, and it starts a system of its own.

There everything of the demo is published but its agreements, then they as well.
"""

import re
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from contracts.ids import completion_id
from deploy.demo import figures, people_file
from deploy.demo.acting import Actors
from deploy.demo.consortium import consortium
from deploy.demo.first import capstone_open
from deploy.demo.life import Life
from deploy.demo.live import Live
from deploy.demo.people import Learner, Story, story
from deploy.demo.publishing import publish_consortium, publish_document, publish_learners
from deploy.local.issuer import people_in
from deploy.local.system import System
from tests.eventually import eventually
from tests.integration.portal.people import browser, sign_in
from tests.servers import Run
from tests.whole import TODAY, Whole

pytestmark = pytest.mark.servers

UNITS = (
    "postgres", "kafka", "issuer", "setup", "provider-api", "provider-worker", "recognition-api", "recognition-worker",
    "learner-record-api", "learner-record-worker", "portal",
)  # fmt: skip
LONG = 300.0
"""Seconds: on a machine that does other things too."""


async def test_the_demos_story_of_what_becomes_of_decisions_is_told_to_its_end(whole: Whole) -> None:
    steps = dict(await Life(whole.system, whole.doors).tell())
    assert steps["a mark is corrected from 38 to 72"] == "DECLINED → RECOGNISED"
    assert steps["all decided again from what is stored"].endswith("decisions, 0 otherwise")
    assert len(steps) == 15


@dataclass
class Demo:
    """A system with the demo's consortium and learners in it."""

    whole: Whole
    told: Story

    @property
    def actors(self) -> Actors:
        """The demo's people."""
        return Actors(self.whole.system, self.whole.doors)

    async def states(self) -> Counter[str]:
        """How many claims are in which state."""
        rows = await self.whole.fetch("recognition", f"SELECT state FROM ({figures.CURRENT}) AS current")  # noqa: S608
        return Counter(row["state"] for row in rows)

    async def page(self, member: str, learner: Learner) -> str:
        """The words on a learner's page at a member."""
        [person] = [one for one in people_in(self.people) if one.id == f"learner-{learner.number}"]
        portal = self.whole.system.addresses["portal"]
        async with browser() as client:
            page = await sign_in(client, f"{portal}/sign-in?return_to=/{member}/", person)
        assert page.status_code == 200
        return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())

    @property
    def people(self) -> Any:
        """Who can be signed in as."""
        return self.whole.system.folder.parent / "demo-people.yaml"


@pytest.fixture(scope="module")
async def unagreed(servers: Run) -> AsyncIterator[Demo]:
    """The demo without any agreement, with every claim decided."""
    document, told = consortium(), story(TODAY)
    people = servers.folder / "demo-people.yaml"
    people_file.write(people, told, document["members"])
    values = {"ISSUER_PEOPLE": str(people), "SYNTHETIC_EVERY": "0"}
    system = System(servers.folder / "demo", only=UNITS, values=values, ends_with_this_process=True)
    system.start()
    try:
        demo = Demo(Whole(system), told)
        await publish_consortium(document | {"agreements": []}, demo.whole.doors)
        await publish_learners(told, demo.whole.doors)
        await figures.settled(system, within=LONG)
        yield demo
    finally:
        system.delete()


async def test_without_the_agreements_nothing_is_recognised_and_what_was_passed_is_referred(unagreed: Demo) -> None:
    sent = {
        completion_id(member, row["reference"]): row
        for member, rows in unagreed.told.completions.items()
        for row in rows
    }
    rows = await unagreed.whole.fetch(
        "recognition", "SELECT completion_id, state, agreement_id, grant_id FROM decision"
    )
    assert all(row["agreement_id"] is None and row["grant_id"] is None for row in rows)
    passed = Counter[str]()
    for row in rows:
        stated = sent[row["completion_id"]]
        assert row["state"] not in ("RECOGNISED", "PARTIAL")
        if stated["result"] in ("pass", "compensated") and not stated.get("revoked"):
            passed[row["state"]] += 1
    assert set(passed) == {"REFERRED"}
    assert passed["REFERRED"] > 2_500
    assert len(rows) > passed.total(), "nothing was failed or revoked, so nothing was told apart"


@pytest.fixture(scope="module")
async def agreed(unagreed: Demo) -> Demo:
    """The same, with its agreements, and what was referred for want of them decided again."""
    for agreement in consortium()["agreements"]:
        await publish_document(agreement, unagreed.whole.doors)

    async def no_claim_waits() -> bool:
        rows = await unagreed.whole.fetch("recognition", figures.WITHOUT_AGREEMENT)
        return bool(rows[0][0] == 0)

    await eventually(no_claim_waits, within=LONG, what="every claim decided under an agreement")
    return unagreed


async def test_the_agreements_recognise_split_refer_and_decline(agreed: Demo) -> None:
    states = await agreed.states()
    assert states["RECOGNISED"] > 1_000
    assert min(states[state] for state in ("PARTIAL", "INCOMPLETE", "REFERRED", "DECLINED")) > 20


async def test_the_figures_name_every_state_and_how_long_it_took(agreed: Demo) -> None:
    states, rows = await agreed.states(), await figures.what_happened(agreed.whole.system, agreed.told)
    shown = {what: number for what, number, _ in rows}
    assert shown["completions accepted"] == "3,000"
    assert {what: number for what, number in shown.items() if what.startswith("decisions")} == {
        f"decisions {state}": f"{number:,}" for state, number in states.items()
    }
    assert float(shown["published → on the record"].removesuffix(" s")) > 0


async def test_credit_from_three_members_opens_the_first_learners_capstone_at_a_fourth(agreed: Demo) -> None:
    enrolled = await capstone_open(agreed.actors, agreed.told)
    counted = [entry for entry in enrolled["entries"] if entry["counts"]]
    assert enrolled["award"]["id"] == "glenmore:pgcert-data"
    assert len({entry["completion"]["provider"] for entry in counted}) == 3
    assert {entry["state"] for entry in counted} == {"RECOGNISED"}
    assert (enrolled["totals"]["own"], enrolled["totals"]["imported"]) == ("0", "40")
    assert "Capstone open" in await agreed.page("glenmore", agreed.told.first)


async def test_a_learner_who_is_enrolled_nowhere_has_a_record_all_the_same(agreed: Demo) -> None:
    learner = agreed.told.unenrolled
    assert await agreed.actors.enrolments(learner.identifier) == []
    page = await agreed.page(learner.home, learner)
    assert "You are not enrolled for an award at any member" in page
    titles = [
        consortium()["learning_opportunities"][row["learning_opportunity"]["id"]]["title"]
        for rows in agreed.told.completions.values()
        for row in rows
        if row["learner"]["identifier"] == learner.identifier
    ]
    assert len(titles) == 5
    for title in titles:
        assert title in page


async def test_what_goes_on_live_shows_on_the_page_that_is_watched(agreed: Demo) -> None:
    watched, course = agreed.told.watched, "delmere:embedded"
    live = Live(agreed.whole.system, agreed.whole.doors, agreed.actors, agreed.told)
    line = await live.publish(watched, course)
    assert line.startswith(f"{watched.name} ")
    assert "Embedded Systems at Delmere" in line
    assert line.endswith("at Northbridge")
    assert "Embedded Systems" in await agreed.page(watched.home, watched)
