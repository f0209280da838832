"""Step 5: caps (decision.md). A cap is a balance; what fits its room is granted, and every grant makes it smaller."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from services.recognition.engine.clauses import by_award
from services.recognition.engine.conversion import Converted
from services.recognition.engine.grounds import permission_for
from services.recognition.engine.matching import Match
from services.recognition.engine.model import Agreement, Award, Case, Ground, Ledger, Line, State
from services.recognition.engine.numbers import floored, text_of_number, total
from services.recognition.engine.offers import offers_of


@dataclass(frozen=True, slots=True, eq=False)
class Cap:
    """A limit that the award sets: its name in ground codes, its clause, and the level it is for (None: any)."""

    name: str
    clause: str
    limit: Fraction
    level: int | None = None

    def covers(self, line: Line, *, reused_at_same_level: bool) -> bool:
        """Whether the line counts under this cap; `reused_at_same_level` is said of its match."""
        if self.name == "SAME_LEVEL_CAP":
            return reused_at_same_level
        return self.level is None or self.level == line.level


Rooms = dict[Cap, Fraction]
"""What is left under each cap that is set; below 0 where it is overdrawn."""


def rooms_of(award: Award, ledger: Ledger) -> Rooms:
    """The room under each cap that is set; what is not set never runs out."""
    rooms: Rooms = {}
    if award.import_cap is not None:
        rooms[Cap("CAP", "/import_cap", award.import_cap)] = award.import_cap - ledger.imported
    for level, limit in award.import_cap_by_level.items():
        cap = Cap("LEVEL_CAP", f"/import_cap_by_level/{level}", limit, level)
        rooms[cap] = limit - ledger.imported_by_level.get(level, 0)
    if award.same_level_cap is not None:
        cap = Cap("SAME_LEVEL_CAP", "/same_level_cap", award.same_level_cap)
        rooms[cap] = award.same_level_cap - ledger.imported_same_level
    return rooms


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a match: the lines it is granted (none: nothing), and every ground of steps 3 and 5."""

    match: Match
    lines: tuple[Line, ...]
    grounds: tuple[Ground, ...]


@dataclass(frozen=True, slots=True)
class _Obstacle:
    """A cap in the way of so many credits, and the room that it had for them."""

    cap: Cap
    room: Fraction
    credits: Fraction


@dataclass(slots=True)
class _Claimant:
    """A match on its way through the caps; what it needs of each cap counts its lines, the excess line aside."""

    converted: Converted
    reused_at_same_level: bool
    needs: Mapping[Cap, Fraction]
    lines: list[Line] = field(default_factory=list)
    obstacles: list[_Obstacle] = field(default_factory=list)
    overrun: list[_Obstacle] = field(default_factory=list)
    grounds: list[Ground] = field(default_factory=list)

    def is_granted_whole(self, rooms: Rooms) -> None:
        self.lines = list(self.converted.lines)
        _take(rooms, self.needs)


def settle(converted: Sequence[Converted], agreement: Agreement, case: Case) -> tuple[list[Settled], list[list[Match]]]:
    """Grant what fits the award's caps; also what may be chosen from, where a choice is required."""
    rooms = rooms_of(case.award, case.ledger)
    preferences = _preferences(case)
    if len(converted) > 1:
        converted = sorted(converted, key=lambda one: _place(one.match, preferences))
    claimants = [_claimant(one, agreement, case.award, rooms) for one in converted]
    offers: list[list[Match]] = []
    if agreement.whole_units_only:
        offers = _grant_whole_units(claimants, rooms, preferences)
    else:
        _grant_split(claimants, rooms, agreement.credit_step)
    _grant_excess(claimants, rooms, case.award)
    return [_settled(claimant, case.award) for claimant in claimants], offers


def _preferences(case: Case) -> Mapping[str, int]:
    """The courses of the completions that the learner's choice names, each with its first place in it."""
    courses = {completion.id: completion.course for completion in case.completions}
    places: dict[str, int] = {}
    for place, id_ in enumerate(case.choice or ()):
        if id_ in courses:
            places.setdefault(courses[id_], place)
    return places


