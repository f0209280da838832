"""The whole system, once for all tests of this folder."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deploy.local.system import System
from tests.otlp import Receiver, receiving
from tests.servers import Run
from tests.whole import Whole


@pytest.fixture(scope="session")
def traces() -> Iterator[Receiver]:
    """What the system's processes export."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="session")
async def whole(servers: Run, traces: Receiver) -> AsyncIterator[Whole]:
    """The demo's consortium on every process of docker-compose.yml, exporting its traces to `traces`."""
    folder: Path = servers.folder / "whole"
    values = {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.endpoint, "SYNTHETIC_EVERY": "0"}
    system = System(folder, values=values, ends_with_this_process=True)
    system.start()
    try:
        whole = Whole(system)
        await whole.found()
        yield whole
    finally:
        system.delete()
