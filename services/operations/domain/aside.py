"""What was set aside and what was done about it, in plain words."""

from collections.abc import Mapping
from typing import Any, Final

CAUSES: Final[Mapping[str, str]] = {
    "no_envelope": "Its envelope is incomplete",
    "bad_envelope": "Its envelope cannot be read",
    "unknown_type": "Its type is not the topic’s",
    "unknown_topic": "Its topic is no longer read",
    "no_value": "It has no value",
    "bad_value": "Its value is not what the contract says",
    "wrong_key": "Its key is not the event’s",
    "handler_error": "The service failed on it",
    "waits_behind": "An earlier record of its queue was set aside",
}


def cause_in_words(cause: str) -> str:
    """Why a record is set aside, as a sentence without its full stop."""
    return CAUSES.get(cause, cause)


def _records(number: int) -> str:
    return f"{number} record{'' if number == 1 else 's'}"


def _queue(answer: Mapping[str, Any]) -> str:
    return str(answer["queue"] or "a record by itself")


def replayed_in_words(answer: Mapping[str, Any], dry_run: bool) -> str:
    """What came of one queue in a replay, or in a dry run would."""
    done = answer["applied"] + answer["ignored"]
    words = f"{_queue(answer)}: {_records(done)} {'would be processed' if dry_run else 'processed'}"
    if answer["ignored"]:
        words += f", {answer['ignored']} of them known already"
    if answer["stopped_at"] is not None:
        words += f"; {answer['stopped_at']} {'would fail' if dry_run else 'failed'} again:"
        words += f" {cause_in_words(answer['cause'])} ({answer['detail']})"
    if answer["waiting"]:
        words += f"; {_records(answer['waiting'])} {'would wait' if dry_run else 'wait'} on"
    return words


def dropped_in_words(answer: Mapping[str, Any], dry_run: bool) -> str:
    """What was given up of one queue, or in a dry run would be."""
    words = f"{_queue(answer)}: {_records(len(answer['ids']))} {'would be dropped' if dry_run else 'dropped'}"
    if answer["waiting"]:
        words += f"; {_records(answer['waiting'])} behind {'would wait' if dry_run else 'wait'} on, until replayed"
    return words
