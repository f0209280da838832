"""POST /record/preview: the learner's question is passed on under the service's own token, about this learner alone."""

import json
from typing import Any

import httpx
import pytest

from chassis.database import Pool
from services.learner_record.others import RECOGNITION, Others
from tests.conftest import Database
from tests.integration.learner_record.ground import Ground, esi, learner_id

pytestmark = pytest.mark.servers

ANSWER: dict[str, Any] = {"learning_opportunity": {}, "assumed": {}, "would_count": []}
QUESTION: dict[str, Any] = {"learning_opportunity": {"id": "northbridge:stats"}, "mark": "58.5"}


class OwnToken(httpx.Auth):
    """The service's, as the issuer would give it."""

    def auth_flow(self, request: httpx.Request) -> Any:
        request.headers["Authorization"] = "Bearer the service's own"
        yield request


class Recognition:
    """Recognition, as far as it is asked; it keeps what came."""

    def __init__(self, status: int = 200, content: dict[str, Any] | None = None) -> None:
        self.status = status
        self.content = ANSWER if content is None else content
        self.asked: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.status == 0:
            raise httpx.ConnectError("away")
        return httpx.Response(self.status, json=self.content)

    async def ask(
        self, pool: Pool, database: Database, question: dict[str, Any], *, role: str = "learner", learner: Any = None
    ) -> httpx.Response:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        others = Others(client, {RECOGNITION: "http://recognition.test"}, OwnToken())
        ground = Ground(pool, database.url, others=others)
        async with ground.caller("northbridge", role, learner=learner) as caller:
            return await caller.post("/record/preview", json=question)


async def test_the_question_is_passed_on_about_the_learner_of_the_token(pool: Pool, own_database: Database) -> None:
    recognition = Recognition()
    answer = await recognition.ask(pool, own_database, QUESTION, learner=esi("ann"))
    assert (answer.status_code, answer.json()) == (200, ANSWER)
    [request] = recognition.asked
    assert (str(request.url), request.headers["authorization"]) == (
        "http://recognition.test/preview",
        "Bearer the service's own",
    )
    passed = json.loads(request.content)
    assert passed["learner_id"] == str(learner_id("ann"))
    assert (passed["learning_opportunity"]["id"], passed["mark"]) == ("northbridge:stats", "58.5")


async def test_nobody_asks_about_somebody_else(pool: Pool, own_database: Database) -> None:
    recognition = Recognition()
    about = {**QUESTION, "learner_id": str(learner_id("bob"))}
    assert (await recognition.ask(pool, own_database, about, learner=esi("ann"))).status_code == 422
    assert (await recognition.ask(pool, own_database, QUESTION, role="registry")).status_code == 403
    assert (await recognition.ask(pool, own_database, QUESTION)).status_code == 403
    assert (await recognition.ask(pool, own_database, QUESTION, learner=[esi("ann"), esi("bob")])).status_code == 409
    assert recognition.asked == []


@pytest.mark.parametrize(("status", "told"), [(404, 404), (422, 422), (0, 503), (500, 503), (403, 503)])
async def test_a_refusal_is_told_and_what_fails_may_be_tried_again(
    pool: Pool, own_database: Database, status: int, told: int
) -> None:
    recognition = Recognition(status, {"detail": "There is no such learning opportunity."})
    answer = await recognition.ask(pool, own_database, QUESTION, learner=esi("ann"))
    assert answer.status_code == told
    assert ("no such learning opportunity" in answer.json()["detail"]) == (told != 503)
