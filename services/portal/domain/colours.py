"""A member's colours on a page: text on them and in them that everybody can read (WCAG 2.2, contrast of 4.5 : 1)."""

import re
from typing import Final

READABLE: Final = 4.5
"""The least contrast of text with what lies behind it (WCAG 2.2, success criterion 1.4.3)."""
VISIBLE: Final = 3.0
"""The least contrast of a mark that is no text (success criterion 1.4.11)."""

WHITE: Final = "#ffffff"
BLACK: Final = "#000000"

_HEX: Final = re.compile(r"#[0-9a-fA-F]{6}")
Rgb = tuple[int, int, int]


def parse(colour: str) -> Rgb:
    """Red, green and blue of a CSS hexadecimal colour; raises ValueError where it is none."""
    if not _HEX.fullmatch(colour):
        raise ValueError(f"not a colour: {colour[:20]!r}")
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def write(colour: Rgb) -> str:
    """The colour as CSS writes it."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def luminance(colour: str) -> float:
    """Relative luminance: 0 of black, 1 of white (WCAG 2.2, definition)."""

    def linear(channel: int) -> float:
        share = channel / 255
        return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4

    red, green, blue = (linear(channel) for channel in parse(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_on(background: str) -> str:
    """The colour of text on a background: black or white, whichever is easier to read: one of them always is."""
    return max((WHITE, BLACK), key=lambda colour: contrast(colour, background))


def made_to_stand_out(colour: str, background: str, least: float = READABLE) -> str:
    """A colour, lightened or darkened just as far as it must be to have this contrast with a background.

    Where even white or black has less, that is what comes out.
    """
    goal = parse(text_on(background))
    start = parse(colour)
    for step in range(101):
        shade = write(tuple(round(a + (b - a) * step / 100) for a, b in zip(start, goal, strict=True)))  # type: ignore[arg-type]
        if contrast(shade, background) >= least:
            return shade
    return write(goal)
