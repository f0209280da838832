"""The record as a file, through the learner's session at the portal, before the real learner record."""

import io

import pytest

from client.formats import elmo
from client.formats.reading import Notes
from tests.elmo import must_be_valid
from tests.integration.learner_record.ground import completion
from tests.integration.portal.conftest import Consortium
from tests.integration.portal.people import IRIS, OWEN, browser, sign_in

pytestmark = pytest.mark.servers


async def test_the_page_leads_to_the_record_in_each_form(consortium: Consortium) -> None:
    await consortium.receive(completion(learning_outcomes=["Weighs interests."]))
    async with browser() as client:
        page = await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/strathmore/", IRIS)
        files = {}
        for form, ending in (("json", "json"), ("csv", "csv"), ("elmo", "xml")):
            path = f"/strathmore/record/download/{form}"
            assert f'href="{path}"' in page.text
            files[form] = await client.get(f"{consortium.portal_url}{path}")
            assert files[form].status_code == 200
            assert files[form].headers["Content-Disposition"] == f'attachment; filename="concord-record.{ending}"'
            assert files[form].headers["Cache-Control"] == "no-store"

    (published,) = files["json"].json()["completions"]
    must_be_valid(files["elmo"].content)
    assert [row[1] for row in elmo.rows(io.BytesIO(files["elmo"].content), Notes()) if isinstance(row, tuple)] == [
        published
    ]
    assert published["learning_outcomes"] == ["Weighs interests."]
    assert files["csv"].content.count(b"\r\n") == 2


async def test_a_form_that_there_is_not_says_so_and_strangers_sign_in_first(standing: Consortium) -> None:
    async with browser() as client:
        stranger = await client.get(f"{standing.portal_url}/strathmore/record/download/elmo")
        assert stranger.status_code == 303
        assert stranger.headers["Location"] == "/sign-in?return_to=%2Fstrathmore%2Frecord%2Fdownload%2Felmo"
        await sign_in(client, f"{standing.portal_url}/sign-in?return_to=/strathmore/", IRIS)
        none = await client.get(f"{standing.portal_url}/strathmore/record/download/pdf")
        assert (none.status_code, "<h1>Not found</h1>" in none.text) == (404, True)
    async with browser() as client:
        await sign_in(client, f"{standing.portal_url}/sign-in?return_to=/strathmore/", OWEN)
        staff = await client.get(f"{standing.portal_url}/strathmore/record/download/elmo")
        assert staff.status_code == 403


async def test_while_the_record_is_away_a_page_says_so_and_no_file_comes(consortium: Consortium) -> None:
    async with browser() as client:
        await sign_in(client, f"{consortium.portal_url}/sign-in?return_to=/strathmore/", IRIS)
        await consortium.stops["learner_record"]()
        answer = await client.get(f"{consortium.portal_url}/strathmore/record/download/elmo")
    assert answer.status_code == 503
    assert "Content-Disposition" not in answer.headers
    assert "Your record cannot be fetched at the moment." in answer.text
