"""The consortium's catalogue: what each member offers, version by version."""

from typing import Any

from chassis import outbox
from chassis.accepting import Accepted, known_or_contradicting
from chassis.clock import Clock, instant
from chassis.database import Connection, Pool, in_transaction
from chassis.outbox import EventTooLarge, Outgoing
from chassis.problems import Fault, Problem, forbidden, invalid
from contracts.provider_learning_opportunity import LearningOpportunityPublished
from services.provider import store
from services.provider.documents import LearningOpportunityDocument
from services.provider.domain.description import missing_from_catalogue
from services.provider.store import LearningOpportunity


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
    ) -> Accepted[LearningOpportunity]:
        """Accept the revision, or answer a repeat.

        Raises a Problem: 403 where the id begins with another member's, 422 where it begins with nobody's or values
        contradict each other, 409 where the revision contradicts what is stored.
        """
        faults = tuple(document.faults())

        async def work(connection: Connection) -> Accepted[LearningOpportunity]:
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
    ) -> Accepted[LearningOpportunity]:
        await store.lock_learning_opportunity(connection, learning_opportunity_id)
        known = await store.opportunity_revisions(
            connection, learning_opportunity_id, document.version, document.revision
        )
        answer = known_or_contradicting(document.revision, document.fingerprint, known, as_answer)
        if isinstance(answer, Problem):
            raise answer
        if answer is not None:
            return answer
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
        return Accepted(stored, is_new=True)


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
