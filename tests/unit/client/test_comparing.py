"""The answers to a compared file, kept on the disk."""

import subprocess
import sys
from pathlib import Path

from client.comparing import Comparison, Difference
from client.rows import Row

ROOT = Path(__file__).parents[3]


def note(comparison: Comparison, line: int, outcome: str, reference: str = "C-1", revision: int = 1) -> None:
    row = Row(line, f"{reference}/{revision}/{line}".encode(), "")
    stored = None if outcome == "missing" else {"revision": 2, "body_hash": "…"}
    answer = {"status": 200, "reference": reference, "outcome": outcome, "revision": revision, "stored": stored}
    comparison.note(row, answer)


def test_what_differs_is_named_in_the_order_of_the_file() -> None:
    with Comparison.kept() as comparison:
        # Answers come as lanes get them.
        for line, outcome in ((9, "missing"), (2, "different"), (5, "missing"), (3, "same"), (7, "newer")):
            note(comparison, line, outcome, f"C-{line}")
        comparison.settle()
        assert comparison.counts() == {"missing": 2, "different": 1, "same": 1, "newer": 1}
        assert comparison.first("missing", 5) == [Difference("C-5", 5, 1, None), Difference("C-9", 9, 1, None)]
        assert comparison.first("missing", 1) == [Difference("C-5", 5, 1, None)]
        assert list(comparison.lacking()) == [b"C-2/1/2", b"C-5/1/5", b"C-9/1/9"]
        assert [comparison.has(one) for one in ("C-3", "C-4")] == [True, False]


def test_the_newest_revision_counts_whichever_was_answered_first() -> None:
    told = [(1, "newer", 1), (2, "same", 2)]
    for order in (told, told[::-1]):
        with Comparison.kept() as comparison:
            for line, outcome, revision in order:
                note(comparison, line, outcome, revision=revision)
            comparison.settle()
            assert comparison.counts() == {"same": 1}
            assert list(comparison.lacking()) == []


def test_of_two_that_contradict_each_other_the_one_that_differs_counts() -> None:
    told = [(1, "same", 1), (2, "different", 1)]
    for order in (told, told[::-1]):
        with Comparison.kept() as comparison:
            for line, outcome, revision in order:
                note(comparison, line, outcome, revision=revision)
            comparison.settle()
            assert comparison.counts() == {"different": 1}
            assert list(comparison.lacking()) == [b"C-1/1/2"]


def test_a_refused_row_is_in_the_file_where_it_says_what_it_is() -> None:
    with Comparison.kept() as comparison:
        comparison.note(Row(1, b"{", ""), {"status": 422, "reference": None, "detail": "no JSON"})
        comparison.note(Row(2, b"{}", ""), {"status": 422, "reference": "C-2", "detail": "…"})
        comparison.settle()
        assert comparison.counts() == {"refused": 1}
        assert comparison.has("C-2")
        assert list(comparison.lacking()) == []


MEASURED = """
import sys
from client.comparing import Comparison
from client.rows import Row
with Comparison.kept() as comparison:
    for n in range(int(sys.argv[1])):
        answer = {"status": 200, "reference": f"C-{n * 7919 % 999983}", "outcome": "missing", "revision": 1}
        comparison.note(Row(n, b"x" * 1_500, ""), answer)
    comparison.settle()
    assert sum(1 for _ in comparison.lacking()) == int(sys.argv[1])
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM:")).split()[1])
"""


def _peak(count: int) -> int:
    """The peak of resident memory for so many rows that differ, in kilobytes."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", MEASURED, str(count)], cwd=ROOT, capture_output=True, check=True, timeout=120
    )
    return int(done.stdout)


def test_a_hundred_times_the_rows_need_no_more_memory() -> None:
    short, long = _peak(300), _peak(30_000)
    assert long - short < 20 * 1024, (short, long)  # the rows are 45 MB
