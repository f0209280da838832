"""DecideReferral and DecideAppeal: an officer decides, under the learner's lock and the same caps as anybody."""

from dataclasses import dataclass
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

from chassis.batch import lock_learners
from chassis.clock import Clock, day_of
from chassis.database import Connection, Pool, in_transaction
from chassis.http import current_or_stale
from chassis.problems import conflict, forbidden, not_found
from contracts.ids import decision_id
from contracts.recognition_decision import DecisionMade
from services.recognition.application import recognise
from services.recognition.application.catalogue import CatalogueReader
from services.recognition.application.recognise import Recognising
from services.recognition.domain import appeals as domain
from services.recognition.domain.appeals import Appeal
from services.recognition.domain.business_days import Calendar
from services.recognition.domain.learner import Cause
from services.recognition.domain.rulings import CannotRule, Ruling, ground_of
from services.recognition.engine.model import Line, State
from services.recognition.store import appeals, feed, learners, referrals


@dataclass(frozen=True, slots=True)
class Officer:
    """Who decides: the subject of their token, and the member for whom they act."""

    subject: str
    member: str


@dataclass(frozen=True, slots=True)
class Decided:
    """What an officer wants to decide: credit that is recognised (none: it is declined), and why."""

    lines: tuple[Line, ...]
    reasons: str


