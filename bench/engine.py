"""How long an evaluation takes: `python -m bench.engine`. Medians of processor time."""

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from fractions import Fraction

from services.recognition.engine.choosing import AgreementIndex, agreement_for
from services.recognition.engine.evaluate import evaluate
from services.recognition.engine.model import Agreement, All, Award, Case, Completion, Leaf, Ledger, Rule, RuleLine

ROUNDS = 25
SECONDS_A_ROUND = 0.02

AGREEMENT = Agreement(
    receiver_framework="FHEQ",
    credit_ratio=Fraction(1),
    in_force_from=date(2020, 1, 1),
    in_force_until=date(2099, 1, 1),
    in_force_basis="claim",
    on_expired="DECLINED",
    grade_policy="carry",
    excess_credit="general",
    currency_years=5,
    minimum_mark=Fraction(40),
    credit_step=Fraction(1, 100),
)
AWARD = Award(import_cap=Fraction(240), import_cap_by_level={6: Fraction(60)}, minimum_level=4)


def completion(number: int) -> Completion:
    """The number-th of a learner's completions: 10 credits, its own course."""
    return Completion(
        id=f"c{number:02}",
        course=f"northbridge:C{number:02}",
        course_version=1,
        credits=Fraction(10),
        framework="FHEQ",
        level=5,
        mark=Fraction(55),
        result="pass",
        completed_on=date(2024, 6, 30),
        workload_hours=Fraction(100),
        identity_verified_at_assessment=True,
        signature_valid=True,
        revoked=False,
        missing_elements=(),
        uln="9276308686",
        already_used_for=(),
        claimed_on=date(2025, 10, 1),
    )


def like_for_like() -> Case:
    """One completion, no rules."""
    return Case((completion(0),), AGREEMENT, AWARD)


def under_rules() -> Case:
    """Twenty completions under fifty rules: each rule takes two courses, each has its own priority and slot."""
    rules = tuple(
        Rule(
            priority=number,
            requires=All((Leaf(f"northbridge:C{number % 20:02}"), Leaf(f"northbridge:C{(number * 7 + 3) % 20:02}"))),
            grants=(RuleLine(f"M{number}", Fraction(15), 5),),
        )
        for number in range(50)
    )
    return Case(tuple(completion(number) for number in range(20)), replace(AGREEMENT, rules=rules), AWARD, Ledger())


def published(count: int) -> AgreementIndex:
    """So many bilateral agreements, two versions of each, in as many directions."""
    index = AgreementIndex()
    for number in range(count // 2):
        for version in (1, 2):
            index.add_bilateral(replace(AGREEMENT, id=f"a{number}", version=version), f"provider-{number}", "receiver")
    return index


def median_of(call: Callable[[], object]) -> float:
    """The median over rounds of the processor time that one call takes, in microseconds."""
    call()
    rounds = []
    for _ in range(ROUNDS):
        calls, started = 0, time.process_time()
        while (passed := time.process_time() - started) < SECONDS_A_ROUND:
            call()
            calls += 1
        rounds.append(passed / calls * 1e6)
    return statistics.median(rounds)


def main() -> None:
    """Print the table."""
    one, many = like_for_like(), under_rules()
    sys.stdout.write(f"one completion, like for like: {median_of(lambda: evaluate(one)):.1f} µs\n")
    sys.stdout.write(f"20 completions under 50 rules: {median_of(lambda: evaluate(many)):.0f} µs\n")
    for count in (10, 1_000, 100_000):
        index = published(count)

        def choose(index: AgreementIndex = index, provider: str = f"provider-{count // 4}") -> Agreement | None:
            return agreement_for(one.completions, index.candidates(provider, "receiver"))

        sys.stdout.write(f"choosing among {count} agreements: {median_of(choose):.1f} µs\n")


if __name__ == "__main__":
    main()
