"""ELMO as EMREX carries it, and the older ELMO that it was made from: every completion in a file (docs/elmo.md)."""

from collections.abc import Iterator
from typing import BinaryIO, Final

from client.formats.elmo.foreign import MarkScale, Own, made
from client.formats.elmo.parsing import INSTANCE, LARGEST_KEPT, Instance, instances
from client.formats.elmo.returned import returned
from client.formats.reading import Notes, Read, Reader, Unreadable

__all__ = ["MarkScale", "Own", "reader", "rows"]


def reader(own: Own) -> Reader:
    """A reader of ELMO files, with what a member says of its own that ELMO does not say.

    What Concord wrote comes back as the document that it was, whatever is said. In other files nothing is made up,
    converted, or taken from an element that means something else.
    """

    def rows(source: BinaryIO, notes: Notes) -> Iterator[Read]:
        for instance in instances(source, notes):
            if (read := _read(instance, own, notes)) is not None:
                yield read

    return rows


def _read(instance: Instance, own: Own, notes: Notes) -> Read | None:
    line = instance.element.line
    if instance.too_large:
        return Unreadable.because(line, INSTANCE, "…", f"less: with what stands before it {LARGEST_KEPT:,} characters")
    making = returned(instance) or made(instance, own, notes)
    if making is None:
        return None
    if making.faults:
        return Unreadable(line, tuple(making.faults), making.reference)
    return line, making.document


rows: Final[Reader] = reader(Own())
"""Reads Concord's own files; of others it says what a member has to say of them."""
