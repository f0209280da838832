"""Who may what: the member comes from the token, and a role is needed (ADR 15)."""

import httpx

from chassis.identity import Role, walk
from tests.integration.provider.ground import Ground, completion, member, opportunity

ETHICS = "/learning-opportunities/northbridge:data-ethics"
EVERYBODY = ["publisher", "registry", "officer", "operations", "consortium", "learner"]


async def call(client: httpx.AsyncClient, method: str, path: str) -> int:
    if method == "POST":
        answer = await client.post(path, content=b"", headers={"Content-Type": "application/x-ndjson"})
        return answer.status_code
    if method == "PUT":
        body = member() if path.startswith("/members") else opportunity() if path == ETHICS else completion()
        return (await client.put(path, json=body, headers={"If-None-Match": "*"})).status_code
    return (await client.get(path)).status_code


NEEDED = [
    ("PUT", "/members/eastgate", "consortium"),
    ("PUT", ETHICS, "publisher"),
    ("PUT", "/completions/C-1", "publisher"),
    ("POST", "/completions:bulk", "publisher"),
    ("GET", "/completions", "publisher"),
    ("GET", "/completions/C-1", "publisher"),
]
ANY = [("GET", "/members"), ("GET", "/members/northbridge"), ("GET", ETHICS), ("GET", "/learning-opportunities")]


async def test_a_role_is_needed(ground: Ground, members: None) -> None:
    for method, path, role in NEEDED:
        for other in EVERYBODY:
            async with ground.caller("northbridge", other) as client:
                status = await call(client, method, path)
                assert (status == 403) is (other != role), (method, path, other, status)
        async with ground.caller("northbridge") as nobody:
            assert await call(nobody, method, path) == 403


async def test_a_token_is_needed(ground: Ground, members: None) -> None:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=ground.app), base_url="http://provider.test"
    ) as stranger:
        for method, path in [(method, path) for method, path, _ in NEEDED] + ANY:
            assert await call(stranger, method, path) == 401, (method, path)


async def test_any_token_reads_members_and_the_catalogue(
    ground: Ground, members: None, northbridge: httpx.AsyncClient
) -> None:
    await northbridge.put(ETHICS, json=opportunity())
    async with ground.caller(None, "learner") as learner:
        for method, path in ANY:
            assert await call(learner, method, path) == 200


async def test_a_publisher_without_a_member_publishes_nothing(ground: Ground, members: None) -> None:
    async with ground.caller(None, "publisher") as client:
        for method, path, role in NEEDED:
            if role == "publisher":
                assert await call(client, method, path) == 403, (method, path)


async def test_another_member_reads_nothing_of_ones_completions(
    northbridge: httpx.AsyncClient, westfield: httpx.AsyncClient
) -> None:
    await northbridge.put("/completions/C-1", json=completion())
    assert (await westfield.get("/completions/C-1")).status_code == 404
    assert (await westfield.get("/completions")).json()["items"] == []


def test_every_route_says_who_may_call_it(ground: Ground) -> None:
    access = {(method, path): asked for method, path, asked in walk(ground.app)}
    assert all(asked is not None for asked in access.values())
    public = {path for (_, path), asked in access.items() if asked == "public"}
    assert public == {
        "/health/live",
        "/health/ready",
        "/openapi.json",
        "/asyncapi.json",
        "/docs",
        "/docs/events",
        "/docs/style.css",
        "/members/{member_id}/face",
        "/faces",
    }
    assert access["PUT", "/members/{member_id}"] == {Role.CONSORTIUM}


async def test_the_interface_describes_itself(northbridge: httpx.AsyncClient) -> None:
    document = (await northbridge.get("/openapi.json")).json()
    put = document["paths"]["/completions/{reference}"]["put"]
    assert {"200", "201", "401", "403", "409", "413", "422"} <= set(put["responses"])
    assert "CompletionDocument" in document["components"]["schemas"]
