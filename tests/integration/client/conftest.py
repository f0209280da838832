"""The provider service on a real address, for the `concord` command to publish to."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from chassis.database import Pool, open_pool
from deploy.local.issuer import Client
from tests.conftest import Database
from tests.integration.client.ground import MEMBER, SECRET, Service, provider, serving
from tests.tokens import Issuer


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    client = Client.model_validate(
        {"id": "northbridge-system", "secret": SECRET, "member": MEMBER, "roles": ["publisher"]}
    )
    with Issuer(clients=[client]) as issuer:
        yield issuer


@pytest.fixture
async def own_database(database: Callable[[str], Awaitable[Database]]) -> Database:
    return await database("provider")


@pytest.fixture
async def pool(own_database: Database) -> AsyncIterator[Pool]:
    pool = await open_pool(own_database.url)
    yield pool
    pool.terminate()


@pytest.fixture
async def service(pool: Pool, issuer: Issuer) -> AsyncIterator[Service]:
    """The service, with the consortium's scheme ESI."""
    async with serving(provider(pool, issuer)) as url:
        yield Service(url, pool, issuer)
