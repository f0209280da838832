"""Run every case of a file through the engine: `python -m tests.acceptance.run`, exit 1 if one differs.

RECOGNITION_CASES names another file than the project's own.
"""

import sys

from tests.acceptance.cases import Difference, differences, load


def main() -> int:
    """Print what differs as a table, and how many cases hold."""
    cases = load()
    found: list[Difference] = []
    held = 0
    for case in cases:
        try:
            differing = differences(case)
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            differing = [Difference(str(case.get("id")), "case", "an outcome", f"{type(error).__name__}: {error}")]
        found += differing
        held += not differing
    sys.stdout.write(_table(found))
    sys.stdout.write(f"acceptance: {held} of {len(cases)}\n")
    return 0 if held == len(cases) else 1


def _table(found: list[Difference]) -> str:
    if not found:
        return ""
    rows = [("case", "what", "expected", "found"), *((one.case, one.what, one.expected, one.found) for one in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "".join(
        "  ".join(text.ljust(width) for text, width in zip(row, [*widths, 0], strict=True)).rstrip() + "\n"
        for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
