"""A site whose people sign in at an issuer that is set up otherwise than the local one."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends

from chassis.clock import system_clock
from chassis.database import Pool, open_pool
from chassis.http import create_app
from chassis.identity import Verifier, public
from chassis.pages.issuer import Issuer
from chassis.pages.sessions import Sessions
from chassis.pages.site import Site, Visitor, anybody
from chassis.settings import Settings
from deploy.local.ports import free_port
from services.portal.pages import templates
from tests.conftest import Database
from tests.integration.issuer.foreign import Foreign
from tests.integration.portal.people import browser, serving

Begin = Callable[..., Awaitable["Place"]]


class Place:
    """A site, and the issuer at which people sign in to it."""

    def __init__(self, url: str, issuer: Foreign, settings: Settings, pool: Pool) -> None:
        self.url = url
        self.issuer = issuer
        self.settings = settings
        self.pool = pool

    async def sign_in(self, to: httpx.AsyncClient | None = None) -> httpx.Response:
        """Go to the issuer and come back; gives what the site answers in the end."""
        async with browser() as own:
            client = to or own
            response = await client.get(f"{self.url}/sign-in")
            while response.is_redirect:
                response = await client.get(str(response.next_request.url))  # type: ignore[union-attr]
            return response


@pytest.fixture
async def begin(database: Callable[[str], Awaitable[Database]]) -> AsyncIterator[Begin]:
    """Start an issuer and a site whose people sign in there."""
    own = await database("portal")
    async with AsyncExitStack() as stack:
        pool = await open_pool(own.url)
        stack.callback(pool.terminate)

        async def start(
            path: str = "", *, given: str = "", settings: dict[str, Any] | None = None, **differs: Any
        ) -> Place:
            port, site_port = free_port(), free_port()
            issuer = Foreign(f"http://127.0.0.1:{port}{path}", **differs)
            url = f"http://127.0.0.1:{site_port}"
            told = Settings(
                **{
                    "service_database_url": own.url,
                    "oidc_issuer": given.format(issuer.base) or issuer.address,
                    "oidc_client_id": issuer.client_id,
                    "oidc_client_secret": issuer.secret or "",
                    "public_url": url,
                    **(settings or {}),
                }
            )
            client = await stack.enter_async_context(httpx.AsyncClient())
            verifier = Verifier.of(told, client)
            app = create_app("Pages", "1", verifier=verifier)

            @app.get("/")
            @public
            async def who(visitor: Annotated[Visitor | None, Depends(anybody)]) -> dict[str, Any]:
                if visitor is None:
                    return {}
                there = visitor.principal
                return {
                    "name": visitor.session.name,
                    "subject": there.subject,
                    "member": there.member,
                    "roles": sorted(there.roles),
                    "learner": list(there.learner_identifiers),
                }

            Site(
                name="pages",
                public_url=told.public_url,
                sessions=Sessions(pool),
                issuer=Issuer.of(told, verifier, client),
                verifier=verifier,
                templates=templates(),
                clock=system_clock,
                sign_in_limit=told.sign_in_limit,
            ).put_on(app)
            await stack.enter_async_context(serving(issuer.app(), port))
            await stack.enter_async_context(serving(app, site_port))
            return Place(url, issuer, told, pool)

        yield start