def _is_chosen(match: Match, preferences: Mapping[str, int]) -> bool:
    return any(used.course in preferences for used in match.used)


def _place(match: Match, preferences: Mapping[str, int]) -> tuple[object, ...]:
    """Chosen ones first, in the order of the choice; then by the earliest completion date, then by the smallest id."""
    chosen = [preferences[used.course] for used in match.used if used.course in preferences]
    return (
        not chosen,
        min(chosen, default=0),
        min(used.completion.completed_on for used in match.used),
        min(used.id for used in match.used),
    )


def _claimant(converted: Converted, agreement: Agreement, award: Award, rooms: Rooms) -> _Claimant:
    reused = any(
        permission_for(use, agreement, award) == "same_level_up_to_cap"
        for used in converted.match.used
        for use in used.completion.already_used_for
    )
    return _Claimant(converted, reused, _together(_needs(line, rooms, reused) for line in converted.lines))


def _needs(line: Line, rooms: Rooms, reused_at_same_level: bool) -> dict[Cap, Fraction]:
    """What the line takes of each cap that it is under."""
    return {cap: line.credits for cap in rooms if cap.covers(line, reused_at_same_level=reused_at_same_level)}


def _take(rooms: Rooms, needs: Mapping[Cap, Fraction]) -> None:
    for cap, credits_ in needs.items():
        rooms[cap] -= credits_


def _in_the_way(needs: Mapping[Cap, Fraction], rooms: Rooms) -> list[_Obstacle]:
    """Each cap with less room than is needed; a cap stands only in the way of credit under it."""
    return [_Obstacle(cap, rooms[cap], credits_) for cap, credits_ in needs.items() if credits_ > rooms[cap]]


def _together(several: Iterable[Mapping[Cap, Fraction]]) -> dict[Cap, Fraction]:
    """What they need of each cap, taken together."""
    together: dict[Cap, Fraction] = {}
    for needs in several:
        for cap, credits_ in needs.items():
            together[cap] = together[cap] + credits_ if cap in together else credits_
    return together


def _grant_whole_units(
    claimants: Sequence[_Claimant], rooms: Rooms, preferences: Mapping[str, int]
) -> list[list[Match]]:
    """Whole units: a match is granted whole or not at all. Gives what the learner may choose from."""
    for claimant in claimants:  # (a)
        claimant.obstacles = _in_the_way(claimant.needs, rooms)
    rest = [claimant for claimant in claimants if not claimant.obstacles]

    overrun = _in_the_way(_together(claimant.needs for claimant in rest), rooms) if len(rest) > 1 else ()
    if not overrun:  # (b)
        for claimant in rest:
            claimant.is_granted_whole(rooms)
        return []

    if not any(_is_chosen(claimant.converted.match, preferences) for claimant in rest):  # (c)
        for claimant in rest:
            claimant.overrun = [obstacle for obstacle in overrun if obstacle.cap in claimant.needs]
            if not claimant.overrun:
                claimant.is_granted_whole(rooms)
        return _offers([claimant for claimant in rest if claimant.overrun], rooms)

    for claimant in rest:  # (d)
        claimant.obstacles = _in_the_way(claimant.needs, rooms)
        if not claimant.obstacles:
            claimant.is_granted_whole(rooms)
    return []


def _offers(waiting: Sequence[_Claimant], rooms: Rooms) -> list[list[Match]]:
    credits_ = [total(line.credits for line in claimant.converted.lines) for claimant in waiting]
    sets = offers_of([claimant.needs for claimant in waiting], credits_, rooms)
    return [[waiting[position].converted.match for position in chosen] for chosen in sets]


