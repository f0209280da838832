"""A record to take along: whole as JSON, a table for spreadsheets, and ELMO that reads back to what was published."""

import csv
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import httpx
import orjson
import pytest

from chassis.database import Pool, open_pool
from client.formats import elmo
from client.formats.reading import Notes
from contracts.elmo import EMREX
from contracts.provider_completion import CompletionPublished
from contracts.recognition_decision import Ground as Reason
from services.learner_record.views import RecordDownload
from services.provider.documents import CompletionLine
from tests.conftest import Database
from tests.elmo import must_be_valid
from tests.integration.learner_record.ground import (
    REASON,
    ULN,
    Ground,
    award,
    completion,
    decision,
    esi,
    grant,
    member,
    opportunity,
)
from tests.integration.provider import ground as of_provider

pytestmark = pytest.mark.servers

NS = {"e": EMREX}
EVERYTHING: dict[str, Any] = {
    "reference": "Ethics 2/7", "revision": 4, "issued_on": "2026-07-15", "workload_hours": "150.5",
    "title": "Data\tEthics\n& <Law>", "awarding_body": "Northbridge\x0bUniversity", "assessment_type": "Essay",
    "learning_outcomes": ["Weighs interests.", " Sees\r\nharm. "], "participation_form": "Online",
    "quality_assurance": "Institutional review 2025", "revoked": True, "revocation_reason": "It was another's.",
    "used_for": {"awarding_member": "westfield", "title": "BSc", "framework": "EQF", "level": 6, "ladder": "Data"},
}  # fmt: skip
TO_THE_OPPORTUNITY: dict[str, Any] = {"reference": "C-2", "result": "compensated", "mark": ..., "mark_scale": ...}


@dataclass
class Publishing:
    """Northbridge's system at the provider service, and what that has sent."""

    client: httpx.AsyncClient
    pool: Pool

    async def publish(self, *rows: dict[str, Any]) -> list[int]:
        """Publish completions; gives the status of each."""
        answer = await self.client.post(
            "/completions:bulk",
            content=b"\n".join(orjson.dumps(row) for row in rows),
            headers={"Content-Type": "application/x-ndjson"},
        )
        return [orjson.loads(line)["status"] for line in answer.content.splitlines()]

    async def events(self) -> list[CompletionPublished]:
        """The events of completions, as they leave."""
        async with self.pool.acquire() as connection:
            sent = await connection.fetch("SELECT payload FROM outbox WHERE topic = 'provider.completion' ORDER BY id")
        return [CompletionPublished.model_validate_json(row["payload"]) for row in sent]


@pytest.fixture
async def northbridge_publishes(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Publishing]:
    """Northbridge is a member, and its learning opportunity is known."""
    pool = await open_pool((await database("provider")).url)
    of = of_provider.Ground(pool)
    async with of.caller(None, "consortium") as registry, of.caller("northbridge", "publisher") as client:
        answers = (
            await registry.put("/members/northbridge", json=of_provider.member(), headers={"If-None-Match": "*"}),
            await client.put("/learning-opportunities/northbridge:data-ethics", json=of_provider.opportunity()),
        )
        assert [answer.status_code for answer in answers] == [201, 201]
        yield Publishing(client, pool)
    pool.terminate()


async def download(ground: Ground, form: str, learner: Any = None) -> httpx.Response:
    async with ground.caller(None, "learner", learner=learner or esi("Ann")) as client:
        answer = await client.get(f"/record/download/{form}")
    assert answer.status_code == 200, answer.text
    return answer


def read(content: bytes) -> list[dict[str, Any]]:
    rows = list(elmo.rows(io.BytesIO(content), Notes()))
    assert all(isinstance(row, tuple) for row in rows), rows
    return [row[1] for row in rows if isinstance(row, tuple)]


async def test_what_was_published_goes_along_as_elmo_and_is_known_when_it_is_published_again(
    ground: Ground, northbridge_publishes: Publishing
) -> None:
    rows = [of_provider.completion(**EVERYTHING), of_provider.completion(**TO_THE_OPPORTUNITY)]
    assert await northbridge_publishes.publish(*rows) == [201, 201]
    await ground.receive(*await northbridge_publishes.events())

    answer = await download(ground, "elmo")
    must_be_valid(answer.content)
    left, stated = read(answer.content)

    # The identifier comes in its canonical form, and what was left to the learning opportunity as it was accepted.
    canonical = {"scheme": "ESI", "identifier": esi("ann").lower(), "reference": "S-1"}
    offered = of_provider.opportunity()
    filled_in = {
        name: offered[name]
        for name in (
            "title", "awarding_body", "workload_hours", "learning_outcomes", "assessment_type", "participation_form",
            "quality_assurance",
        )
    }  # fmt: skip
    assert CompletionLine.model_validate(stated) == CompletionLine.model_validate(rows[0] | {"learner": canonical})
    assert CompletionLine.model_validate(left) == CompletionLine.model_validate(
        rows[1] | {"learner": canonical} | filled_in
    )
    # So the first is known to the letter, and the second states more than it did; it can be published as a revision.
    assert await northbridge_publishes.publish(stated, left) == [200, 409]
    assert await northbridge_publishes.publish(left | {"revision": 2}) == [201]


