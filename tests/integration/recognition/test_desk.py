"""`concord agreement …` and `concord award …` against a served recognition service."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from chassis.identity import Role
from deploy.demo.publishing import Doors, publish_document
from deploy.local.issuer import Client
from services.recognition.api import create_api
from tests.integration.client.ground import serving
from tests.integration.recognition.ground import (
    UTC_ZONE,
    Ground,
    agreement,
    award,
    completion,
    enrolment,
    member,
    somebody,
)
from tests.tokens import Issuer

pytestmark = pytest.mark.servers

Concord = Callable[..., Awaitable[tuple[int, str]]]
SECRET = "of-the-tests"  # noqa: S105  # of clients that only the tests' issuer knows


async def run(addresses: dict[str, str], member_id: str, *words: str) -> tuple[int, str]:
    """The command's exit code and what it said, as the registry of a member."""
    asks = {
        "CONCORD_CLIENT_ID": f"{member_id}-system",
        "CONCORD_CLIENT_SECRET": SECRET,
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "client.main", *words),
        env={**os.environ, **addresses, **asks},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    return process.returncode or 0, out.decode() + (error.decode() if process.returncode else "")


@pytest.fixture
async def doors(ground: Ground) -> AsyncIterator[Doors]:
    """The service and an issuer at real addresses."""
    clients = [
        Client(id=f"{one}-system", member=one, secret=SECRET, roles=(Role.REGISTRY,))
        for one in ("northbridge", "strathmore")
    ]
    with Issuer(clients=clients) as issuer:
        app = create_api(ground.pool, ground.clock, issuer.verifier(), zone=UTC_ZONE)
        async with serving(app) as recognition:
            yield Doors("", recognition, "", issuer.url, SECRET)


@pytest.fixture
def concord(doors: Doors) -> Concord:
    """The command as a process, as the registry of a member."""
    return partial(run, {"CONCORD_RECOGNITION_URL": doors.recognition, "CONCORD_ISSUER": doors.issuer})


def written(folder: Path, document: dict[str, Any]) -> str:
    file = folder / "document.json"
    file.write_text(json.dumps(document))
    return str(file)


async def test_an_agreement_from_draft_to_publication(ground: Ground, concord: Concord, tmp_path: Path) -> None:
    await ground.set_up(award())
    file = written(tmp_path, agreement())
    code, said = await concord("northbridge", "agreement", "publish", file)
    assert (code, "Not approved by northbridge and strathmore" in said) == (1, True)
    code, said = await concord("northbridge", "agreement", "approve", file)
    assert (code, "404" in said) == (1, True)
    code, said = await concord("northbridge", "agreement", "draft", file)
    assert (code, "not approved yet by northbridge and strathmore" in said) == (0, True)
    code, said = await concord("northbridge", "agreement", "approve", file)
    assert (code, "not approved yet by strathmore" in said) == (0, True)
    other = written(tmp_path, agreement(title="credit"))
    code, said = await concord("strathmore", "agreement", "approve", other)
    assert (code, "409" in said) == (1, True)
    file = written(tmp_path, agreement())
    code, said = await concord("strathmore", "agreement", "approve", file)
    assert (code, "it can be published" in said) == (0, True)
    code, said = await concord("strathmore", "agreement", "publish", file)
    assert (code, "version 1 published" in said) == (0, True)
    denied = agreement(version=2, denied_courses=[{"course": "northbridge:none", "reason": "It is taught here."}])
    code, said = await concord("northbridge", "agreement", "draft", written(tmp_path, denied))
    assert (code, "/denied_courses/0/course" in said) == (1, True)


async def test_a_backtest_is_told_as_counts_and_reasons(ground: Ground, concord: Concord, tmp_path: Path) -> None:
    await ground.set_up()
    learner = somebody()
    await ground.consume(
        enrolment(learner), completion(learner), completion(learner, "northbridge:law", mark=Decimal(41))
    )
    file = written(tmp_path, agreement(version=2, minimum_mark="50"))
    code, said = await concord("strathmore", "agreement", "backtest", file)
    assert (code, "draft it first" in said) == (1, True)
    assert (await concord("strathmore", "agreement", "draft", file))[0] == 0
    code, said = await concord("strathmore", "agreement", "backtest", file)
    assert code == 0, said
    assert "1 of 2 claims would be decided otherwise; credit gained 0, lost 20" in said
    assert "RECOGNISED 20 → DECLINED 0" in said
    code, said = await concord("strathmore", "agreement", "backtest", file, "--since", "2026-07-01", "--json")
    assert code == 0, said
    assert (json.loads(said)["claims"], json.loads(said)["changes"]) == (0, [])


async def test_the_demo_goes_the_same_way(ground: Ground, doors: Doors) -> None:
    await ground.consume(member("northbridge"), member("strathmore"))
    for document in (award(), agreement(), agreement()):
        await publish_document(document, doors)
    approved = await ground.rows("SELECT kind, member, approved_by FROM approval ORDER BY approved_at, kind, member")
    assert sorted(approved) == [
        ("agreement", "northbridge", "northbridge-system"),
        ("agreement", "strathmore", "strathmore-system"),
        ("award", "strathmore", "strathmore-system"),
    ]
    assert len(await ground.rows("SELECT FROM agreement")) == 1, "a repeat is harmless"