def _grant_split(claimants: Iterable[_Claimant], rooms: Rooms, step: Fraction | None) -> None:
    """Split: match by match, line by line, those that fill slots first; a line gets what room there is, a slot all.

    A match whose line for a slot does not fit is granted nothing, and only what is in the way of that line is named.
    """
    for claimant in claimants:
        left = dict(rooms)
        slots_first = sorted(claimant.converted.lines, key=lambda line: not claimant.converted.fills_a_slot(line))
        for line in slots_first:
            needs = _needs(line, left, claimant.reused_at_same_level)
            in_the_way = _in_the_way(needs, left)
            claimant.obstacles += in_the_way
            if in_the_way and claimant.converted.fills_a_slot(line):
                claimant.lines, left = [], dict(rooms)
                break
            smallest = min((obstacle.room for obstacle in in_the_way), default=line.credits)
            credits_ = floored(max(smallest, Fraction(0)), step)
            if credits_ > 0:
                claimant.lines.append(replace(line, credits=credits_))
                _take(left, dict.fromkeys(needs, credits_))
        rooms.update(left)


def _grant_excess(claimants: Iterable[_Claimant], rooms: Rooms, award: Award) -> None:
    """Excess lines come last: granted if they fit every room beside all lines that wait for a choice."""
    _take(rooms, _together(claimant.needs for claimant in claimants if claimant.overrun))
    for claimant in claimants:
        excess = claimant.converted.excess
        if excess is None or not claimant.lines:
            continue
        needs = _needs(excess, rooms, claimant.reused_at_same_level)
        in_the_way = _in_the_way(needs, rooms)
        if in_the_way:
            claimant.grounds.append(_excess_does_not_fit(in_the_way[0], award))
        else:
            claimant.lines.append(excess)
            _take(rooms, needs)


def _settled(claimant: _Claimant, award: Award) -> Settled:
    state = State.PARTIAL if claimant.lines else State.DECLINED
    grounds = [*claimant.converted.grounds, *[_cap_has_room(obstacle, state, award) for obstacle in claimant.obstacles]]
    if claimant.overrun:
        grounds.append(_everything_fits(claimant.overrun[0], award))
    grounds += claimant.grounds
    return Settled(claimant.converted.match, tuple(claimant.lines), _distinct(grounds))


def _distinct(grounds: Sequence[Ground]) -> tuple[Ground, ...]:
    """A code is given once for each clause: the first, which several lines cut by one cap would repeat."""
    first: dict[tuple[str, str], Ground] = {}
    for ground in grounds:
        first.setdefault((ground.code, ground.clause), ground)
    return tuple(first.values())


def _cap_has_room(obstacle: _Obstacle, state: State, award: Award) -> Ground:
    """X_REACHED if the room is 0 or less, else X_EXCEEDED; PARTIAL if the match is granted something, else DECLINED."""
    compared = {
        "cap": text_of_number(obstacle.cap.limit),
        "room": text_of_number(obstacle.room),
        "credits": text_of_number(obstacle.credits),
    }
    if obstacle.cap.level is not None:
        compared["level"] = str(obstacle.cap.level)
    code = f"{obstacle.cap.name}_{'REACHED' if obstacle.room <= 0 else 'EXCEEDED'}"
    return by_award(award, obstacle.cap.clause, code, state, **compared)


def _everything_fits(obstacle: _Obstacle, award: Award) -> Ground:
    """CHOICE_REQUIRED (INCOMPLETE): the rest together overruns a cap that this match has credit under."""
    return by_award(
        award,
        obstacle.cap.clause,
        "CHOICE_REQUIRED",
        State.INCOMPLETE,
        credits=text_of_number(obstacle.credits),
        room=text_of_number(obstacle.room),
    )


def _excess_does_not_fit(obstacle: _Obstacle, award: Award) -> Ground:
    """EXCESS_NOT_USED (PARTIAL): the excess line does not fit the room of a cap."""
    return by_award(
        award,
        obstacle.cap.clause,
        "EXCESS_NOT_USED",
        State.PARTIAL,
        variant="cap",
        excess=text_of_number(obstacle.credits),
        room=text_of_number(max(obstacle.room, Fraction(0))),
    )