async def test_a_report_for_each_provider_names_the_member(ground: Ground) -> None:
    await ground.receive(
        member("northbridge", ukprn="10001234"),
        opportunity(),
        completion(title=None),
        completion("W-1", provider="westfield", title="Law", framework="EQF", level=6, mark=None),
    )
    root = must_be_valid((await download(ground, "elmo", esi("ann"))).content)
    issuers = [
        ([one.text for one in issuer.iterfind("e:identifier", NS)], issuer.findtext("e:title", namespaces=NS))
        for issuer in root.iterfind("e:report/e:issuer", NS)
    ]
    assert issuers == [(["northbridge", "10001234"], "Northbridge University"), (["westfield"], "westfield")]
    titles = [one.text for one in root.iterfind(".//e:learningOpportunitySpecification/e:title", NS)]
    assert titles == ["Data Ethics as offered", "Law"]
    assert root.findtext("e:learner/e:identifier", namespaces=NS) == esi("ann").lower()


async def test_a_record_with_nothing_on_it_is_a_file_too(ground: Ground) -> None:
    assert read((await download(ground, "elmo", esi("nobody"))).content) == []
    must_be_valid((await download(ground, "elmo", esi("nobody"))).content)
    assert len((await download(ground, "csv", esi("nobody"))).content.splitlines()) == 1
    assert RecordDownload.model_validate_json((await download(ground, "json", esi("nobody"))).content).completions == []


async def test_json_is_all_that_is_shown_and_every_completion_as_it_was_published(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    await ground.receive(completion(learning_outcomes=["Weighs interests."]), decision(1, grant=grant("C-1")))
    answer = await download(ground, "json", esi("ann"))
    async with ground.caller(None, "learner", learner=esi("ann")) as client:
        shown = (await client.get("/record")).json()
    assert answer.json()["record"] == shown
    (published,) = answer.json()["completions"]
    assert published["learning_outcomes"] == ["Weighs interests."]
    assert CompletionLine.model_validate(published).reference == "C-1"
    RecordDownload.model_validate_json(answer.content)


async def test_the_table_has_a_row_for_each_completion_and_enrolment(ground: Ground) -> None:
    await ground.enrol("strathmore", "E-1")
    await ground.receive(
        member("northbridge"),
        member("strathmore"),
        award(),
        completion(),
        completion("C-2", title="Maths", completed_on=date(2026, 7, 1)),
        decision(1, grant=grant("C-1", amount="7.5", kind="specific")),
        decision(1, "DECLINED", reference="C-2"),
    )
    content = (await download(ground, "csv", esi("ann"))).content
    assert content.startswith(b"\xef\xbb\xbfprovider,")
    assert content.count(b"\r\n") == 5
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [(row["reference"], row["at_member"], row["enrolment"], row["state"]) for row in rows] == [
        ("C-1", "northbridge", "", "EARNED"),
        ("C-2", "northbridge", "", "EARNED"),
        ("C-1", "strathmore", "E-1", "RECOGNISED"),
        ("C-2", "strathmore", "E-1", "DECLINED"),
    ]
    recognised, declined = rows[2:]
    assert [recognised[name] for name in ("credits", "level", "mark", "credits_here", "slots", "counts")] == [
        "15", "7", "62", "7.5", "DATA501", "yes",
    ]  # fmt: skip
    assert [declined[name] for name in ("award_title", "reasons", "agreement_version")] == [
        "PGCert Data", REASON.sentence, "3",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1+1", "\r=1+1", "＝1+1"])
async def test_no_text_becomes_a_formula(ground: Ground, text: str) -> None:
    reason = Reason(**{**dict(REASON), "sentence": text})
    await ground.enrol("strathmore", "E-1")
    await ground.receive(
        completion(title=text, revocation_reason=text, mark=Decimal(-3)), decision(1, "DECLINED", grounds=[reason])
    )
    rows = list(
        csv.DictReader(io.StringIO((await download(ground, "csv", esi("ann"))).content.decode("utf-8-sig"), newline=""))
    )
    cells = [row[name] for row in rows for name in ("title", "revocation_reason", "reasons") if row[name]]
    assert cells == [f"'{text}"] * 5
    assert {row["mark"] for row in rows} == {"-3"}  # a number is one


@pytest.mark.parametrize(("form", "kind", "ending"), [
    ("json", "application/json", "json"), ("csv", "text/csv", "csv"), ("elmo", "application/xml", "xml"),
])  # fmt: skip
async def test_a_files_name_says_nothing_of_the_learner(ground: Ground, form: str, kind: str, ending: str) -> None:
    answer = await download(ground, form)
    assert answer.headers["Content-Type"].startswith(kind)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="concord-record.{ending}"'
    assert answer.headers["Cache-Control"] == "no-store"


async def test_whoever_takes_their_own_record_along_is_not_noted_and_others_cannot(ground: Ground) -> None:
    await ground.receive(completion())
    for form in ("json", "csv", "elmo"):
        await download(ground, form)
        async with ground.caller("northbridge", "publisher", "registry", "officer") as somebody:
            assert (await somebody.get(f"/record/download/{form}")).status_code == 403
        async with ground.caller(None, "learner") as stranger:
            assert (await stranger.get(f"/record/download/{form}")).status_code == 403
        async with ground.caller(None, "learner", learner=[esi("ann"), esi("ben")]) as two:
            assert (await two.get(f"/record/download/{form}")).status_code == 409
    assert await ground.count("record_access") == 0


async def test_where_the_consortium_knows_learners_by_uln_elmo_says_so(ground: Ground) -> None:
    by_uln = Ground(ground.pool, ground.database_url, scheme="ULN")
    root = must_be_valid((await download(by_uln, "elmo", ULN)).content)
    identifier = root.find("e:learner/e:identifier", NS)
    assert identifier is not None
    assert (identifier.get("type"), identifier.text) == ("uln", ULN)
