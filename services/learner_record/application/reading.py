"""Reading a learner's record: what is stored, in the terms of whoever looks at it."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis import accesses
from chassis.clock import Clock, day_of
from chassis.database import COMMAND_TIMEOUT, Connection, Pool
from chassis.identity import Principal
from contracts.ids import entry_id
from services.learner_record.application.asking import appeal_answer
from services.learner_record.domain.progress import Capstone, Conferred, is_free, progress
from services.learner_record.domain.record import Completion, Decision, Enrolment, Entry, Known, Place
from services.learner_record.domain.stack import LevelSum, Stack, Sums, stack
from services.learner_record.store import records
from services.learner_record.store.asking import StoredRequest
from services.learner_record.store.progress import attempt_of, grant_of, requirements_of
from services.learner_record.store.records import Names, StoredRecord
from services.learner_record.views import (
    Appeals,
    AppealView,
    AwardView,
    CompletionView,
    ConditionView,
    ConferralView,
    CountsAs,
    EnrolmentView,
    EntryView,
    GroundView,
    LevelTotals,
    LineView,
    MemberView,
    ProgressView,
    RecordView,
    Totals,
    Version,
)

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class WholeRecord:
    """A record as it is shown, what is stored of it, and the names for that."""

    view: RecordView
    stored: StoredRecord
    names: Names


class ReadRecord:
    """Reads a learner's record, in two round trips: without a transaction, since the first statement is one instant."""

    def __init__(self, pool: Pool, clock: Clock, zone: ZoneInfo) -> None:
        self._pool = pool
        self._clock = clock
        self._zone = zone

    async def __call__(self, learner_id: UUID, *, member: str | None = None) -> RecordView:
        """The record as it is now; only what stands at `member` where one is named."""
        async with self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection:
            return await self._read(connection, learner_id, member)

    async def of_reference(self, reader: Principal, member: str, reference: str) -> RecordView | None:
        """What stands at a member for the learner it means by its own reference; None where it never used it.

        That it was read is noted, and shown to the learner.
        """
        async with self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection:
            learner_id = await records.learner_of_reference(connection, member, reference)
            if learner_id is None:
                return None
            await accesses.note(connection, reader, "record", self._clock(), learner_id=learner_id)
            return await self._read(connection, learner_id, member)

    async def whole(self, learner_id: UUID) -> WholeRecord:
        """The record as it is now, with what it was put together from."""
        async with self._pool.acquire(timeout=COMMAND_TIMEOUT) as connection:
            return await self._whole(connection, learner_id, None)

    async def _read(self, connection: Connection, learner_id: UUID, member: str | None) -> RecordView:
        return (await self._whole(connection, learner_id, member)).view

    async def _whole(self, connection: Connection, learner_id: UUID, member: str | None) -> WholeRecord:
        stored = await records.record(connection, learner_id)
        members = {one["provider"] for one in stored.completions} | {one["receiver"] for one in stored.enrolments}
        opportunities = {
            (one["learning_opportunity"]["id"], one["learning_opportunity"]["version"]) for one in stored.completions
        }
        awards = {one["award"] for one in stored.enrolments}
        names = await records.names(connection, members, awards, sorted(opportunities))
        page = _Page(stored, names, self._zone)
        wanted = sorted(members) if member is None else [member]
        view = RecordView(learner_id=learner_id, version=stored.version, members=[page.member(one) for one in wanted])
        return WholeRecord(view, stored, names)


@dataclass(frozen=True, slots=True)
class _Written:
    """An entry as it was written last."""

    revision: int
    updated_at: datetime


