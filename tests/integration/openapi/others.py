"""The other services as far as the learner record asks them: they hold nothing, offer nothing, and forget."""

from datetime import date
from decimal import Decimal
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from contracts.preview import Assumed, Opportunity, PreviewAnswer

DAY: Final = date(2026, 9, 1)
NOWHERE: Final = PreviewAnswer(
    learning_opportunity=Opportunity(
        id="northbridge:data-ethics", version=1, title=None, provider="northbridge", credits=Decimal(15),
        framework="FHEQ", level=7,
    ),
    assumed=Assumed(result="pass", mark=None, completed_on=DAY, claimed_on=DAY),
    would_count=[],
)  # fmt: skip


async def _nothing(_: Request) -> Response:
    return JSONResponse({})


async def _nowhere(_: Request) -> Response:
    return Response(NOWHERE.model_dump_json(), media_type="application/json")


OTHERS: Final = Starlette(
    routes=[
        Route("/learners:export", _nothing, methods=["POST"]),
        Route("/learners:erase", _nothing, methods=["POST"]),
        Route("/preview", _nowhere, methods=["POST"]),
    ]
)
