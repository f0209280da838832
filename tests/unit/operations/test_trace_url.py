"""TRACE_URL is checked when a process starts, not when somebody follows a link."""

import pytest
from pydantic import ValidationError

from chassis.settings import Settings


def settings(trace_url: str) -> Settings:
    return Settings(service_database_url="postgresql://not-asked-here", trace_url=trace_url)


@pytest.mark.parametrize("pattern", ["", "http://localhost:16686/trace/{trace_id}", "https://t.example/?id={trace_id}"])
def test_an_address_with_one_place_for_the_id_is_taken(pattern: str) -> None:
    assert settings(pattern).trace_url == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "http://localhost:16686/trace/",
        "http://localhost/{trace_id}/{trace_id}",
        "localhost:16686/trace/{trace_id}",
        "javascript:alert('{trace_id}')",
        "http:///trace/{trace_id}",
        "{trace_id}",
    ],
)
def test_anything_else_stops_the_start_and_says_what_is_right(pattern: str) -> None:
    with pytest.raises(ValidationError, match=r"trace_url\n.*http://localhost:16686/trace/\{trace_id\}"):
        settings(pattern)
