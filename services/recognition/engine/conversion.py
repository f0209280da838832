"""Steps 3 and 4: what a match gives, and whether all of it together is enough to claim (decision.md)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from services.recognition.engine.clauses import by_agreement
from services.recognition.engine.matching import Match
from services.recognition.engine.model import (
    GENERAL,
    Agreement,
    Completion,
    Ground,
    Kind,
    Ledger,
    Line,
    RuleLine,
    State,
)
from services.recognition.engine.numbers import floored, text_of_number, total


@dataclass(frozen=True, slots=True)
class Converted:
    """What a match gives: its lines, the excess line set aside, and every ground of step 3."""

    match: Match
    lines: tuple[Line, ...]
    excess: Line | None
    grounds: tuple[Ground, ...]

    @property
    def is_refused(self) -> bool:
        """A ground other than EXCESS_NOT_USED and ROUNDED_DOWN: the match grants nothing and takes no further part."""
        return any(ground.state is not State.PARTIAL for ground in self.grounds)

    @property
    def credits(self) -> Fraction:
        """All lines together, the excess line too."""
        return _sum(self.lines if self.excess is None else (*self.lines, self.excess))

    def fills_a_slot(self, line: Line) -> bool:
        """Whether the line fills a slot of a rule; the slot of a line like for like is only a name."""
        return self.match.grants is not None and line.kind == "specific"


def converted_credits(completion: Completion, agreement: Agreement) -> Fraction:
    """A completion's credits in the receiver's unit, converted once; its own ratio goes before the agreement's."""
    ratio = agreement.credit_ratio if completion.credit_ratio is None else completion.credit_ratio
    return completion.credits * ratio


def convert(match: Match, agreement: Agreement) -> Converted:
    """What a match gives under the agreement: never more than its source, and never rounded up."""
    if match.grants is None:
        lines = tuple(
            Line(used.course, used.credits, used.level, "specific")
            for used in sorted(match.used, key=lambda used: used.course)
        )
        return _rounded(match, lines, None, (), agreement)

    level = min(used.level for used in match.used)
    source = total(used.credits for used in match.used)
    lines = tuple(_granted_line(line, level) for line in match.grants)
    grounds = [
        _counts_at_the_named_levels(match.grants, level, agreement),
        _grants_at_most_the_source(match, lines, source, agreement),
    ]
    rest = source - _sum(lines)
    excess = None
    if rest > 0 and agreement.excess_credit == "general":
        excess = Line(GENERAL, rest, level, "general")
    elif rest > 0:
        grounds.append(_excess_is_dropped(lines, source, agreement))
    return _rounded(match, lines, excess, tuple(ground for ground in grounds if ground), agreement)


def _granted_line(line: RuleLine, level: int) -> Line:
    kind: Kind = "general" if line.slot == GENERAL else "specific"
    return Line(line.slot, line.credits, level if line.level is None else line.level, kind)


def _counts_at_the_named_levels(grants: Sequence[RuleLine], level: int, agreement: Agreement) -> Ground | None:
    """LEVEL_MISMATCH (REFERRED): the match is above a level that a line names, and that is not agreed."""
    named_below = [line.level for line in grants if line.level is not None and line.level < level]
    if not named_below or agreement.higher_level_may_fill_lower:
        return None
    return by_agreement(
        agreement,
        "/higher_level_may_fill_lower",
        "LEVEL_MISMATCH",
        State.REFERRED,
        level=str(level),
        named_level=str(min(named_below)),
    )


def _grants_at_most_the_source(
    match: Match, lines: Sequence[Line], source: Fraction, agreement: Agreement
) -> Ground | None:
    """GRANT_EXCEEDS_SOURCE (REFERRED): the lines together are above the source, in all or from some named level up."""
    clause = f"/rules/{match.rule}/grants"
    granted = _sum(lines)
    if granted > source:
        return by_agreement(
            agreement,
            clause,
            "GRANT_EXCEEDS_SOURCE",
            State.REFERRED,
            granted=text_of_number(granted),
            source=text_of_number(source),
        )
    for named in sorted({line.level for line in match.grants or () if line.level is not None}):
        granted = _sum(line for line in lines if line.level >= named)
        earned = total(used.credits for used in match.used if used.level >= named)
        if granted > earned:
            return by_agreement(
                agreement,
                clause,
                "GRANT_EXCEEDS_SOURCE",
                State.REFERRED,
                variant="level",
                granted=text_of_number(granted),
                named_level=str(named),
                source=text_of_number(earned),
            )
    return None


def _excess_is_dropped(lines: Sequence[Line], source: Fraction, agreement: Agreement) -> Ground:
    """EXCESS_NOT_USED (PARTIAL): the lines are less than the source, and the agreement drops the rest."""
    return by_agreement(
        agreement,
        "/excess_credit",
        "EXCESS_NOT_USED",
        State.PARTIAL,
        source=text_of_number(source),
        granted=text_of_number(_sum(lines)),
    )


def _rounded(
    match: Match, lines: tuple[Line, ...], excess: Line | None, grounds: tuple[Ground, ...], agreement: Agreement
) -> Converted:
    """Floor each line to a multiple of the step: ROUNDED_DOWN (PARTIAL) for a loss, and lines of 0 disappear.

    ROUNDED_TO_NOTHING (DECLINED) where no line is left, an excess line aside.
    """
    step = agreement.credit_step
    floored_lines = tuple(_floored_line(line, step) for line in lines)
    floored_excess = None if excess is None else _floored_line(excess, step)
    kept = tuple(line for line in floored_lines if line.credits > 0)
    if step is not None and (floored_lines != lines or floored_excess != excess):
        before, after = (Converted(match, *both, ()) for both in ((lines, excess), (floored_lines, floored_excess)))
        grounds += (
            by_agreement(
                agreement,
                "/credit_step",
                "ROUNDED_DOWN",
                State.PARTIAL,
                step=text_of_number(step),
                before=text_of_number(before.credits),
                after=text_of_number(after.credits),
            ),
        )
    if not kept:
        grounds += (
            by_agreement(
                agreement,
                "/credit_step",
                "ROUNDED_TO_NOTHING",
                State.DECLINED,
                before=text_of_number(_sum(lines)),
                after="0",
            ),
        )
    return Converted(
        match, kept, floored_excess if floored_excess is not None and floored_excess.credits > 0 else None, grounds
    )


def _floored_line(line: Line, step: Fraction | None) -> Line:
    credits_ = floored(line.credits, step)
    return line if credits_ is line.credits else replace(line, credits=credits_)


def minimum_claim_is_reached(converted: Sequence[Converted], agreement: Agreement, ledger: Ledger) -> Ground | None:
    """BELOW_MIN_CLAIM (INCOMPLETE): `imported` and all lines of all remaining matches are less than `minimum_claim`."""
    if ledger.imported >= agreement.minimum_claim:
        return None
    claimed = ledger.imported + total(one.credits for one in converted)
    if claimed >= agreement.minimum_claim:
        return None
    return by_agreement(
        agreement,
        "/minimum_claim",
        "BELOW_MIN_CLAIM",
        State.INCOMPLETE,
        minimum_claim=text_of_number(agreement.minimum_claim),
        claimed=text_of_number(claimed),
    )


def _sum(lines: Iterable[Line]) -> Fraction:
    return total(line.credits for line in lines)
