"""Every address of an application that changes something, sent what is not a form of the visitor's own."""

import re
from collections.abc import Mapping
from uuid import uuid4

import httpx
from fastapi import FastAPI

from chassis.identity import walk

FROM_ELSEWHERE: list[Mapping[str, str]] = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://elsewhere.example"},
    {"Origin": "null"},
]
"""What a browser says of a form that another site made it send."""


def form_token(page: str) -> str:
    """The token in the forms of a page."""
    found = re.search(r'name="form_token" value="(\w{64})"', page)
    assert found is not None, page
    return found[1]


async def guarded_forms(app: FastAPI, url: str, client: httpx.AsyncClient, own: str, others: str) -> set[str]:
    """The addresses that take forms; fails where one takes a form that no page of this session made.

    `client` has a session, whose form token is `own`; `others` is that of another one. What goes by bearer tokens
    answers 401, since no browser sends one by itself.
    """
    forms = set()
    for method, path, _ in walk(app):
        if method in ("GET", "*"):
            continue
        address = url + re.sub(r"\{member\}", "strathmore", path)
        address = re.sub(r"\{[^}]*\}", lambda _: str(uuid4()), address)
        tries: list[tuple[dict[str, str], Mapping[str, str]]] = [({}, {})]
        tries += [({"form_token": token}, {}) for token in ("", "0" * 64, others, f"{own} ", own.upper())]
        tries += [({"form_token": own}, headers) for headers in FROM_ELSEWHERE]
        statuses = set()
        for fields, headers in tries:
            sent = {"entry_id": str(uuid4()), "because": "a trick", **fields}
            answer = await client.request(method, address, data=sent, headers=headers)
            statuses.add(answer.status_code)
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"].startswith("Bearer"), (method, path)
        assert statuses in ({401}, {403}), (method, path, statuses)
        if statuses == {403}:
            forms.add(path)
    return forms