class _Page:
    """A record, put together from what is stored."""

    def __init__(self, stored: StoredRecord, names: Names, zone: ZoneInfo) -> None:
        self._names = names
        self._completions = {UUID(one["completion_id"]): one for one in stored.completions}
        self._decisions = {(UUID(one["completion_id"]), UUID(one["enrolment_id"])): one for one in stored.decisions}
        self._enrolments = {UUID(one["enrolment_id"]): one for one in stored.enrolments}
        self._written: dict[Place, _Written] = {
            (UUID(one["completion_id"]), UUID(one["enrolment_id"]) if one["enrolment_id"] else None): _Written(
                one["revision"], datetime.fromisoformat(one["updated_at"])
            )
            for one in stored.entries
        }
        self._conferrals = {
            UUID(id_): Conferred(
                UUID(one["conferral_id"]),
                UUID(id_),
                one["award_id"],
                one["ladder"],
                frozenset(map(UUID, one["completions"])),
            )
            for id_, one in stored.conferrals.items()
        }
        self._stored = stored
        self._entries = _known(stored, zone).entries()

    def member(self, member: str) -> MemberView:
        """What stands at one member."""
        registered = self._names.members.get(member, {})
        mine = sorted(
            (one for one in self._enrolments.values() if one["receiver"] == member),
            key=lambda one: (one["opened_on"], one["reference"]),
        )
        stacks = [self._stack(one) for one in mine]
        enrolments = [self._enrolment(one, summed) for one, summed in zip(mine, stacks, strict=True)]
        counted = {one for summed in stacks for one in summed.own}
        own = [
            self._entry(entry, counts=entry.completion_id in counted, stack=None)
            for entry in self._sorted(self._entries.values())
            if entry.enrolment_id is None and entry.member == member
        ]
        references = {one["learner_reference"] for one in mine} | {
            one["learner_reference"] for one in self._completions.values() if one["provider"] == member
        }
        return MemberView(
            member=member,
            name=registered.get("name"),
            framework=registered.get("framework"),
            learner_references=sorted(references),
            appeals=_appeals(registered),
            own_credit=own,
            enrolments=enrolments,
        )

    def _sorted(self, entries: Iterable[Entry]) -> list[Entry]:
        def age(entry: Entry) -> tuple[str, str]:
            return self._completions[entry.completion_id]["completed_on"], str(entry.completion_id)

        return sorted(entries, key=age)

    def _stack(self, enrolment: JSON) -> Stack:
        enrolment_id, receiver = UUID(enrolment["enrolment_id"]), enrolment["receiver"]
        claims = {
            entry.completion_id: grant_of(self._decisions[entry.completion_id, enrolment_id]["grant"])
            for entry in self._entries.values()
            if entry.enrolment_id == enrolment_id and entry.decision_id is not None
        }
        award = self._names.awards.get(enrolment["award"]) or self._names.members.get(receiver) or {}
        others = [one for id_, one in self._conferrals.items() if id_ != enrolment_id]
        attempts = [attempt_of(one) for one in self._completions.values() if one["provider"] == receiver]
        free = [one for one in attempts if is_free(one, award.get("ladder"), others)]
        return stack(claims, free, award.get("framework"))

    def _progress(self, enrolment: JSON, summed: Stack) -> ProgressView | None:
        document = self._names.awards.get(enrolment["award"])
        if document is None:
            return None
        capstones = {
            id_: Capstone(id_, _decimal(one["credits"]), one["level"]) for id_, one in self._names.capstones.items()
        }
        own = [attempt_of(one) for id_, one in self._completions.items() if id_ in summed.own]
        made = progress(requirements_of(document, capstones), summed.grants.values(), own)
        conferral = self._stored.conferrals.get(enrolment["enrolment_id"])
        return ProgressView(
            eligible=made.eligible,
            capstone=made.capstone,
            conditions=[ConditionView(**asdict(one)) for one in made.conditions],
            conferral=None if conferral is None else _conferral(conferral),
            lost=self._stored.lost.get(enrolment["enrolment_id"], []),
        )

    def _enrolment(self, enrolment: JSON, summed: Stack) -> EnrolmentView:
        enrolment_id = UUID(enrolment["enrolment_id"])
        award = self._names.awards.get(enrolment["award"], {})
        entries = [entry for entry in self._entries.values() if entry.enrolment_id == enrolment_id]
        return EnrolmentView(
            enrolment_id=enrolment_id,
            reference=enrolment["reference"],
            revision=enrolment["revision"],
            award=AwardView(
                id=enrolment["award"],
                **{name: award.get(name) for name in ("version", "title", "framework", "level")},
                credits_required=_decimal(award.get("credits_required")),
                minimum_by_level=award.get("minimum_by_level") or {},
            ),
            opened_on=enrolment["opened_on"],
            closed_on=_closed_on(enrolment, self._stored),
            progress=self._progress(enrolment, summed),
            choice=self._stored.choices.get(enrolment["enrolment_id"], []),
            entries=[self._entry(entry, counts=False, stack=summed) for entry in self._sorted(entries)],
            totals=_totals(summed.counted),
            frozen=_totals(summed.frozen),
        )

    def _entry(self, entry: Entry, *, counts: bool, stack: Stack | None) -> EntryView:
        completion = self._completions[entry.completion_id]
        written = self._written.get(entry.place)
        view = {
            "entry_id": entry_id(entry.completion_id, entry.enrolment_id),
            "revision": written.revision if written else 0,
            "updated_at": written.updated_at if written else None,
            "state": entry.state,
            "completion": self._completion(completion),
            "completion_revision": entry.completion_revision,
            "counts": counts,
        }
        if entry.enrolment_id is None:
            return EntryView(**view)
        view["is_being_decided"] = entry.decision_id is None or entry.completion_revision < completion["revision"]
        if entry.decision_id is None:
            return EntryView(**view)
        decision = self._decisions[entry.completion_id, entry.enrolment_id]
        counts_as = _counts_as(decision, stack)
        return EntryView(
            **{**view, "counts": counts_as is not None and counts_as.counts},
            decision_id=entry.decision_id,
            decision_number=entry.decision_number,
            counts_as=counts_as,
            grade=_decimal(decision["grade"]),
            grounds=[
                GroundView(**{name: one[name] for name in GroundView.model_fields}) for one in decision["grounds"]
            ],
            agreement=_version(decision["agreement"]),
            award=_version(decision["award"]),
            cause=decision["cause"]["kind"],
            claimed_on=decision["claimed_on"],
            decided_at=decision["decided_at"],
            appeals=_appeals(self._names.members.get(entry.member, {})) if entry.state == "DECLINED" else None,
            appeal=self._appeal(entry),
        )

    def _appeal(self, entry: Entry) -> AppealView | None:
        lodged = [
            one
            for one in self._stored.appeals
            if (UUID(one["completion_id"]), UUID(one["enrolment_id"])) == (entry.completion_id, entry.enrolment_id)
        ]
        if not lodged:
            return None
        newest = max(lodged, key=lambda one: int(one["decision_number"]))
        request = StoredRequest(
            newest["revision"], newest["stage"], newest["withdrawn"], datetime.fromisoformat(newest["lodged_at"])
        )
        return AppealView(**appeal_answer(UUID(newest["decision_id"]), request, newest["standing"]))

    def _completion(self, event: JSON) -> CompletionView:
        opportunity = event["learning_opportunity"]
        return CompletionView(
            completion_id=event["completion_id"],
            revision=event["revision"],
            reference=event["reference"],
            provider=event["provider"],
            provider_name=self._names.members.get(event["provider"], {}).get("name"),
            title=event["title"] or self._names.titles.get((opportunity["id"], opportunity["version"])),
            awarding_body=event["awarding_body"],
            learning_opportunity=Version(id=opportunity["id"], version=opportunity["version"]),
            credits=event["credits"],
            framework=event["framework"],
            level=event["level"],
            result=event["result"],
            mark=event["mark"],
            completed_on=event["completed_on"],
            issued_on=event["issued_on"],
            revoked=event["revoked"],
            revocation_reason=event["revocation_reason"],
            accepted_at=event["accepted_at"],
        )


