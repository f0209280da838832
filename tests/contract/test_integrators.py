"""docs/integrators.md has every request that a service serves, with its roles, and no other."""

import re
from pathlib import Path

from tests.apis import applications

PAGE = (Path(__file__).parents[2] / "docs" / "integrators.md").read_text(encoding="utf-8")
REQUEST = re.compile(r"`(GET|PUT|POST|DELETE|PATCH) (/[^`]*)`")
ROW = re.compile(r"^\|[^|]*\| `(\w+) (/[^`]*)` \|(.*)\|[^|]*\|$", re.MULTILINE)
ROLES = {"publisher", "registry", "officer", "operations", "consortium", "learner", "service"}


async def test_every_request_that_is_served_stands_on_the_page_and_no_other() -> None:
    served = {
        (method.upper(), path)
        for app in (await applications()).values()
        for path, item in app.openapi()["paths"].items()
        for method in item
    }
    assert len(served) > 60
    assert set(REQUEST.findall(PAGE)) == served


async def test_each_stands_there_with_the_roles_of_which_it_needs_one() -> None:
    served: dict[tuple[str, str], set[str]] = {}
    for app in (await applications()).values():
        for path, item in app.openapi()["paths"].items():
            for method, operation in item.items():
                roles = operation.get("x-roles")
                served[method.upper(), path] = {"–"} if roles is None else set(roles) or {"any"}
    stated = {
        (method, path): {word for word in re.findall(r"\w+|–", cells.split("|")[-1]) if word in ROLES | {"any", "–"}}
        for method, path, cells in ROW.findall(PAGE)
    }
    assert len(stated) > 60
    assert stated == {request: roles for request, roles in served.items() if request in stated}


async def test_the_limits_of_the_page_are_those_of_the_code() -> None:
    from chassis.bodies import LIMIT
    from chassis.bulk import MOST_BYTES, MOST_LINES
    from chassis.settings import Settings

    fields = Settings.model_fields
    for words in (
        f"at most {LIMIT // 1024} KiB",
        f"{MOST_LINES:,} lines and {MOST_BYTES // 2**20} MiB",
        f"{fields['rate_burst'].default:,} requests at once and {fields['rate_limit'].default:g} a second",
    ):
        assert words in PAGE
