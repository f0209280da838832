"""The consortium's catalogue: what each member offers, version by version."""

from dataclasses import dataclass
from typing import Any

from chassis import outbox
from chassis.clock import Clock
from chassis.database import Connection, Pool, in_transaction
from chassis.outbox import EventTooLarge, Outgoing
from chassis.problems import Fault, Problem, forbidden, invalid
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from services.provider import store
from services.provider.application.completions import instant
from services.provider.documents import LearningOpportunityDocument
from services.provider.domain.description import missing_from_catalogue
from services.provider.domain.revisions import Standing, standing
from services.provider.store import LearningOpportunity


@dataclass(frozen=True, slots=True)
class Published:
    """A revision that is stored: by this request (`is_new`) or by an earlier one."""

    revision: LearningOpportunity
    is_new: bool


class PublishLearningOpportunity:
    """Accepts a revision of a version; answers by revision as completions do."""

    def __init__(self, pool: Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock

    async def __call__(
        self,
        member: str,
        learning_opportunity_id: str,
        document: LearningOpportunityDocument,
        traceparent: str | None,
    ) -> Published:
        """Accept the revision, or answer a repeat.

        Raises a Problem: 403 where the id begins with another member's, 422 where it begins with nobody's or values
        contradict each other, 409 where the revision contradicts what is stored.
        """
        faults = tuple(document.faults())

        async def work(connection: Connection) -> Published:
            await self._must_be_own(connection, member, learning_opportunity_id)
            if faults:
                raise invalid(faults)
            return await self._publish(connection, member, learning_opportunity_id, document, traceparent)

        try:
            return await in_transaction(self._pool, work)
        except EventTooLarge as error:
            raise Problem(413, str(error)) from None

    async def _must_be_own(self, connection: Connection, member: str, learning_opportunity_id: str) -> None:
        prefix = learning_opportunity_id.partition(":")[0]
        if await store.member(connection, prefix) is None:
            expected = f"an id that begins with your own, `{member}:`, once the consortium has entered you"
            fault = Fault("id", learning_opportunity_id, expected)
            raise invalid([fault], f"No member of the consortium has the id {prefix}.")
        if prefix != member:
            raise forbidden(
                f"Learning opportunities that begin with `{prefix}:` are that member's.", name="another-members"
            )

    async def _publish(
        self,
        connection: Connection,
        member: str,
        learning_opportunity_id: str,
        document: LearningOpportunityDocument,
        traceparent: str | None,
    ) -> Published:
        await store.lock_learning_opportunity(connection, learning_opportunity_id)
        known = await store.opportunity_revisions(
            connection, learning_opportunity_id, document.version, document.revision
        )
        newest, same = max(known, default=None), known.get(document.revision)
        match standing(
            sent=document.revision,
            sent_hash=document.fingerprint,
            stored_hash=same.body_hash if same else None,
            newest=newest,
        ):
            case Standing.REPEATED if same is not None:
                return Published(same, is_new=False)
            case Standing.OTHER_BODY if same is not None and newest is not None:
                expected = f"the body as it was stored, or revision {newest + 1}"
                detail = f"Revision {document.revision} is stored with another body."
                raise _conflict("revision-differs", detail, document, expected, same)
            case Standing.TOO_LOW if newest is not None:
                raise _conflict(
                    "revision-too-low",
                    f"Revision {document.revision} was never stored, and a newer one is.",
                    document,
                    f"{newest + 1} or higher",
                    known[newest],
                )
        stored = LearningOpportunity(
            learning_opportunity_id=learning_opportunity_id,
            version=document.version,
            revision=document.revision,
            member=member,
            body_hash=document.fingerprint,
            document=document.model_dump(mode="json"),
            missing_elements=list(missing_from_catalogue(document.description, document.level)),
            accepted_at=self._clock(),
        )
        await store.add_learning_opportunity(connection, stored)
        await outbox.put(connection, [Outgoing(_event(stored, document), traceparent=traceparent)])
        return Published(stored, is_new=True)


def _conflict(
    name: str, detail: str, document: LearningOpportunityDocument, expected: str, stored: LearningOpportunity
) -> Problem:
    fault = Fault("revision", document.revision, expected)
    return Problem(409, detail, name=name, errors=[fault], more={"stored": as_answer(stored)})


def _event(stored: LearningOpportunity, document: LearningOpportunityDocument) -> LearningOpportunityPublished:
    return LearningOpportunityPublished(
        learning_opportunity_id=stored.learning_opportunity_id,
        version=stored.version,
        revision=stored.revision,
        member=stored.member,
        kind=document.kind,
        title=document.title,
        awarding_body=document.awarding_body,
        credits=document.credits,
        framework=document.framework,
        level=document.level,
        workload_hours=document.workload_hours,
        learning_outcomes=document.learning_outcomes,
        assessment_type=document.assessment_type,
        participation_form=document.participation_form,
        quality_assurance=document.quality_assurance,
        subject=document.subject,
        skills=document.skills,
        language=document.language,
        starts_on=document.starts_on,
        url=document.url,
        accepted_at=stored.accepted_at,
    )


def as_answer(stored: LearningOpportunity) -> dict[str, Any]:
    """A version at one revision as answers show it, with what Annex I asks for and it does not state."""
    return {
        "learning_opportunity_id": stored.learning_opportunity_id,
        "member": stored.member,
        **stored.document,
        "missing_elements": stored.missing_elements,
        "body_hash": stored.body_hash,
        "accepted_at": instant(stored.accepted_at),
    }
