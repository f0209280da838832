"""Hops are joined by their causes, and each chain is measured and drawn."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest

from contracts.catalogue import EVENTS
from services.operations.domain.journey import Hop, chains, percentile
from services.operations.domain.wording import duration, what_happened
from services.operations.drawing import WIDTH, waterfall

BEGAN = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def identity(name: str) -> UUID:
    return uuid5(UUID(int=0), name)


def hop(name: str, at: int, caused_by: str | None = None, *, topic: str = "provider.completion", **facts: Any) -> Hop:
    happened_at = BEGAN + timedelta(milliseconds=at)
    return Hop(
        event_id=identity(name),
        event_type="learner_record.entry.updated.v1" if topic == "learner_record.entry" else "other",
        caused_by=identity(caused_by) if caused_by else None,
        happened_at=happened_at,
        topic=topic,
        partition=0,
        offset=at,
        recorded_at=happened_at + timedelta(milliseconds=10),
        seen_at=happened_at + timedelta(milliseconds=20),
        trace_id=facts.pop("trace_id", "a" * 32),
        facts=facts,
    )


def shape(hops: list[Hop]) -> list[list[tuple[int, int]]]:
    """Each chain as the depths and times of its steps."""
    return [
        [(step.depth, round((step.hop.happened_at - BEGAN).total_seconds() * 1000)) for step in chain.steps]
        for chain in chains(hops)
    ]


def test_causes_come_before_what_they_led_to_whatever_the_order_they_are_read_in() -> None:
    hops = [
        hop("entry", 90, "decision"),
        hop("decision", 40, "completion"),
        hop("completion", 0),
        hop("own", 30, "completion"),
    ]

    assert shape(hops) == shape(hops[::-1]) == [[(0, 0), (1, 30), (1, 40), (2, 90)]]


def test_each_cause_of_its_own_begins_a_chain() -> None:
    hops = [hop("completion", 0), hop("enrolment", 50), hop("decision", 60, "enrolment")]

    assert shape(hops) == [[(0, 0)], [(0, 50), (1, 60)]]


def test_what_was_caused_by_something_unseen_begins_a_chain() -> None:
    assert shape([hop("decision", 5, "never seen")]) == [[(0, 5)]]


def test_a_hop_that_names_itself_as_its_cause_is_shown_all_the_same() -> None:
    assert shape([hop("odd", 5, "odd")]) == [[(0, 5)]]


def test_a_chain_is_visible_when_the_last_record_shows_it() -> None:
    (chain,) = chains(
        [
            hop("completion", 0),
            hop("own", 30, "completion", topic="learner_record.entry"),
            hop("entry", 90, "completion", topic="learner_record.entry"),
        ]
    )

    assert chain.visible_after == timedelta(milliseconds=90)
    assert chain.lasts == timedelta(milliseconds=100)


def test_a_chain_without_an_entry_is_not_visible() -> None:
    (chain,) = chains([hop("completion", 0), hop("decision", 40, "completion")])

    assert chain.visible_after is None


def test_a_chain_is_not_visible_while_an_enrolment_waits_for_its_decision() -> None:
    hops = [
        hop("completion", 0),
        hop("waits", 30, "completion", topic="learner_record.entry", state="RECEIVED", enrolment_id="E-1"),
    ]
    (waiting,) = chains(hops)
    assert (waiting.undecided, waiting.visible_after) == (1, None)

    # An agreement that comes later decides it, in a chain of its own.
    late = hop("decided", 90, "agreement", topic="learner_record.entry", state="RECOGNISED", enrolment_id="E-1")
    first, second = chains([*hops, late])
    assert (first.undecided, first.visible_after) == (0, timedelta(milliseconds=30))
    assert second.undecided == 0


def test_an_unbroken_chain_has_one_trace_and_a_broken_one_shows_each() -> None:
    whole = chains([hop("a", 0), hop("b", 1, "a")])[0]
    broken = chains([hop("a", 0), hop("b", 1, "a", trace_id="b" * 32), hop("c", 2, "b", trace_id=None)])[0]

    assert whole.trace_ids == ("a" * 32,)
    assert broken.trace_ids == ("a" * 32, "b" * 32)


def test_every_bar_of_the_picture_lies_in_it_even_where_clocks_disagree() -> None:
    (chain,) = chains([hop("a", 0), hop("b", -500, "a"), hop("c", 900, "b"), hop("d", 900, "c")])
    picture = waterfall(chain)

    bars = [bar for row in picture.rows for bar in (row.work, row.way) if bar is not None]
    assert len(bars) == 7
    assert all(bar.x >= 0 and bar.x + bar.width <= WIDTH + 0.01 and bar.width > 0 for bar in bars)
    assert picture.rows[1].after == "−500 ms"


@pytest.mark.parametrize("milliseconds", [1, 9, 47, 140, 999, 12_345, 7_200_000, 10**9])
def test_the_scale_has_a_few_marks_within_the_picture(milliseconds: int) -> None:
    (chain,) = chains([hop("a", 0), hop("b", milliseconds, "a")])
    ticks = waterfall(chain).ticks

    assert 1 <= len(ticks) <= 7
    assert ticks[0].x == 0
    assert all(tick.x <= WIDTH for tick in ticks)


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_has_a_sentence_of_its_own(event: Any) -> None:
    assert what_happened(hop("a", 0, topic=event.TOPIC)) != "other"


def test_an_event_of_an_unknown_kind_is_named_by_its_type() -> None:
    assert what_happened(hop("a", 0, topic="somebody.else")) == "other"


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"provider": "northbridge", "revision": 1}, "northbridge published the completion (revision 1)"),
        ({"provider": "northbridge", "revision": 2}, "northbridge corrected the completion (revision 2)"),
        (
            {"provider": "northbridge", "revision": 2, "revoked": True},
            "northbridge revoked the completion (revision 2)",
        ),
    ],
)
def test_publishing_correcting_and_revoking_are_told_apart(facts: dict[str, Any], sentence: str) -> None:
    assert what_happened(hop("a", 0, **facts)) == sentence


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 ms"),
        (0.0124, "12 ms"),
        (1.25, "1.25 s"),
        (61, "1 min 1 s"),
        (3_660, "1 h 1 min"),
        (90_000, "1 d 1 h"),
        (-0.5, "−500 ms"),
    ],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [
        ([], 0.5, None),
        ([3.0], 0.99, 3.0),
        ([1.0, 2.0, 3.0, 4.0], 0.5, 2.0),
        ([float(n) for n in range(1, 101)], 0.99, 99.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values: list[float], share: float, expected: float | None) -> None:
    assert percentile(values, share) == expected
