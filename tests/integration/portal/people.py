"""An issuer with a few people, and a browser's way through its sign-in, for tests of pages."""

import asyncio
import gc
import re
import warnings
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
from starlette.types import ASGIApp

from chassis.identity import Role
from deploy.local.issuer import Client, Person, Signer, claims_of, create_issuer
from deploy.local.ports import free_port

IRIS = Person(
    id="iris",
    name="Iris Quill",
    roles=(Role.LEARNER,),
    schac_personal_unique_code="urn:schac:personalUniqueCode:int:esi:northbridge.example:ann",
)
OWEN = Person(id="owen", name="Owen Reed", roles=(Role.OPERATIONS,))
NADIA = Person(id="nadia", name="Nadia Finch", member="northbridge", roles=(Role.PUBLISHER,))
GAVIN = Person(id="gavin", name="Gavin Moss", member="glenmore", roles=(Role.PUBLISHER,))
PEOPLE: Sequence[Person] = (IRIS, OWEN, NADIA, GAVIN)
SECRET = "of-a-test"  # noqa: S105  # of an issuer that lives as long as its test


@pytest.fixture(autouse=True)
def swept() -> Iterator[None]:
    """Find here, and not in a later test, what a server that is ended by force leaves of its clients to Python."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@asynccontextmanager
async def serving(app: ASGIApp, port: int) -> AsyncIterator[str]:
    """Serve an application on a port of this machine; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off"))
    # Without its signal handlers: those are the test run's.
    task = asyncio.create_task(server._serve())
    try:
        while not server.started:
            if task.done():
                task.result()
            await asyncio.sleep(0.01)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        server.force_exit = True
        await task


@asynccontextmanager
async def issuer_for(client_id: str, public_url: str) -> AsyncIterator[Signer]:
    """An issuer that lets people sign in to one service, on a port of its own; its address is the signer's `issuer`."""
    port = free_port()
    signer = Signer(f"http://127.0.0.1:{port}")
    client = Client(
        id=client_id,
        secret=SECRET,
        redirect_uris=(f"{public_url}/sign-in/callback",),
        post_logout_redirect_uris=(f"{public_url}/",),
        roles=(Role.CONSORTIUM,),
    )
    async with serving(create_issuer(signer, PEOPLE, [client]), port):
        yield signer


def system_token(signer: Signer, member: str | None, role: Role) -> dict[str, str]:
    """The headers with which a system calls: a member's, or the consortium's."""
    token = signer.sign({"sub": f"system of {member}", "member": member, "roles": [role.value]})
    return {"Authorization": f"Bearer {token}"}


def token_of(signer: Signer, person: Person) -> str:
    """The access token that a person would get."""
    return signer.sign(claims_of(person))


def browser() -> httpx.AsyncClient:
    """A browser without a screen: it asks for pages, keeps cookies, and follows no redirect by itself."""
    return httpx.AsyncClient(headers={"Accept": "text/html"}, timeout=60)


async def sign_in(client: httpx.AsyncClient, address: str, person: Person) -> httpx.Response:
    """Open an address, sign in as a person where it asks for that, and give the page that comes in the end."""
    response = await client.get(address)
    for _ in range(10):
        if response.is_redirect and response.next_request is not None:
            response = await client.send(response.next_request)
        elif (choice := re.search(rf'href="([^"]*/authorize/as/{person.id}\?[^"]*)"', response.text)) is not None:
            response = await client.get(str(response.url.join(choice[1].replace("&amp;", "&"))))
        else:
            return response
    raise AssertionError("the sign-in goes round in circles")
