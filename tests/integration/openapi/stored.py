"""Who calls each service, and what is stored in it beforehand, so that there is something to be found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

import httpx

from chassis.clock import system_clock
from chassis.database import Pool
from tests.integration.chassis.ground import Logged
from tests.integration.learner_record import ground as of_learner_record
from tests.integration.operations import story as of_operations
from tests.integration.provider import ground as of_provider
from tests.integration.recognition import ground as of_recognition
from tests.integration.recognition.people import appeals_against, current, decline
from tests.tokens import Issuer

ENDLESS: Final = "/record/stream"
"""To whom it is open its answer has no end; tests/integration/learner_record/test_stream.py reads it."""
FEW: Final = ("--phases", "fuzzing")
"""For those whom most routes refuse."""


@dataclass(frozen=True)
class Caller:
    """Somebody with a token of these roles (none: without a token), and what Schemathesis is told besides."""

    roles: tuple[str, ...] = ()
    member: str | None = None
    learner: str | None = None
    words: tuple[str, ...] = ()

    def headers(self, issuer: Issuer) -> dict[str, str]:
        """The headers of their requests."""
        return issuer.headers(*self.roles, member=self.member, learner=self.learner) if self.roles else {}


PUBLISHER: Final = Caller(("publisher",), "northbridge")
CONSORTIUM: Final = Caller(("consortium",))
REGISTRY: Final = Caller(("registry", "officer", "publisher"), "strathmore")
OPERATIONS: Final = Caller(("operations",))
LEARNER: Final = Caller(
    ("learner",),
    learner=of_learner_record.esi("ann"),
    words=("--include-path-regex", "^/record", "--exclude-path", ENDLESS),
)
OF_OPERATIONS: Final = replace(OPERATIONS, words=("--include-path-regex", "^/(set-aside|waiting)"))
SERVICE: Final = Caller(("service",), words=("--include-path-regex", "^/learners"))
OF_ERASURES: Final = replace(CONSORTIUM, words=("--include-path-regex", "^/erasures"))
STRANGER: Final = Caller(("learner",), words=FEW)
NOBODY: Final = Caller(words=FEW)

CALLERS: Final[Mapping[str, tuple[Caller, ...]]] = {
    "provider": (
        PUBLISHER,
        replace(CONSORTIUM, words=("--include-path-regex", "^/members")),
        SERVICE,
        STRANGER,
        NOBODY,
    ),
    "recognition": (REGISTRY, OF_OPERATIONS, SERVICE, STRANGER, NOBODY),
    "learner_record": (LEARNER, REGISTRY, OF_OPERATIONS, OF_ERASURES, NOBODY),
    "operations": (OPERATIONS, replace(PUBLISHER, words=FEW), SERVICE, STRANGER, NOBODY),
}


@dataclass(frozen=True)
class Stored:
    """What is there to be found and changed."""

    parameters: Mapping[str, Sequence[str | int]]
    """Values that lead to it, by the parameter that they are for."""
    bodies: Mapping[str, Any]
    """A body that is accepted (a bulk request's: a line), by the operation that it is for."""


OF_SET_ASIDE: Final[Mapping[str, Any]] = {
    "POST /set-aside:replay": {"all": True, "because": "It is mended."},
    "POST /set-aside:drop": {"ids": [1], "because": "It is nobody's."},
}


SOMEBODY: Final = "6f2d1c1e-6a2b-8d0e-9d59-3b8f5f0c7a11"
OF_EXPORT: Final[Mapping[str, Any]] = {"POST /learners:export": {"learner_id": SOMEBODY}}
ERASURE: Final = {"learner_id": SOMEBODY, "why": "Asked for by the learner"}


async def store_something(service: str, url: str, issuer: Issuer, pool: Pool) -> Stored:
    """Put one thing of each kind into a service, and say how to come to it."""
    return await {
        "provider": _in_provider,
        "recognition": _in_recognition,
        "learner_record": _in_learner_record,
        "operations": _in_operations,
    }[service](url, issuer, pool)


async def _in_provider(url: str, issuer: Issuer, _: Pool) -> Stored:
    async with httpx.AsyncClient(base_url=url) as client:

        async def put(path: str, document: Any, who: Caller, **headers: str) -> None:
            answer = await client.put(path, json=document, headers={**who.headers(issuer), **headers})
            assert answer.status_code == 201, answer.text

        for member in ("northbridge", "westfield"):
            await put(f"/members/{member}", of_provider.member(), CONSORTIUM, **{"If-None-Match": "*"})
        await put("/learning-opportunities/northbridge:data-ethics", of_provider.opportunity(), PUBLISHER)
        await put("/completions/C-1", of_provider.completion(), PUBLISHER)
    return Stored(
        {
            "path.member_id": ["northbridge"],
            "path.learning_opportunity_id": ["northbridge:data-ethics"],
            "path.reference": ["C-1"],
            "header.if-match": ['"1"'],
        },
        {
            "PUT /members/{member_id}": of_provider.member(),
            "PUT /learning-opportunities/{learning_opportunity_id}": of_provider.opportunity(),
            "POST /learning-opportunities:bulk": of_provider.opportunity(id="northbridge:data-ethics"),
            "PUT /completions/{reference}": of_provider.completion(),
            "POST /completions:bulk": of_provider.completion(reference="C-1"),
            "POST /completions:compare": of_provider.completion(reference="C-1"),
            "POST /learners:erase": {**ERASURE, "erased_at": "2026-09-01T09:30:00Z", "erased_by": "registry"},
            **OF_EXPORT,
        },
    )


async def _in_recognition(_: str, __: Issuer, pool: Pool) -> Stored:
    ground, learner = of_recognition.Ground(pool), uuid4()
    await ground.set_up()
    await ground.consume(of_recognition.enrolment(learner), of_recognition.completion(learner))
    await ground.consume(of_recognition.Logged("provider.completion", 0, 0, b"no id", b"{}", []))
    (decision,) = await ground.published()
    in_doubt, declined = uuid4(), uuid4()
    await ground.consume(of_recognition.member("ashford"), of_recognition.opportunity("ashford:art"))
    await ground.consume(of_recognition.enrolment(in_doubt), of_recognition.completion(in_doubt, "ashford:art"))
    await ground.consume(of_recognition.enrolment(declined), of_recognition.completion(declined, result="fail"))
    referral, appealed = await current(ground, in_doubt), await current(ground, declined)
    appeal = appeals_against(appealed)
    await ground.consume(appeal)
    agreement, award = of_recognition.agreement(), of_recognition.award()
    return Stored(
        {
            "path.decision_id": [str(decision.decision_id)],
            "path.agreement_id": [agreement["id"]],
            "path.award_id": [award["id"]],
            "path.document_id": [agreement["id"], award["id"]],
            "path.version": [1],
            "header.if-match": ['"1"'],
            "path.completion_id": [str(referral.completion_id)],
            "path.enrolment_id": [str(referral.enrolment_id)],
            "path.appeal_id": [str(appeal.appeal_id)],
            "path.record_id": [1],
        },
        {
            "PUT /agreements/{agreement_id}": agreement,
            "PUT /agreements/{document_id}/drafts/{version}": agreement,
            "PUT /awards/{award_id}": award,
            "PUT /awards/{document_id}/drafts/{version}": award,
            "PUT /referrals/{completion_id}/{enrolment_id}/decision": decline(),
            "PUT /appeals/{appeal_id}/decision": {"upheld": False, "reasons": "The office was right."},
            "POST /preview": {"learning_opportunity": {"id": "northbridge:ethics"}},
            **OF_SET_ASIDE,
            **OF_EXPORT,
        },
    )


async def _in_learner_record(url: str, issuer: Issuer, pool: Pool) -> Stored:
    ground = of_learner_record.Ground(pool, "postgresql://not-asked-here")
    answer = await ground.enrol("strathmore", "E-1")
    assert answer.status_code == 201, answer.text
    declined = of_learner_record.decision(1, "DECLINED", reference="C-2", decided_at=system_clock())
    await ground.receive(
        of_learner_record.member("strathmore"),
        of_learner_record.award(credits_required="15", minimum_by_level={}),
        of_learner_record.completion(),
        of_learner_record.decision(grant=of_learner_record.grant("C-1")),
        of_learner_record.completion("C-2"),
        declined,
    )
    await ground.tell_progress()
    await ground.receive(Logged("provider.completion", 0, 0, b"no id", b"{}", []))
    appeal = {"statement": "It is the same."}
    async with httpx.AsyncClient(base_url=url, headers=LEARNER.headers(issuer)) as learner:
        answer = await learner.put(f"/record/appeals/{declined.decision_id}", json=appeal)
    assert answer.status_code == 201, answer.text
    enrolment = of_learner_record.enrolment("strathmore")
    return Stored(
        {
            "path.reference": ["E-1"],
            "path.enrolment_id": [str(declined.enrolment_id)],
            "path.decision_id": [str(declined.decision_id)],
            "path.appeal_id": [answer.json()["appeal_id"]],
            "path.member": ["strathmore"],
            "path.learner_reference": ["M-ann"],
            "path.record_id": [1],
            "header.if-match": ['"1"'],
        },
        {
            "PUT /enrolments/{reference}": enrolment,
            "POST /enrolments:bulk": {"reference": "E-1", **enrolment},
            "PUT /conferrals/{reference}": {"conferred_on": "2026-09-01"},
            "PUT /record/choices/{enrolment_id}": {"completions": [str(declined.completion_id)]},
            "PUT /record/appeals/{decision_id}": appeal,
            "POST /erasures": ERASURE,
            **OF_SET_ASIDE,
        },
    )


async def _in_operations(_: str, __: Issuer, pool: Pool) -> Stored:
    told, logs = of_operations.Story(), of_operations.Logs()
    records = told.told(logs)
    broken = of_operations.Logged("provider.completion", 0, logs.ends["provider.completion"], b"no id", b"{}", [], 0)
    await of_operations.see(pool, [*records, broken])
    return Stored(
        {"path.completion_id": [str(told.completion_id)], "path.record_id": [1]}, {**OF_SET_ASIDE, **OF_EXPORT}
    )
