"""The members' pages and a learner's record, before the real provider and learner record."""

import asyncio
import re
from datetime import timedelta
from decimal import Decimal

import httpx
import pytest

from chassis.database import transaction
from chassis.pages.sessions import Sessions
from contracts.recognition_decision import Ground as Reason
from deploy.local.issuer import claims_of
from tests.eventually import eventually
from tests.integration.learner_record.ground import completion, decision, grant
from tests.integration.portal.conftest import MEMBERS, Consortium
from tests.integration.portal.people import IRIS, browser, sign_in

pytestmark = pytest.mark.servers


def reason(state: str, sentence: str) -> Reason:
    return Reason(
        code="SOME_GROUND",
        state=state,  # type: ignore[arg-type]
        document="northbridge-strathmore",
        version=3,
        clause="/minimum_mark",
        compared={},
        sentence=sentence,
    )


async def record_page(consortium: Consortium, client: httpx.AsyncClient, member: str = "strathmore") -> str:
    page = await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/{member}/", IRIS)
    assert page.status_code == 200
    return " ".join(re.sub(r"<[^>]+>", " ", page.text).split())


async def test_everybody_sees_the_members_and_their_colours(standing: Consortium) -> None:
    async with browser() as client:
        page = await client.get(standing.portal_url)
        colours = await client.get(f"{standing.portal_url}/members.css")

    for member_id, (name, _, face) in MEMBERS.items():
        assert name in page.text
        assert f'href="/{member_id}/"' in page.text
        assert f".badge-{member_id} {{ --badge: {face['primary']};" in colours.text


async def test_a_members_portal_is_in_its_colours(standing: Consortium) -> None:
    async with browser() as client:
        page = await client.get(f"{standing.portal_url}/eastmoor/")
        theme = await client.get(f"{standing.portal_url}/eastmoor/theme.css")

    assert "Eastmoor College" in page.text
    assert "/eastmoor/theme.css" in page.text
    assert "--member: #f6d8ae; --on-member: #000000;" in theme.text


@pytest.mark.parametrize("path", ["/westfield/", "/westfield/theme.css", "/Not-A-Member/", "/favicon.ico", "/a/b/c"])
async def test_where_nothing_is_a_page_says_so(standing: Consortium, path: str) -> None:
    async with browser() as client:
        page = await client.get(f"{standing.portal_url}{path}")

    assert page.status_code == 404
    assert "<h1>Not found</h1>" in page.text


async def test_the_record_says_what_counts_and_why(consortium: Consortium) -> None:
    await consortium.enrol()
    await consortium.receive(
        completion("C-1"),
        completion("C-2", title="Machine Learning"),
        completion("C-3", title="Spreadsheets"),
        completion("C-4", title="Networks"),
        completion("S-1", provider="strathmore", title="Information Law", framework="SCQF", level=11),
    )
    together = grant("C-1", "C-2", amount="30", kind="specific")
    await consortium.receive(
        decision(reference="C-1", grant=together, grade=Decimal("62.5")),
        decision(reference="C-2", grant=together),
        decision(
            reference="C-3",
            state="DECLINED",
            grounds=[reason("DECLINED", "The mark is 38, and at least 50 is needed.")],
        ),
    )

    async with browser() as client:
        text = await record_page(consortium, client)

    assert "PGCert Data" in text
    assert "45 of 60" in text
    assert "Counts here as 30 credits at level 11, in the place of DATA501." in text
    assert "The grade 62.5 goes with it." in text
    assert "Together with Machine Learning." in text
    assert "Spreadsheets Does not count here" in text
    assert "The mark is 38, and at least 50 is needed." in text
    assert "northbridge-strathmore, version 3, /minimum_mark" in text
    assert "Write to the registrar, within 20 days of the decision. Stages: Registrar and Panel." in text
    assert "Networks Received, being decided" in text
    assert "Earned at Strathmore University Information Law Earned" in text


async def test_credit_on_hold_is_shown_apart_from_the_totals(consortium: Consortium) -> None:
    await consortium.enrol()
    await consortium.receive(completion("C-1"))
    held = grant("C-1", amount="10", frozen=True)
    await consortium.receive(
        decision(reference="C-1", state="REFERRED", grant=held, grounds=[reason("REFERRED", "Revoked.")])
    )

    async with browser() as client:
        text = await record_page(consortium, client)

    assert "0 of 60 credits count towards it" in text
    assert "10 on hold" in text
    assert "On hold 10 credits at level 11" in text


async def test_a_learner_of_whom_nothing_is_known_is_told_so_kindly(standing: Consortium) -> None:
    async with browser() as client:
        text = await record_page(standing, client, "eastmoor")

    assert "Nothing stands here yet" in text


async def test_a_learner_who_is_enrolled_nowhere_finds_all_that_was_earned_on_any_members_page(
    consortium: Consortium,
) -> None:
    here = completion("S-1", provider="strathmore", title="Information Law", framework="SCQF", level=11)
    await consortium.receive(completion("C-1", title="Data Ethics"), here)

    async with browser() as client:
        at_provider, nowhere = await record_page(consortium, client), await record_page(consortium, client, "eastmoor")
        await consortium.enrol()
        enrolled = await record_page(consortium, client)

    for text in (at_provider, nowhere):
        assert "You are not enrolled for an award at any member, so nothing waits to be decided." in text
        assert "Nothing stands here yet" not in text
    assert "Earned at Strathmore University Information Law Earned" in at_provider
    assert "Earned at other members Data Ethics Earned Northbridge University" in at_provider
    for title in ("Information Law", "Data Ethics"):
        assert title in nowhere.partition("Earned at other members")[2]
    assert "You are not enrolled" not in enrolled
    assert "Earned at other members" not in enrolled


