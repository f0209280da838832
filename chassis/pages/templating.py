"""Templates of a service's pages: its own before the shared ones, everything escaped, nothing undefined."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse


def day(value: date) -> str:
    """A date for people: 30 June 2026."""
    return f"{value.day} {value:%B %Y}"


def instant(value: datetime) -> str:
    """An instant for people, in UTC: 30 June 2026, 14:05:09 UTC."""
    return f"{day(value)}, {value:%H:%M:%S} UTC"


class Templates:
    """The pages of one service."""

    def __init__(self, package: str, *, filters: Mapping[str, Callable[..., Any]] | None = None, **always: Any) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader("chassis.pages")]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters |= {"day": day, "instant": instant, **(filters or {})}
        self._environment.globals |= always

    def page(
        self, name: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **context: Any
    ) -> HTMLResponse:
        """A rendered template as an answer."""
        html = self._environment.get_template(name).render(context)
        return HTMLResponse(html, status_code=status, headers=dict(headers or {}))
