"""The consortium's registry of members."""

from typing import Any

import asyncpg

from chassis import outbox
from chassis.clock import Clock
from chassis.database import Connection, Pool, in_transaction, transaction
from chassis.outbox import Outgoing
from chassis.problems import Problem, invalid
from contracts import provider_member as contract
from contracts.provider_member import MemberRegistered
from services.provider import store
from services.provider.application.completions import instant
from services.provider.documents import MemberDocument
from services.provider.store import Member


class RegisterMember:
    """Enters a member, or changes it from the revision that the registry saw."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(
        self, member_id: str, document: MemberDocument, *, seen: int | None, traceparent: str | None
    ) -> Member | Problem:
        """Store the next revision. `seen` is the revision that is to be changed; None enters a new member.

        A change that changes nothing gives the revision there is. A Problem (412) where another revision is stored.
        """
        faults = tuple(document.faults())
        if faults:
            return invalid(faults)

        async def work(connection: Connection) -> Member | Problem:
            newest = await store.member(connection, member_id)
            if (newest.revision if newest else None) != seen:
                return _stale(newest)
            body = document.model_dump(mode="json")
            if newest is not None and newest.document == body:
                return newest
            stored = Member(member_id, 1 if newest is None else newest.revision + 1, body, self._clock())
            await store.add_member(connection, stored)
            await outbox.put(connection, [Outgoing(_event(stored, document), traceparent=traceparent)])
            return stored

        try:
            return await in_transaction(self._pool, work)
        except asyncpg.UniqueViolationError:
            async with transaction(self._pool) as connection:
                return _stale(await store.member(connection, member_id))


def _stale(newest: Member | None) -> Problem:
    if newest is None:
        return Problem(412, "There is no such member yet; If-None-Match: * enters it.")
    return Problem(412, f"The member is at revision {newest.revision}.", more={"stored": as_answer(newest)})


def _event(member: Member, document: MemberDocument) -> MemberRegistered:
    return MemberRegistered(
        member_id=member.member_id,
        revision=member.revision,
        name=document.name,
        colours=contract.Colours(primary=document.colours.primary, accent=document.colours.accent),
        country=document.country,
        framework=document.framework,
        suspensions=[
            contract.Suspension(since=one.since, until=one.until, reason=one.reason) for one in document.suspensions
        ],
        joined_on=document.joined_on,
        left_on=document.left_on,
        public_keys=document.public_keys,
        referrals_to=document.referrals_to,
        appeals=contract.Appeals(
            route=document.appeals.route, days=document.appeals.days, stages=document.appeals.stages
        ),
        accepted_at=member.accepted_at,
    )


def as_answer(member: Member) -> dict[str, Any]:
    """A member as answers show it."""
    return {
        "member_id": member.member_id,
        "revision": member.revision,
        **member.document,
        "accepted_at": instant(member.accepted_at),
    }


def face_of(member: Member) -> dict[str, Any]:
    """What everybody may see of a member: its name and colours."""
    return {
        "member_id": member.member_id,
        "name": member.document["name"],
        "colours": member.document["colours"],
    }
