"""The life of a decision, told with four learners of its own: what happens after the first decision (domain.md)."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote
from uuid import UUID

import httpx
import orjson

from contracts.ids import appeal_id, completion_id, enrolment_id
from deploy.demo.acting import Actors, eventually, got, put_on_newest
from deploy.demo.consortium import Document, consortium
from deploy.demo.figures import fetch
from deploy.demo.publishing import DemoRefused, Doors, accepted, put
from deploy.local.system import System

Step: TypeAlias = tuple[str, str]
"""Something that is done, and what comes of it."""


@dataclass(frozen=True)
class Claim:
    """A completion, and the enrolment for which it may count."""

    completion: UUID
    enrolment: UUID


class Life:
    """Does what members, officers, registries and learners do, through the API, and notes what came of it."""

    def __init__(self, system: System, doors: Doors) -> None:
        self._system = system
        self._actors = Actors(system, doors)
        self._doors = doors
        self._today = datetime.now(UTC).date()
        self._offered = consortium()

    async def tell(self) -> list[Step]:
        """All of it. Raises DemoRefused where a step was refused or shows nothing."""
        told = await _side_by_side(self._to_an_award("life-1"), self._choice("life-2"), self._appeal("life-3"))
        # While a member is suspended, nothing else is claimed.
        told += await _side_by_side(self._a_members_life("life-4"))
        told += await _side_by_side(self._what_registries_ask(), self._rights("life-4"), self._verified())
        return told

    # To an award, and what it rests on

    async def _to_an_award(self, code: str) -> AsyncIterator[Step]:
        """Declined and corrected, referred and recognised by an officer; capstone, conferral, and what is lost then."""
        enrolled = await self._enrol(code, "glenmore:pgcert-data")
        elsewhere = await self._enrol(code, "northbridge:bsc-data-science")
        ethics = Claim(await self._publish(code, "northbridge:data-ethics", mark="38"), enrolled)
        before = await self._state(code, "glenmore", ethics, "DECLINED")
        await self._publish(code, "northbridge:data-ethics", revision=2, mark="72")
        after = await self._state(code, "glenmore", ethics, "RECOGNISED")
        yield ("a mark is corrected from 38 to 72", f"{before} → {after}")
        cloud = Claim(await self._publish(code, "delmere:cloud"), enrolled)
        before = await self._state(code, "glenmore", cloud, "REFERRED")
        after = await self._officer(cloud, credits_="12", level=10)
        yield ("an officer decides where no rule does", f"{before} → {after}")
        law = Claim(await self._publish(code, "glenmore:information-law"), elsewhere)
        await self._state(code, "northbridge", law, "RECOGNISED")
        await self._progress(code, lambda shown: shown["capstone"] == "open")
        await self._publish(code, "glenmore:data-capstone")
        await self._progress(code, lambda shown: shown["eligible"])
        yield ("the capstone is passed", "the award is eligible")
        async with self._as("glenmore", "registry", self._doors.learner_record) as registry:
            reference = quote(self._reference(code, "glenmore:pgcert-data"))
            conferral = await put_on_newest(registry, f"/progress/{reference}", f"/conferrals/{reference}", {})
        used = await self._state(code, "northbridge", law, "DECLINED")
        yield (
            "the registry confers the award",
            f"{len(conferral['completions'])} completions used; elsewhere {used}",
        )
        await self._publish(code, "delmere:cloud", revision=2, revoked=True, revocation_reason="Entered by mistake.")
        await self._progress(code, lambda shown: shown["lost"])
        yield ("one that it counted is revoked", "credit frozen, registry told")
        async with self._learner(code) as learner:
            read = len((await got(learner, "/record/accesses")).json())
        yield ("the learner sees who read the record", f"{_many(read, 'reading')} by others")

    # What a learner does

    async def _choice(self, code: str) -> AsyncIterator[Step]:
        """More credit than fits: the learner chooses."""
        enrolled = await self._enrol(code, "eastmoor:cert-digital")
        courses = (
            "northbridge:statistics", "northbridge:data-ethics", "northbridge:machine-learning", "glenmore:networks",
            "glenmore:information-law",
        )  # fmt: skip
        for course in courses:
            await self._publish(code, course)
        last = Claim(self._completion_id(code, courses[-1]), enrolled)
        before = await self._state(code, "eastmoor", last, "INCOMPLETE", "DECLINED", "RECOGNISED")
        wanted = [str(last.completion)]
        async with self._learner(code) as learner:
            await put(learner, f"/record/choices/{enrolled}", {"completions": wanted})
        after = await self._state(code, "eastmoor", last, "RECOGNISED")
        yield ("more than fits: the learner chooses", f"{before} → {after}")
        async with self._learner(code) as learner:
            question = {"learning_opportunity": {"id": "eastmoor:responsible-ai"}}
            answer = await learner.post("/record/preview", json=question)
            counts = [one for one in accepted(answer).json()["would_count"] if one["state"] == "RECOGNISED"]
        yield ("where would a course on AI count?", f"in full in {_many(len(counts), 'award')}")

    async def _appeal(self, code: str) -> AsyncIterator[Step]:
        """Declined for a stated reason: the learner appeals, and an officer upholds it."""
        enrolled = await self._enrol(code, "northbridge:bsc-data-science")
        claim = Claim(await self._publish(code, "eastmoor:spreadsheets"), enrolled)
        before = await self._state(code, "northbridge", claim, "DECLINED")
        entry = await self._entry(code, "northbridge", claim)
        async with self._learner(code) as learner:
            statement = {"statement": "The course was about the statistics of data in tables."}
            await put(learner, f"/record/appeals/{entry['decision_id']}", statement)
        identity = appeal_id(UUID(entry["decision_id"]))
        async with self._as("northbridge", "officer", self._doors.recognition) as officer:

            async def lodged() -> bool:
                return (await officer.get(f"/appeals/{identity}")).status_code == httpx.codes.OK

            await eventually(lodged, "the appeal reaches the officers")
            ruling = {
                "upheld": True,
                "recognise": [{"slot": "ELECTIVE", "credits": "6", "level": 4}],
                "reasons": "The syllabus shows more than office skills.",
            }
            await put_on_newest(officer, f"/appeals/{identity}", f"/appeals/{identity}/decision", ruling)
        after = await self._state(code, "northbridge", claim, "PARTIAL", "RECOGNISED")
        yield ("a learner appeals, an officer upholds", f"{before} → {after}")

    async def _rights(self, code: str) -> AsyncIterator[Step]:
        """Everything that is held is given to the learner, and who wants to be forgotten is."""
        async with self._learner(code) as learner:
            held = (await got(learner, "/record/export")).json()["services"]
        rows = sum(len(rows) for tables in held.values() for rows in tables.values())
        yield ("a learner exports all that is held", f"{_many(rows, 'row')} from {len(held)} services")
        async with self._doors.at(self._doors.learner_record, "consortium").open() as consortium_office:
            asked = {"identifier": self._esi(code), "why": "The learner asked for it."}
            accepted(await consortium_office.post("/erasures", json=asked))
        try:
            await self._publish(code, "eastmoor:data-stories")
        except DemoRefused:
            yield ("… and is erased", "the pseudonym stays, no more comes in")
        else:
            raise DemoRefused("a completion of a learner who was erased was accepted")

    # What registries ask

    async def _a_members_life(self, code: str) -> AsyncIterator[Step]:
        """A member is suspended, and what is claimed on that day goes to a person; then the suspension is lifted."""
        enrolled = await self._enrol(code, "northbridge:bsc-data-science")
        await self._suspend("eastmoor", self._today)
        claim = Claim(await self._publish(code, "eastmoor:programming"), enrolled)
        before = await self._state(code, "northbridge", claim, "REFERRED")
        await self._suspend("eastmoor", None)
        after = await self._state(code, "northbridge", claim, "RECOGNISED", "PARTIAL")
        yield ("a member's suspension is lifted", f"{before} → {after}")

    async def _suspend(self, member: str, since: date | None) -> None:
        periods = [] if since is None else [{"from": since.isoformat(), "reason": "An inquiry is under way."}]
        async with self._doors.at(self._doors.provider, "consortium").open() as http:
            body = {**self._offered["members"][member], "suspensions": periods}
            await put_on_newest(http, f"/members/{member}", f"/members/{member}", body)
        await self._is_known(member, bool(periods))

    async def _is_known(self, member: str, suspended: bool) -> None:
        async def there() -> bool:
            suspensions = "SELECT suspensions FROM member WHERE member_id = $1"
            [(known,)] = await fetch(self._system, "recognition", suspensions, member)
            return bool(orjson.loads(known)) is suspended

        await eventually(there, f"recognition hears of {member}'s suspension")

    async def _verified(self) -> AsyncIterator[Step]:
        """Every decision of the engine is decided again, from what is stored."""
        url = self._system.environment("recognition-api")["SERVICE_DATABASE_URL"]
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("concord")), "recognition", "verify", "--json",
            env={**os.environ, "SERVICE_DATABASE_URL": url}, stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        output, _ = await process.communicate()
        if process.returncode:
            raise DemoRefused("`concord recognition verify` failed")
        found = orjson.loads(output)
        yield (
            "all decided again from what is stored",
            f"{found['decisions']:,} decisions, {found['differing']} otherwise",
        )

    async def _what_registries_ask(self) -> AsyncIterator[Step]:
        """What a new version would have changed, and what to agree next."""
        [stated] = [one for one in self._offered["agreements"] if one["id"] == "eastmoor-northbridge"]
        draft = {name: str(value) if isinstance(value, date) else value for name, value in stated.items()}
        draft |= {"version": 2, "minimum_mark": 40, "denied_courses": []}
        path = f"/agreements/{draft['id']}/drafts/2"
        async with self._as("northbridge", "registry", self._doors.recognition) as registry:
            await put(registry, path, draft, {"If-None-Match": "*"})
            would = accepted(await registry.post(f"{path}/backtest", json={})).json()
            gaps = (await got(registry, "/agreements/gaps")).json()["items"]
        yield (
            "a registry backtests a milder version",
            f"{would['changed']} of {would['claims']} claims change, +{would['credits_gained']} credits",
        )
        yield (
            "… and asks what to agree next",
            f"{_many(len(gaps), 'gap')}, on which {_many(sum(one['claims'] for one in gaps), 'claim')} wait",
        )

    # One thing at a time

    def _esi(self, code: str) -> str:
        return f"urn:schac:personalUniqueCode:int:esi:glenmore.example:{code}"

    def _as_sent(self, code: str, member: str) -> Document:
        return {"scheme": "ESI", "identifier": self._esi(code), "reference": f"{member}-{code}"}

    @staticmethod
    def _reference(code: str, about: str) -> str:
        return f"{code}-{about.partition(':')[2]}"

    def _completion_id(self, code: str, course: str) -> UUID:
        return completion_id(course.partition(":")[0], self._reference(code, course))

    async def _enrol(self, code: str, award: str) -> UUID:
        member, reference = award.partition(":")[0], self._reference(code, award)
        body = {
            "revision": 1,
            "learner": self._as_sent(code, member),
            "award": award,
            "opened_on": (self._today - timedelta(days=30)).isoformat(),
        }
        async with self._actors.system(member, self._doors.learner_record) as http:
            await put(http, f"/enrolments/{quote(reference)}", body)
        return enrolment_id(member, reference)

    async def _publish(self, code: str, course: str, revision: int = 1, **fields: Any) -> UUID:
        provider, offered = course.partition(":")[0], self._offered["learning_opportunities"][course]
        body = {
            "revision": revision,
            "learner": self._as_sent(code, provider),
            "learning_opportunity": {"id": course, "version": 1},
            "credits": offered["credits"],
            "framework": self._offered["members"][provider]["framework"],
            "level": offered["level"],
            "result": "pass",
            "mark": "64",
            "mark_scale": {"lowest": "0", "pass": "35", "highest": "100"},
            "completed_on": (self._today - timedelta(days=60)).isoformat(),
            "issued_on": (self._today - timedelta(days=50)).isoformat(),
            "identity_verified_at_assessment": True,
        } | fields
        async with self._actors.system(provider, self._doors.provider) as http:
            await put(http, f"/completions/{quote(self._reference(code, course))}", body)
        return self._completion_id(code, course)

    async def _officer(self, claim: Claim, *, credits_: str, level: int) -> str:
        """Glenmore's officer recognises credit towards volume."""
        path = f"/referrals/{claim.completion}/{claim.enrolment}"
        ruling = {
            "recognise": [{"slot": "GENERAL", "credits": credits_, "level": level}],
            "reasons": "Its outcomes are those of the tenth level.",
        }
        async with self._as("glenmore", "officer", self._doors.recognition) as officer:
            made = await put_on_newest(officer, path, f"{path}/decision", ruling)
        return str(made["state"])

    async def _state(self, code: str, member: str, claim: Claim, *wanted: str) -> str:
        async def there() -> str | None:
            entry = await self._entry(code, member, claim)
            return entry["state"] if entry and entry["state"] in wanted and not entry["is_being_decided"] else None

        return await eventually(there, f"{' or '.join(wanted)} on the record at {member}")

    async def _entry(self, code: str, member: str, claim: Claim) -> Any:
        entries = [
            entry
            for enrolled in await self._enrolments(code, member)
            if enrolled["enrolment_id"] == str(claim.enrolment)
            for entry in enrolled["entries"]
            if entry["completion"]["completion_id"] == str(claim.completion)
        ]
        return entries[0] if entries else None

    async def _progress(self, code: str, holds: Callable[[Any], Any]) -> None:
        async def there() -> bool:
            shown = [one["progress"] for one in await self._enrolments(code, "glenmore") if one["progress"]]
            return any(holds(one) for one in shown)

        await eventually(there, "the progress towards the award at glenmore")

    async def _enrolments(self, code: str, member: str) -> list[Any]:
        return await self._actors.enrolments(self._esi(code), member)

    def _as(self, member: str, role: str, url: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return self._actors.staff(member, role, url)

    def _learner(self, code: str) -> AbstractAsyncContextManager[httpx.AsyncClient]:
        return self._actors.learner(self._esi(code))


def _many(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


async def _side_by_side(*chapters: AsyncIterator[Step]) -> list[Step]:
    """The steps of chapters that have nothing to do with each other, in the order of the chapters."""

    async def told(chapter: AsyncIterator[Step]) -> list[Step]:
        return [step async for step in chapter]

    return [step for steps in await asyncio.gather(*map(told, chapters)) for step in steps]
