"""What happened, in plain words: one sentence for each kind of event."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from services.operations.domain.journey import Hop

STATES: Final[Mapping[str, str]] = {
    "EARNED": "earned",
    "REVOKED": "revoked",
    "RECEIVED": "received, being decided",
    "RECOGNISED": "counts in full",
    "PARTIAL": "counts in part",
    "INCOMPLETE": "something is still missing",
    "REFERRED": "a recognition officer looks at it",
    "DECLINED": "does not count",
    "INVALID": "the evidence cannot be used",
}


def state_in_words(state: str) -> str:
    """A state of a decision or an entry, to go on with in a sentence."""
    return STATES.get(state, state)


def _completion(facts: Mapping[str, Any]) -> str:
    revision = facts.get("revision", 1)
    did = "revoked" if facts.get("revoked") else "published" if revision == 1 else "corrected"
    return f"{facts.get('provider', 'A provider')} {did} the completion (revision {revision})"


def _decision(facts: Mapping[str, Any]) -> str:
    state = state_in_words(facts.get("state", ""))
    return (
        f"Decision {facts.get('number', '?')} for {facts.get('receiver', 'a receiver')}, "
        f"enrolment {facts.get('enrolment_reference', '?')}: {state}"
    )


def _entry(facts: Mapping[str, Any]) -> str:
    return f"Visible on the record at {facts.get('member', 'a member')}: {state_in_words(facts.get('state', ''))}"


def _enrolment(facts: Mapping[str, Any]) -> str:
    reference, revision = facts.get("reference", "?"), facts.get("revision", 1)
    return f"{facts.get('receiver', 'A receiver')} recorded enrolment {reference} (revision {revision})"


def _agreement(facts: Mapping[str, Any]) -> str:
    return f"Version {facts.get('version', '?')} of the agreement {facts.get('agreement_id', '?')} was published"


def _award(facts: Mapping[str, Any]) -> str:
    return f"Version {facts.get('version', '?')} of the award {facts.get('award_id', '?')} was published"


def _member(facts: Mapping[str, Any]) -> str:
    return f"The registry entered {facts.get('member_id', 'a member')} (revision {facts.get('revision', '?')})"


def _learning_opportunity(facts: Mapping[str, Any]) -> str:
    return f"The learning opportunity {facts.get('learning_opportunity_id', '?')} was published"


def _choice(facts: Mapping[str, Any]) -> str:
    return f"The learner chose what counts first at {facts.get('receiver', 'a receiver')}"


def _appeal_request(facts: Mapping[str, Any]) -> str:
    did = "withdrew the appeal" if facts.get("withdrawn") else "appealed"
    return f"The learner {did} at {facts.get('receiver', 'a receiver')} (stage {facts.get('stage', '?')})"


def _appeal(facts: Mapping[str, Any]) -> str:
    receiver, stage = facts.get("receiver", "a receiver"), facts.get("stage", "?")
    return f"The appeal at {receiver}, stage {stage}: {facts.get('state', '?')}"


def _award_progress(facts: Mapping[str, Any]) -> str:
    enrolment = f"enrolment {facts.get('enrolment_reference', '?')} at {facts.get('receiver', 'a receiver')}"
    if facts.get("eligible"):
        return f"Every condition of the award holds: {enrolment}"
    return f"The progress towards the award changed: {enrolment}"


_SENTENCES: Final[Mapping[str, Callable[[Mapping[str, Any]], str]]] = {
    "provider.completion": _completion,
    "recognition.decision": _decision,
    "learner_record.entry": _entry,
    "learner_record.enrolment": _enrolment,
    "recognition.agreement": _agreement,
    "recognition.award": _award,
    "provider.member": _member,
    "provider.learning_opportunity": _learning_opportunity,
    "learner_record.choice": _choice,
    "learner_record.appeal_request": _appeal_request,
    "recognition.appeal": _appeal,
    "learner_record.award_progress": _award_progress,
}


def what_happened(hop: Hop) -> str:
    """The hop's event in words; an event of a kind that is not known here by its type."""
    sentence = _SENTENCES.get(hop.topic)
    return sentence(hop.facts) if sentence else hop.event_type


def duration(seconds: float) -> str:
    """A duration for people: 12 ms, 1.25 s, 4 min 10 s, 3 h 5 min, 2 d 4 h."""
    if seconds < 0:
        return "−" + duration(-seconds)
    if seconds < 1:
        return f"{round(seconds * 1000)} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"
