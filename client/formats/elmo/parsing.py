"""The learning opportunity instances of an ELMO file, one by one, each with what stands around it.

Nothing of the file is kept but the way down to the element that is read, and of that only what `KEPT` lists. A file may
hold one `elmo` or many, inside anything: EMREX's own describes one learner, and systems that export many wrap them.
Document types are refused before they are read, and with them every entity but XML's own five; so nothing outside the
file is ever asked for, and nothing in it grows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, Final
from xml.parsers import expat

from client.formats.reading import NotAsSaid, Notes
from client.rows import LARGEST_ROW
from contracts.elmo import CEN, CONCORD, EMREX

BLOCK: Final = 64 * 1024
DEEPEST: Final = 200
"""Elements inside one another; ELMO needs a dozen."""
LONGEST_TOKEN: Final = 1024 * 1024
"""Bytes of a tag, a comment or an instruction, which has to be held whole; text may be of any length."""
LARGEST_KEPT: Final = 4 * LARGEST_ROW
"""Characters, about, that are held of a file at once."""
_COST: Final = 100
"""What an element takes besides its text."""
_WHITE_SPACE: Final = re.compile(r"[ \t\n\r]+")

KEPT: Final[dict[str, frozenset[str]]] = {
    "elmo": frozenset({"learner", "report", "learningOpportunitySpecification"}),
    "learner": frozenset({"identifier"}),
    "report": frozenset({"learner", "issuer", "learningOpportunitySpecification"}),
    "issuer": frozenset({"identifier", "title"}),
    "learningOpportunitySpecification": frozenset(
        # The last two are of the older ELMO.
        {"identifier", "title", "type", "specifies", "hasPart", "credit", "learningOutcome"}
    ),
    "hasPart": frozenset({"learningOpportunitySpecification"}),
    "specifies": frozenset({"learningOpportunityInstance"}),
    "learningOpportunityInstance": frozenset(
        # The last one is of the older ELMO.
        {"identifier", "date", "status", "resultLabel", "credit", "level", "extension", "result"}
    ),
    "credit": frozenset({"scheme", "value"}),
    "level": frozenset({"type", "value"}),
    "extension": frozenset(),
}
"""By element, those of its children that a completion is made of; every other one is noted and passed over."""

SPECIFICATION: Final = "learningOpportunitySpecification"
INSTANCE: Final = "learningOpportunityInstance"
_PASSES_AWAY: Final = frozenset({"report", SPECIFICATION, "hasPart", "specifies", INSTANCE})
"""Elements that are forgotten when they end; the others belong to what is read after them."""


@dataclass(slots=True)
class Element:
    """An element as far as it is kept."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    pieces: list[str] = field(default_factory=list)
    children: list["Element"] = field(default_factory=list)
    is_own: bool = False
    """Whether it is Concord's, inside an `extension`: then all of it is kept."""
    cost: int = _COST
    is_noted: bool = False
    """Whether what is not carried of it was noted; it may stand around many instances."""
    has_credit: bool = False
    """Of a specification: whether an instance of it that has ended stated credit."""

    @property
    def text(self) -> str:
        """Its text as it stands there."""
        return "".join(self.pieces)

    @property
    def token(self) -> str:
        """Its text with white space as XML Schema's `token` has it."""
        return _WHITE_SPACE.sub(" ", self.text).strip(" ")

    def all(self, name: str) -> list["Element"]:
        """Its children of a name."""
        return [child for child in self.children if child.name == name]

    def first(self, name: str) -> "Element | None":
        """The first child of a name."""
        return next(iter(self.all(name)), None)

    def token_of(self, name: str) -> str:
        """The token of the first child of a name; empty where there is none."""
        child = self.first(name)
        return child.token if child else ""

    def identifier(self, type_: str) -> str | None:
        """Its `identifier` of a type, however that is spelt in capitals."""
        of_type = (one for one in self.all("identifier") if one.attributes.get("type", "").lower() == type_.lower())
        return next((one.token for one in of_type if one.token), None)


@dataclass(frozen=True, slots=True)
class Instance:
    """A learning opportunity instance, and what stands around it; `too_large` where not all of it could be held."""

    element: Element
    specification: Element
    parents: tuple[Element, ...]
    """The specifications that this one is a part of, the outermost first."""
    learner: Element | None
    issuer: Element | None
    too_large: bool

    @property
    def credits(self) -> list[tuple[str, str]]:
        """Scheme, in small letters, and value of all credit; the older ELMO states it with the specification."""
        stated = self.element.all("credit") or self.specification.all("credit")
        return [(one.token_of("scheme").lower(), value) for one in stated if (value := one.token_of("value"))]


def instances(source: BinaryIO, notes: Notes) -> Iterator[Instance]:
    """Every learning opportunity instance of a file, in its order; raises NotAsSaid, after all that stands before."""
    parsing = _Parsing(notes)
    is_over = False
    while not is_over:
        block = source.read(BLOCK)
        is_over = not block
        try:
            parsing.feed(block, is_last=is_over)
        except NotAsSaid:
            yield from parsing.taken()
            raise
        yield from parsing.taken()


