"""The consortium's registry of members."""

from typing import Any

import asyncpg

from chassis import outbox
from chassis.clock import Clock, instant
from chassis.database import Connection, Pool, in_transaction
from chassis.http import current_or_stale
from chassis.outbox import EventTooLarge, Outgoing
from chassis.problems import Problem, invalid
from contracts import provider_member as contract
from contracts.provider_member import MemberRegistered
from services.provider import store
from services.provider.documents import MemberDocument
from services.provider.store import Member


class RegisterMember:
    """Enters a member, or changes it from the revision that the registry saw."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(
        self, member_id: str, document: MemberDocument, *, expected: int, traceparent: str | None
    ) -> Member:
        """Store the next revision after the `expected` one, which is 0 for a new member.

        A change that changes nothing gives the revision there is. Raises a Problem: 422 for values that contradict
        each other, 412 where another revision is stored.
        """
        faults = tuple(document.faults())
        if faults:
            raise invalid(faults)

        async def work(connection: Connection) -> Member:
            newest = await store.member(connection, member_id)
            current_or_stale(expected, newest.revision if newest else 0)
            body = document.model_dump(mode="json")
            if newest is not None and newest.document == body:
                return newest
            stored = Member(member_id, expected + 1, body, self._clock())
            await store.add_member(connection, stored)
            await outbox.put(connection, [Outgoing(_event(stored, document), traceparent=traceparent)])
            return stored

        try:
            return await in_transaction(self._pool, work)
        except asyncpg.UniqueViolationError:
            # Somebody stored the same revision at the same instant; now it is there to be seen.
            return await in_transaction(self._pool, work)
        except EventTooLarge as error:
            raise Problem(413, str(error)) from None


def _event(member: Member, document: MemberDocument) -> MemberRegistered:
    return MemberRegistered(
        member_id=member.member_id,
        revision=member.revision,
        name=document.name,
        colours=contract.Colours(primary=document.colours.primary, accent=document.colours.accent),
        country=document.country,
        ukprn=document.ukprn,
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
