"""KeepReferences: members and learning opportunities as their owner states them, the newest revision of each."""

from collections.abc import Sequence

from chassis.database import Connection
from contracts.event import Event
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from contracts.provider_member import MemberRegistered
from services.recognition.store import catalogue as store


async def keep(connection: Connection, received: Sequence[tuple[Event, store.Change]]) -> Sequence[bool]:
    """Store what is new of these events, each with its id and trace; False for each that is older, or known already.

    A member that is new, or whose framework, suspensions or leaving changed, takes a catalogue number: open claims
    at or from it are then looked at again. Another way to appeal is read with the catalogue, and opens nothing.
    """
    members = [(event, change) for event, change in received if isinstance(event, MemberRegistered)]
    opportunities = [event for event, _ in received if isinstance(event, LearningOpportunityPublished)]
    is_new: dict[int, bool] = {}
    if members:
        await _keep_members(connection, members, is_new)
    if opportunities:
        await _keep_opportunities(connection, opportunities, is_new)
    return [is_new[id(event)] for event, _ in received]


async def _keep_members(
    connection: Connection, received: Sequence[tuple[MemberRegistered, store.Change]], is_new: dict[int, bool]
) -> None:
    known = await store.known_members(connection, {member.member_id for member, _ in received})
    newest: dict[str, MemberRegistered] = {}
    changes: dict[str, store.Change] = {}
    has_other_appeals = False
    for member, change in received:
        revision, before, appeals_before = known.get(member.member_id, (0, (), {}))
        is_new[id(member)] = member.revision > revision
        if member.revision > revision:
            suspensions = [period.model_dump(mode="json") for period in member.suspensions]
            now = (member.framework, suspensions, member.left_on)
            appeals = member.appeals.model_dump(mode="json")
            known[member.member_id] = (member.revision, now, appeals)
            has_other_appeals |= appeals != appeals_before
            newest[member.member_id] = member
            if now != before:
                changes[member.member_id] = change
    if newest:
        await store.keep_members(connection, newest.values())
    if changes:
        await store.concern_members(connection, changes, await store.take_number(connection))
    elif has_other_appeals:
        await store.renew(connection)


async def _keep_opportunities(
    connection: Connection, received: Sequence[LearningOpportunityPublished], is_new: dict[int, bool]
) -> None:
    known = await store.known_opportunities(
        connection, {(one.learning_opportunity_id, one.version) for one in received}
    )
    newest: dict[store.Key, LearningOpportunityPublished] = {}
    for one in received:
        key = (one.learning_opportunity_id, one.version)
        is_new[id(one)] = one.revision > known.get(key, 0)
        if is_new[id(one)]:
            known[key] = one.revision
            newest[key] = one
    if newest:
        await store.keep_opportunities(connection, newest.values())
