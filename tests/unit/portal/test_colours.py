"""Text in a member's colours can be read, whatever the colours are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portal.domain.colours import READABLE, WHITE, contrast, made_to_stand_out, parse, text_on, write
from services.portal.pages import DARK_BACKGROUND, LIGHT_BACKGROUND

colours = st.tuples(*[st.integers(0, 255)] * 3).map(write)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, expected: float) -> None:
    assert contrast(one, other) == pytest.approx(expected, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@given(colours)
def test_text_on_any_colour_is_readable(colour: str) -> None:
    assert contrast(text_on(colour), colour) >= READABLE
    assert contrast(text_on(colour), colour) >= contrast(WHITE, colour)


@given(colours, st.sampled_from([LIGHT_BACKGROUND, DARK_BACKGROUND]))
def test_any_colour_is_made_to_stand_out_from_the_pages_background(colour: str, background: str) -> None:
    assert contrast(made_to_stand_out(colour, background), background) >= READABLE


@given(colours, st.sampled_from([LIGHT_BACKGROUND, DARK_BACKGROUND]))
def test_a_colour_that_stands_out_already_stays(colour: str, background: str) -> None:
    if contrast(colour, background) >= READABLE:
        assert made_to_stand_out(colour, background) == colour


@pytest.mark.parametrize("text", ["", "#fff", "red", "#12345g", "#123456; } body { display: none", "#123456\n"])
def test_what_is_no_colour_never_reaches_a_stylesheet(text: str) -> None:
    with pytest.raises(ValueError, match="not a colour"):
        parse(text)
