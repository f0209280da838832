"""A report as a table for people; rows are named by their ids, and nobody by name."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from services.operations.audit.check import Report, Result


def table(report: Report) -> RenderableType:
    """Every check with its rows, examined and wrong; below it what is wrong, and what waits."""
    rows = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    rows.add_column("")
    rows.add_column("What must hold", ratio=1)
    rows.add_column("Rows examined", justify="right")
    rows.add_column("Violations", justify="right")
    before = ""
    for result in report.results:
        name = "" if result.invariant == before else result.invariant
        before = result.invariant
        style = "bold red" if result.violated else ""
        rows.add_row(
            Text(name, style="bold"),
            Text(result.sentence, style=style),
            Text(f"{result.examined:,}"),
            Text(f"{result.violated:,}", style=style),
        )
    parts: list[RenderableType] = [rows]
    for result in report.results:
        parts += _violations(result)
    if report.waiting:
        parts.append(Text("\nUnder way, or waiting, and excused:", style="yellow"))
        parts += [Text(f"  {name}: {count:,}") for name, count in sorted(report.waiting.items())]
    return Group(*parts)


def _violations(result: Result) -> list[RenderableType]:
    if not result.violations:
        return []
    lines: list[RenderableType] = [Text(f"\n{result.invariant}: {result.sentence}", style="bold red")]
    for violation in result.violations:
        lines.append(Text(f"  {violation.wrong} ({violation.rows:,})"))
        lines += [Text(f"    {id_}", style="dim") for id_ in violation.ids]
        if violation.rows > len(violation.ids):
            lines.append(Text(f"    and {violation.rows - len(violation.ids):,} more", style="dim"))
    return lines


def verdict(report: Report, *, allow_empty: bool) -> Text:
    """The last line: what came of it."""
    if report.broken:
        broken = ", ".join(f"{name} ({report.violations[name]:,})" for name in report.broken)
        return Text(f"✗ violated: {broken}", style="bold red")
    if report.empty and not allow_empty:
        return Text(
            f"✗ nothing to examine for {', '.join(report.empty)}: this shows nothing. In a young installation, "
            "say --allow-empty.",
            style="bold red",
        )
    examined = sum(result.examined for result in report.results)
    return Text(f"✓ {len(report.invariants)} invariants hold; {examined:,} rows examined", style="bold green")
