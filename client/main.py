"""The `concord` command: whatever the installed parts of Concord offer as entry points of `concord.commands`.

An entry point's name is the command's; it is a typer application (a group of commands) or a function (one command).
"""

from importlib.metadata import entry_points
from typing import Final

import typer

GROUP: Final = "concord.commands"


def collect() -> typer.Typer:
    """The command with all that is offered, in alphabetical order.

    Raises what importing an offered command raises: an installation that is broken should say so.
    """
    command = typer.Typer(
        name="concord",
        no_args_is_help=True,
        help="Concord: credit that moves with the learner.",
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_show_locals=False,  # among them are secrets
    )

    @command.callback()
    def _concord() -> None:
        """Keeps every command under its name, however few there are."""

    for offered in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        part = offered.load()
        if isinstance(part, typer.Typer):
            command.add_typer(part, name=offered.name)
        else:
            command.command(offered.name)(part)
    return command


def app() -> None:
    """Run the command."""
    collect()(prog_name="concord")


if __name__ == "__main__":
    app()
