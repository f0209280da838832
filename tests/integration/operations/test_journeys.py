"""The journey of a completion, from records on topics to what operations answers."""

from uuid import uuid4

import httpx
import pytest

from chassis.batch import Batch
from chassis.database import Pool, transaction
from contracts.learner_record_entry import EntryUpdated
from contracts.recognition_decision import DecisionMade
from services.operations import store
from services.operations.events import GROUP, JourneyDesk
from tests.integration.operations.conftest import TRACE_URL, Operations
from tests.integration.operations.story import TRACE, Logs, Story, after, member, see, stranger
from tests.integration.portal.people import GAVIN, IRIS, NADIA, OWEN, browser, sign_in, token_of

pytestmark = pytest.mark.servers


async def ask(operations: Operations, completion_id: object, person: object = OWEN) -> httpx.Response:
    async with httpx.AsyncClient() as client:
        token = token_of(operations.signer, person)  # type: ignore[arg-type]
        headers = {"Authorization": f"Bearer {token}"}
        return await client.get(f"{operations.url}/journeys/{completion_id}", headers=headers)


async def test_every_hop_of_a_completion_is_there_in_the_order_of_causes(operations: Operations) -> None:
    story = Story()
    await see(operations.pool, story.told(Logs()))

    answer = (await ask(operations, story.completion_id)).json()

    assert (answer["provider"], answer["reference"]) == ("northbridge", "C-1")
    (chain,) = answer["chains"]
    assert [(hop["service"], hop["depth"], hop["topic"], hop["offset"]) for hop in chain["hops"]] == [
        ("provider", 0, "provider.completion", 0),
        ("learner_record", 1, "learner_record.entry", 0),
        ("learner_record", 1, "learner_record.entry", 1),
        ("recognition", 1, "recognition.decision", 0),
        ("learner_record", 2, "learner_record.entry", 2),
    ]
    assert chain["visible_after_seconds"] == 0.12
    assert chain["trace_ids"] == [TRACE]
    last = chain["hops"][-1]
    assert last["what"] == "Visible on the record at glenmore: counts in full"
    assert last["caused_by"] == str(story.decided().event_id)
    assert last["after_seconds"] == 0.06
    assert last["recorded_at"] == after(140).isoformat().replace("+00:00", "Z")


async def test_what_an_enrolment_caused_is_a_chain_of_its_own(operations: Operations) -> None:
    story, logs = Story(), Logs()
    decided = story.decided()
    await see(
        operations.pool,
        [
            logs.put(story.published(), after(20)),
            logs.put(story.enrolment, after(30)),
            logs.put(decided, after(85), story.enrolment.event_id),
            logs.put(story.entry("RECOGNISED", 120), after(140), decided.event_id),
        ],
    )

    chains = (await ask(operations, story.completion_id)).json()["chains"]

    assert [len(chain["hops"]) for chain in chains] == [3, 1]
    assert chains[0]["hops"][0]["what"] == "glenmore recorded enrolment E-7 (revision 1)"


async def test_an_event_that_comes_again_is_ignored(pool: Pool) -> None:
    story, logs = Story(), Logs()
    await see(pool, story.told(logs))
    again = [logs.put(story.published(), after(300)), logs.put(story.published(), after(301))]
    await see(pool, again)

    async with transaction(pool) as connection:
        hops = await store.journey(connection, story.completion_id)
        counts = {count.topic: count for count in await store.topic_counts(connection)}

    assert len(hops) == 5
    assert next(hop for hop in hops if hop.topic == "provider.completion").offset == 0
    assert (counts["provider.completion"].events, counts["provider.completion"].repeats) == (1, 2)


async def test_an_event_that_comes_twice_in_one_batch_is_noted_once(pool: Pool) -> None:
    story, logs = Story(), Logs()
    await see(pool, [logs.put(story.published(), after(20)), logs.put(story.published(), after(21))])
    await see(pool, [logs.put(member("northbridge"), after(1)), logs.put(member("northbridge"), after(2))])

    async with transaction(pool) as connection:
        counts = [(count.events, count.repeats) for count in await store.topic_counts(connection)]

    assert counts == [(1, 1), (1, 1)]


async def test_a_decision_whose_cause_was_not_seen_begins_a_chain(operations: Operations) -> None:
    story, logs = Story(), Logs()
    await see(
        operations.pool,
        [logs.put(story.decided(), after(85), stranger(1)), logs.put(story.published(), after(90))],
    )

    chains = (await ask(operations, story.completion_id)).json()["chains"]

    assert [chain["hops"][0]["topic"] for chain in chains] == ["provider.completion", "recognition.decision"]


async def test_a_later_revision_is_another_chain(operations: Operations) -> None:
    story, logs = Story(), Logs()
    await see(
        operations.pool, [logs.put(story.published(), after(20)), logs.put(story.published(revision=2), after(20))]
    )

    answer = (await ask(operations, story.completion_id)).json()

    assert sorted(chain["hops"][0]["what"] for chain in answer["chains"]) == [
        "northbridge corrected the completion (revision 2)",
        "northbridge published the completion (revision 1)",
    ]


async def test_an_older_revision_that_comes_late_is_part_of_the_journey_all_the_same(operations: Operations) -> None:
    story, logs = Story(), Logs()
    await see(operations.pool, [logs.put(story.published(revision=2), after(20))])
    await see(operations.pool, [logs.put(story.published(revision=1), after(21))])

    assert len((await ask(operations, story.completion_id)).json()["chains"]) == 2


