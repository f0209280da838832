"""The console of operations: how everything goes, and the journey of each completion as a picture."""

from typing import Annotated, Final
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.responses import RedirectResponse, Response

from chassis.clock import Clock
from chassis.database import Pool
from chassis.identity import Role
from chassis.pages.site import Visitor, signed_in
from chassis.pages.templating import Templates
from contracts.ids import completion_id as id_of_completion
from services.operations.application import read_journey, read_overview
from services.operations.domain.aside import cause_in_words
from services.operations.domain.wording import duration, state_in_words
from services.operations.drawing import waterfall

SHOWN: Final = 25
"""Publications listed on the console."""

Staff = Annotated[Visitor, Depends(signed_in(Role.OPERATIONS))]
Reader = Annotated[Visitor, Depends(signed_in(Role.OPERATIONS, Role.PUBLISHER))]


def templates(trace_url: str) -> Templates:
    """The service's pages; `trace_url` is the address of a trace in a viewer, with {trace_id} for its id, or empty."""
    return Templates(
        "services.operations",
        site_name="Concord operations",
        duration=duration,
        state_in_words=state_in_words,
        cause_in_words=cause_in_words,
        trace_url=trace_url,
    )


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def routes(pool: Pool, clock: Clock, pages: Templates) -> APIRouter:
    """The pages, on this database."""
    router = APIRouter(include_in_schema=False)

    @router.get("/")
    async def console(visitor: Staff, not_found: Annotated[str, Query(max_length=300)] = "") -> Response:
        """How everything goes, and the newest publications; `not_found` is what a search did not understand."""
        overview = await read_overview(pool)
        return pages.page("console.html", visitor=visitor, overview=overview, shown=SHOWN, not_found=not_found)

    @router.get("/find")
    async def find(
        _: Reader,
        completion: Annotated[str, Query(max_length=300)] = "",
        member: Annotated[str, Query(max_length=50)] = "",
    ) -> Response:
        """Go to a completion's journey: by its id, or by its member and the member's own reference."""
        text = completion.strip()
        wanted = id_of_completion(member.strip(), text) if member.strip() else _as_uuid(text)
        if wanted is None:
            return RedirectResponse(f"/?not_found={quote(text)}", status_code=303)
        return RedirectResponse(f"/journeys/{wanted}/page", status_code=303)

    @router.get("/journeys/{completion_id}/page")
    async def journey(completion_id: UUID, visitor: Reader) -> Response:
        """The journey of one completion."""
        found = await read_journey(pool, clock, completion_id, visitor.principal)
        return pages.page(
            "journey.html",
            visitor=visitor,
            journey=found,
            # The newest matters most.
            waterfalls=[waterfall(chain) for chain in reversed(found.chains)],
        )

    return router