class Officers:
    """Decides what officers decide."""

    def __init__(
        self, pool: Pool, clock: Clock, catalogues: CatalogueReader, *, zone: ZoneInfo, calendar: Calendar
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._catalogues = catalogues
        self._zone = zone
        self._calendar = calendar

    async def decide_referral(
        self,
        officer: Officer,
        completion_id: UUID,
        enrolment_id: UUID,
        expected: int,
        decided: Decided,
        traceparent: str | None,
    ) -> DecisionMade:
        """Decide what is referred, on its decision number `expected`; the same again is answered as it was.

        Raises the Problems 403, 404, 409 (not referred, or what stands in the way of the lines) and 412.
        """
        ruling = Ruling(completion_id, enrolment_id, decided.lines, decided.reasons, officer.subject)

        async def decide(connection: Connection) -> DecisionMade:
            claim = await claim_at(connection, officer.member, completion_id, enrolment_id)
            recognising = await self._locked(connection, claim.learner_id)
            current = recognising.learner.current[completion_id, enrolment_id]
            following = await feed.decision(connection, decision_id(completion_id, enrolment_id, expected + 1))
            if following is not None and _is_of(following, ruling):
                return following
            current_or_stale(expected, current.number)
            if current.state is not State.REFERRED:
                raise conflict("The claim is not referred: it is decided.", name="not-referred")
            return await self._rule(connection, recognising, ruling, Cause("officer"), traceparent)

        return await in_transaction(self._pool, decide)

    async def decide_appeal(
        self, officer: Officer, appeal_id: UUID, expected: int, decided: Decided, traceparent: str | None
    ) -> appeals.Stored:
        """Decide an appeal at its revision `expected`: lines uphold it, none dismiss it at this stage.

        An appeal reaches closed enrolments too. Raises the Problems that `decide_referral` raises.
        """

        async def decide(connection: Connection) -> appeals.Stored:
            found = await appeal_at(connection, officer.member, appeal_id)
            recognising = await self._locked(connection, found.request.learner_id)
            # Read again under the lock.
            appeal = await appeal_at(connection, officer.member, appeal_id)
            request = appeal.request
            ruling = Ruling(
                request.completion_id,
                request.enrolment_id,
                decided.lines,
                decided.reasons,
                officer.subject,
                on_appeal=True,
            )
            repeated = await self._repeated(connection, appeal_id, expected + 1, ruling)
            if repeated is not None:
                return repeated
            current_or_stale(expected, appeal.revision)
            if appeal.state != "open":
                raise conflict(f"The appeal is not open: it is {appeal.state}.", name="not-open")
            if (request.completion_id, request.enrolment_id) not in recognising.learner.current:
                raise conflict("The decision that is appealed against is not known here.", name="unknown-decision")
            now = self._clock()
            if not decided.lines:
                today = day_of(now, self._zone)
                route = recognising.catalogue.members[request.receiver].appeals
                after = domain.dismissed(appeal, route, today, decided.reasons, officer.subject)
                recognising.stand(after, traceparent)
                await recognise.write(connection, [recognising], now)
            else:
                cause = Cause("appeal", request.event_id)
                outcome = await self._rule(connection, recognising, ruling, cause, traceparent, upholds=appeal)
                after = domain.upheld(appeal, outcome.decision_id, decided.reasons, officer.subject)
            return after, now

        return await in_transaction(self._pool, decide)

    async def _locked(self, connection: Connection, learner_id: UUID) -> Recognising:
        await lock_learners(connection, [learner_id])
        catalogue = await self._catalogues.read(connection)
        learner = (await learners.read(connection, [learner_id], self._zone))[learner_id]
        return Recognising(learner, catalogue, self._zone, calendar=self._calendar)

    async def _rule(
        self,
        connection: Connection,
        recognising: Recognising,
        ruling: Ruling,
        cause: Cause,
        traceparent: str | None,
        upholds: Appeal | None = None,
    ) -> DecisionMade:
        now = self._clock()
        try:
            decision = recognising.rule(ruling, cause, day_of(now, self._zone), traceparent)
        except CannotRule as cannot:
            raise conflict("This cannot be decided so.", name="cannot-rule", errors=cannot.objections) from None
        made = decision_id(decision.completion_id, decision.enrolment_id, decision.number)
        if upholds is not None:
            recognising.stand(domain.upheld(upholds, made, ruling.reasons, ruling.decided_by), traceparent)
        await recognise.write(connection, [recognising], now)
        written = await feed.decision(connection, made)
        assert written is not None  # noqa: S101 - written just now
        return written

    async def _repeated(
        self, connection: Connection, appeal_id: UUID, revision: int, ruling: Ruling
    ) -> appeals.Stored | None:
        """What the same ruling led to already, at this revision of the appeal."""
        stored = await appeals.at_revision(connection, appeal_id, revision)
        if stored is None:
            return None
        appeal, _ = stored
        if (appeal.decided_by, appeal.reasons) != (ruling.decided_by, ruling.reasons):
            return None
        if appeal.outcome_decision_id is None:
            return None if ruling.lines else stored
        outcome = await feed.decision(connection, appeal.outcome_decision_id)
        return stored if outcome is not None and _is_of(outcome, ruling) else None


async def claim_at(connection: Connection, member: str, completion_id: UUID, enrolment_id: UUID) -> referrals.Claim:
    """A claim that was decided at this member. Raises the Problems 403 and 404."""
    claim = await referrals.claim(connection, completion_id, enrolment_id)
    if claim is None:
        raise not_found("There is no such claim.")
    if claim.receiver != member:
        raise forbidden("This claim was made at another member.", name="another-members")
    return claim


async def appeal_at(connection: Connection, member: str, appeal_id: UUID) -> Appeal:
    """How an appeal at this member stands. Raises the Problems 403 and 404."""
    return (await stored_appeal_at(connection, member, appeal_id))[0]


async def stored_appeal_at(connection: Connection, member: str, appeal_id: UUID) -> appeals.Stored:
    """The same, with since when it stands so."""
    found = (await appeals.newest(connection, [appeal_id])).get(appeal_id)
    if found is None:
        raise not_found("There is no such appeal.")
    if found[0].request.receiver != member:
        raise forbidden("This appeal was lodged at another member.", name="another-members")
    return found


def _is_of(decision: DecisionMade, ruling: Ruling) -> bool:
    """Whether a decision is what this ruling led to."""
    ground = ground_of(ruling, State(decision.state))
    same_ground = [(one.code, one.compared, one.sentence) for one in decision.grounds] == [
        (ground.code, dict(ground.compared), ground.sentence)
    ]
    granted = decision.grant.lines if decision.grant else []
    lines = [(one.slot, Fraction(one.credits), one.level) for one in granted]
    return same_ground and lines == [(one.slot, one.credits, one.level) for one in ruling.lines]