class _Parsing:
    """Follows the parser through the file with the elements that are open."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._refuse_doctype
        self._open: list[Element] = []
        self._root = ""
        self._outside = 0
        """Elements around `elmo` that are open."""
        self._passed_over = 0
        """Elements that are open inside one that is not kept, with that one."""
        self._is_blank = True
        self._passed_at = (0, "")
        self._held = 0
        self._fed = 0
        self._too_large: Element | None = None
        self._found_elmo = False
        self._instances: list[Instance] = []

    def feed(self, block: bytes, *, is_last: bool = False) -> None:
        """Read on."""
        self._fed += len(block)
        try:
            self._parser.Parse(block, is_last)
        except expat.ExpatError as error:
            raise NotAsSaid(
                f"line {error.lineno}: this is no well-formed XML: {expat.ErrorString(error.code)}"
            ) from None
        except (ValueError, LookupError) as error:  # an encoding that Python does not know, or one of several bytes
            raise NotAsSaid(f"line 1: the file's encoding cannot be read: {error}") from None
        if self._fed - self._parser.CurrentByteIndex > LONGEST_TOKEN:
            raise self._not_elmo(f"a tag or a comment has more than {LONGEST_TOKEN:,} bytes")
        if is_last and not self._found_elmo:
            raise NotAsSaid(f"this is XML, but no ELMO: there is no element elmo of {EMREX} in it, but {self._root}")

    def taken(self) -> Iterator[Instance]:
        """The instances that ended since the last time."""
        while self._instances:
            yield self._instances.pop(0)

    def _not_elmo(self, why: str) -> NotAsSaid:
        return NotAsSaid(f"line {self._parser.CurrentLineNumber}: {why}")

    def _refuse_doctype(self, name: str, *_: object) -> None:
        raise self._not_elmo(
            f"the file declares a document type (<!DOCTYPE {name[:40]} …>), which could name other files or grow"
            " without end; ELMO needs none, so take it out"
        )

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        namespace, _, name = tag.rpartition(" ")
        if self._outside + len(self._open) + self._passed_over >= DEEPEST:
            raise self._not_elmo(f"more than {DEEPEST} elements stand inside one another")
        self._root = self._root or (f"{name[:40]} of {namespace[:80]}" if namespace else f"{name[:40]} of no namespace")
        if self._passed_over:
            self._passed_over += 1
            self._is_blank = False
        elif self._open:
            self._start_inside(namespace, name, attributes)
        elif name == "elmo" and namespace in (EMREX, CEN):
            self._found_elmo = True
            self._push(Element(name, self._parser.CurrentLineNumber))
        else:
            self._outside += 1

    def _start_inside(self, namespace: str, name: str, attributes: dict[str, str]) -> None:
        parent, line = self._open[-1], self._parser.CurrentLineNumber
        in_extension = parent.name == "extension" and not parent.is_own
        is_own = namespace == CONCORD and (in_extension or parent.is_own)
        if is_own or (namespace in (EMREX, CEN) and name in KEPT.get(parent.name, ()) and not parent.is_own):
            self._push(Element(name, line, attributes, is_own=is_own))
            return
        # Attributes alone say something too, but an empty element says nothing.
        self._passed_over, self._is_blank = 1, not attributes
        what = name if namespace in (EMREX, CEN) else f"{{{namespace[:80]}}}{name}"
        self._passed_at = line, f"{parent.name}/{what[:120]}"

    def _push(self, element: Element) -> None:
        element.cost += sum(len(name) + len(value) for name, value in element.attributes.items())
        self._open.append(element)
        self._hold(element.cost)

    def _hold(self, cost: int) -> None:
        self._held += cost
        if self._held > LARGEST_KEPT and self._too_large is None:
            inside = next((one for one in self._open if one.name == INSTANCE), None)
            if inside is None:
                raise self._not_elmo(f"what stands before a {INSTANCE} has more than {LARGEST_KEPT:,} characters")
            self._too_large = inside

    def _characters(self, text: str) -> None:
        if self._passed_over:
            self._is_blank = self._is_blank and not text.strip()
        elif self._open and self._too_large is None:
            element = self._open[-1]
            if element.is_own or element.name not in KEPT:
                element.pieces.append(text)
                element.cost += len(text)
                self._hold(len(text))

    def _end(self, _tag: str) -> None:
        if self._passed_over:
            self._passed_over -= 1
            if not self._passed_over and not self._is_blank:
                self._notes.add(*self._passed_at)
        elif self._open:
            self._end_inside(self._open.pop())
        else:
            self._outside -= 1

    def _end_inside(self, element: Element) -> None:
        if element.name == INSTANCE and not element.is_own:
            self._take(element)
        if not self._open or self._too_large is not None or (element.name in _PASSES_AWAY and not element.is_own):
            self._held -= element.cost
        else:
            self._open[-1].children.append(element)
            self._open[-1].cost += element.cost
        if element is self._too_large:
            self._too_large = None

    def _take(self, element: Element) -> None:
        specifications = [one for one in self._open if one.name == SPECIFICATION]
        around = {child.name: child for one in self._open for child in one.children}
        instance = Instance(
            element,
            specifications[-1],
            tuple(specifications[:-1]),
            around.get("learner"),
            around.get("issuer"),
            element is self._too_large,
        )
        specifications[-1].has_credit |= bool(instance.credits)
        self._instances.append(instance)