async def test_an_event_of_an_unknown_type_is_set_aside(pool: Pool) -> None:
    story, logs = Story(), Logs()
    odd = logs.put(story.published(), after(20))
    odd.headers = [
        (name, b"provider.completion.published.v9" if name == "ce_type" else value) for name, value in odd.headers
    ]

    assert (await see(pool, [odd])).set_aside == 1


async def test_a_batch_that_failed_half_way_is_noted_whole_when_it_is_tried_again(pool: Pool) -> None:
    story = Story()
    records = story.told(Logs())
    batch = Batch(JourneyDesk(lambda: after(200)), records, after(200), group=GROUP, failures_before=0)

    async def handle_and_lose_it() -> None:
        async with transaction(pool) as connection:
            await batch.handle(connection)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        await handle_and_lose_it()
    assert (await see(pool, records)).dropped == 0

    async with transaction(pool) as connection:
        assert len(await store.journey(connection, story.completion_id)) == 5


async def test_an_unreadable_record_holds_nobody_up(pool: Pool) -> None:
    story, other, logs = Story(), Story("C-2"), Logs()
    broken = logs.put(story.published(), after(20))
    broken.value = b"{"
    handled = await see(pool, [broken, logs.put(other.published(), after(21))])

    async with transaction(pool) as connection:
        hops = await store.journey(connection, other.completion_id)

    assert handled.set_aside == 1
    assert len(hops) == 1


@pytest.mark.parametrize(
    ("person", "status"), [(OWEN, 200), (NADIA, 200), (GAVIN, 403), (IRIS, 403)], ids=lambda value: str(value)[:20]
)
async def test_a_journey_is_for_operations_and_for_its_own_publisher(
    operations: Operations, person: object, status: int
) -> None:
    story = Story()
    await see(operations.pool, story.told(Logs()))

    assert (await ask(operations, story.completion_id, person)).status_code == status


async def test_without_a_token_there_is_no_journey(operations: Operations) -> None:
    async with httpx.AsyncClient() as client:
        response = await client.get(f"{operations.url}/journeys/{uuid4()}")

    assert response.status_code == 401


async def test_a_completion_that_nobody_published_is_not_found(operations: Operations) -> None:
    assert (await ask(operations, uuid4())).status_code == 404


async def test_the_page_shows_the_hops_to_who_signed_in(operations: Operations) -> None:
    story = Story()
    await see(operations.pool, story.told(Logs()))

    async with browser() as client:
        page = await sign_in(client, f"{operations.url}/journeys/{story.completion_id}/page", OWEN)

    assert page.status_code == 200
    assert "On every record after 120 ms" in page.text
    assert "glenmore, enrolment E-7: counts in full" in page.text
    assert TRACE in page.text


@pytest.mark.parametrize(
    ("operations", "sampled", "links"),
    [(TRACE_URL, True, 6), (TRACE_URL, False, 0), ("", True, 0)],
    indirect=["operations"],
)
async def test_the_page_links_to_a_trace_that_a_viewer_has(operations: Operations, sampled: bool, links: int) -> None:
    """Once for the chain, and once for each of its hops."""
    story = Story()
    await see(operations.pool, story.told(Logs(sampled=sampled)))

    async with browser() as client:
        page = await sign_in(client, f"{operations.url}/journeys/{story.completion_id}/page", OWEN)

    assert page.text.count(f'<a href="http://viewer.example/trace/{TRACE}"><code>{TRACE}</code></a>') == links
    assert page.text.count(f"<code>{TRACE}</code>") == 6


async def test_the_console_is_for_operations_alone(operations: Operations) -> None:
    async with browser() as client:
        page = await sign_in(client, operations.url, NADIA)

    assert page.status_code == 403
    assert "This page is for the role operations." in page.text


async def test_the_console_measures_how_soon_credit_is_visible(operations: Operations) -> None:
    story, waiting, logs = Story(), Story("C-9"), Logs()
    await see(operations.pool, [*story.told(logs), logs.put(waiting.published(), after(20))])

    async with browser() as client:
        page = await sign_in(client, operations.url, OWEN)
        found = await client.get(f"{operations.url}/find", params={"member": "northbridge", "completion": "C-1"})

    assert page.status_code == 200
    assert "120 ms" in page.text
    assert "not yet" in page.text
    assert "Counts in full" in page.text
    assert found.headers["location"] == f"/journeys/{story.completion_id}/page"


async def test_what_is_still_being_decided_is_not_called_visible(operations: Operations) -> None:
    story = Story()
    *so_far, _, _ = story.told(Logs())
    await see(operations.pool, so_far)

    async with browser() as client:
        console = await sign_in(client, operations.url, OWEN)
        page = await client.get(f"{operations.url}/journeys/{story.completion_id}/page")

    assert "not yet" in console.text
    assert "Still being decided for 1 enrolment<" in page.text
    assert "On every record" not in page.text


async def test_a_search_that_cannot_be_understood_says_so(operations: Operations) -> None:
    async with browser() as client:
        await sign_in(client, operations.url, OWEN)
        response = await client.get(
            f"{operations.url}/find", params={"completion": "C-1 & more"}, follow_redirects=True
        )

    assert "“C-1 &amp; more” is no completion id" in response.text


def test_the_story_uses_the_events_of_the_contracts() -> None:
    assert store.DECISION_MADE == DecisionMade.TYPE
    assert store.ENTRY_UPDATED == EntryUpdated.TYPE
