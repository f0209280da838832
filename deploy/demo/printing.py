"""How the demo prints what it has to say: under a title, in columns, at any width from 80 on."""

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def block(title: str, rows: Iterable[Sequence[str]], *, numbers: Sequence[int] = (), end: str = "") -> Group:
    """Rows under a title, and a sentence below them; `numbers` are the columns that stand to the right."""
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for row in rows:
        table.add_row(*row)
    for column in numbers:
        table.columns[column].justify = "right"
    parts: list[RenderableType] = [Text(title, style="bold"), Padding(table, (0, 0, 0, 2))]
    if end:
        parts.append(Padding(Text(end), (0, 0, 0, 2)))
    return Group(*parts)