async def test_what_a_member_wrote_is_text_and_never_markup(consortium: Consortium) -> None:
    await consortium.receive(completion("C-1", title="<script>alert(1)</script>"))

    async with browser() as client:
        page = await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/northbridge/", IRIS)

    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


async def test_when_the_record_is_away_a_page_says_so_in_plain_words(consortium: Consortium) -> None:
    async with browser() as client:
        await record_page(consortium, client)
        await consortium.stops["learner_record"]()
        page = await client.get(f"{consortium.portal_url}/strathmore/")

    assert page.status_code == 503
    assert page.headers["retry-after"]
    assert "Your record cannot be shown at the moment." in page.text
    assert "Nothing is lost." in page.text


async def test_members_faces_outlast_the_provider(consortium: Consortium) -> None:
    async with browser() as client:
        await client.get(consortium.portal_url)
        await consortium.stops["provider"]()
        page = await client.get(f"{consortium.portal_url}/strathmore/")

    assert "Strathmore University" in page.text


async def test_every_answer_to_a_browser_is_a_safe_one(standing: Consortium) -> None:
    async with browser() as client:
        answers = [
            await client.get(f"{standing.portal_url}{path}")
            for path in ("/", "/strathmore/", "/strathmore/theme.css", "/static/concord.css", "/nothing/here")
        ]

    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "script-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answers[0].headers["cache-control"] == "no-store"


async def test_the_fragment_is_for_who_signed_in(standing: Consortium) -> None:
    async with httpx.AsyncClient() as stranger:
        response = await stranger.get(f"{standing.portal_url}/strathmore/record/fragment")

    assert response.status_code == 401


async def test_the_stream_tells_a_browser_without_a_session_to_give_up(standing: Consortium) -> None:
    async with httpx.AsyncClient() as stranger:
        response = await stranger.get(f"{standing.portal_url}/strathmore/record/stream")

    assert response.status_code == 204


async def test_the_stream_passes_on_versions_as_they_come(consortium: Consortium) -> None:
    async with browser() as client:
        await record_page(consortium, client)
        async with client.stream("GET", f"{consortium.portal_url}/strathmore/record/stream") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            heard: list[str] = []
            listening = asyncio.create_task(_listen(response, heard))
            await eventually(lambda: "id: 0" in heard)
            await consortium.receive(completion("C-1"))
            await eventually(lambda: "id: 1" in heard)
            listening.cancel()

    assert heard.index("event: live") < heard.index("id: 0") < heard.index("id: 1")


async def test_the_stream_goes_on_from_the_version_that_is_shown(consortium: Consortium) -> None:
    await consortium.receive(completion("C-1"))
    async with browser() as client:
        await record_page(consortium, client)
        headers = {"Last-Event-ID": "1"}
        async with client.stream(
            "GET", f"{consortium.portal_url}/strathmore/record/stream", headers=headers
        ) as response:
            heard: list[str] = []
            listening = asyncio.create_task(_listen(response, heard))
            await eventually(lambda: "event: live" in heard)
            await consortium.receive(completion("C-2"))
            await eventually(lambda: "id: 2" in heard)
            listening.cancel()

    assert "id: 1" not in heard


async def test_the_stream_ends_where_the_record_is_away_so_that_browsers_come_again(consortium: Consortium) -> None:
    async with browser() as client:
        await record_page(consortium, client)
        await consortium.stops["learner_record"]()
        response = await client.get(f"{consortium.portal_url}/strathmore/record/stream")

    assert response.status_code == 200
    assert response.text.startswith("retry: ")
    assert "event: live" not in response.text


async def test_the_stream_ends_when_the_portal_is_about_to_end(consortium: Consortium) -> None:
    async with browser() as client:
        await record_page(consortium, client)
        async with client.stream("GET", f"{consortium.portal_url}/strathmore/record/stream") as response:
            heard: list[str] = []
            listening = asyncio.create_task(_listen(response, heard))
            await eventually(lambda: "event: live" in heard)
            consortium.ending.set()
            await asyncio.wait_for(listening, 60)


async def test_the_stream_ends_with_the_session(standing: Consortium) -> None:
    async with transaction(standing.portal_pool) as connection:
        now = await connection.fetchval("SELECT now()")
    token = standing.signer.sign(claims_of(IRIS))
    ends_at = now + timedelta(seconds=10)
    session = await Sessions(standing.portal_pool).open(token, "Iris Quill", now=now, expires_at=ends_at)
    async with browser() as client:
        response = await client.get(
            f"{standing.portal_url}/strathmore/record/stream",
            headers={"Cookie": f"concord_portal_session={session.id}"},
        )
        again = await client.get(
            f"{standing.portal_url}/strathmore/record/stream",
            headers={"Cookie": f"concord_portal_session={session.id}"},
        )

    assert "event: live" in response.text
    assert again.status_code == 204


async def test_every_route_says_who_may_ask_it(standing: Consortium) -> None:
    assert standing.routes
    assert all(asked is not None for asked in standing.routes.values())
    assert {path for path, asked in standing.routes.items() if asked != "public"} == {
        "/{member}/record/fragment",
        "/{member}/record/download/{form}",
        "/{member}/choices/{enrolment_id}",
    }


async def _listen(response: httpx.Response, heard: list[str]) -> None:
    async for line in response.aiter_lines():
        heard.append(line)  # noqa: PERF401 - somebody else watches the list grow
