"""The pages about the API: text as its authors wrapped it becomes paragraphs as wide as the page."""

import pytest

from chassis.manual import _prose


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a line\nthat went on", "a line that went on"),
        ("one paragraph\n\nand another", "one paragraph\n\nand another"),
        ("a list:\n- of this\n- and that", "a list:\n- of this\n- and that"),
        ("`a < b` & c", "<code>a &lt; b</code> &amp; c"),
    ],
)
def test_text_is_wrapped_by_the_page_and_not_by_its_source(written: str, shown: str) -> None:
    assert _prose(written) == shown