def _known(stored: StoredRecord, zone: ZoneInfo) -> Known:
    known = Known()
    for one in stored.completions:
        claimable_on = day_of(datetime.fromisoformat(one["claimable_from"]), zone)
        known.learn_completion(
            Completion(UUID(one["completion_id"]), one["revision"], one["provider"], claimable_on, one["revoked"])
        )
    for one in stored.enrolments:
        known.learn_enrolment(
            Enrolment(
                UUID(one["enrolment_id"]),
                one["revision"],
                one["receiver"],
                date.fromisoformat(one["opened_on"]),
                _closed_on(one, stored),
            )
        )
    for one in stored.decisions:
        known.learn_decision(
            Decision(
                UUID(one["completion_id"]),
                UUID(one["enrolment_id"]),
                one["number"],
                UUID(one["decision_id"]),
                one["completion_revision"],
                one["state"],
            )
        )
    return known


def _closed_on(enrolment: JSON, stored: StoredRecord) -> date | None:
    """The first day on which it is closed: as its receiver says, or since its award was conferred."""
    conferral = stored.conferrals.get(enrolment["enrolment_id"], {})
    days = [date.fromisoformat(day) for day in (enrolment["closed_on"], conferral.get("conferred_on")) if day]
    return min(days, default=None)


def _conferral(conferral: JSON) -> ConferralView:
    return ConferralView(
        conferral_id=conferral["conferral_id"],
        award=Version(id=conferral["award_id"], version=conferral["award_version"]),
        conferred_on=conferral["conferred_on"],
        conferred_by=conferral["conferred_by"],
        completions=conferral["completions"],
    )


def _counts_as(decision: JSON, stack: Stack | None) -> CountsAs | None:
    grant = grant_of(decision["grant"])
    if grant is None or stack is None:
        return None
    standing = stack.grants.get(grant.grant_id)
    frozen = standing.frozen if standing else grant.frozen
    return CountsAs(
        grant_id=grant.grant_id,
        completions=sorted(grant.completions),
        lines=[LineView(slot=one.slot, credits=one.credits, level=one.level, kind=one.kind) for one in grant.lines],
        frozen=frozen,
        counts=standing is not None and not frozen,
    )


def _totals(sums: Sums) -> Totals:
    def parts(of: LevelSum) -> dict[str, Decimal]:
        return {name: getattr(of, name) for name in ("own", "specific", "general", "imported", "total")}

    by_level = [LevelTotals(level=level, **parts(at)) for level, at in sorted(sums.by_level.items())]
    return Totals(**parts(sums.whole), by_level=by_level)


def _appeals(member: JSON) -> Appeals | None:
    appeals = member.get("appeals")
    return Appeals(route=appeals["route"], days=appeals["days"], stages=appeals["stages"]) if appeals else None


def _version(version: JSON | None) -> Version | None:
    return Version(id=version["id"], version=version["version"]) if version else None


def _decimal(text: str | int | None) -> Decimal | None:
    return None if text is None else Decimal(text)
