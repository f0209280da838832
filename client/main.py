"""The `concord` command: whatever the installed parts of Concord offer as entry points of `concord.commands`.

An entry point's name is the command's; it is a typer application (a group of commands) or a function (one command,
whose examples are its attribute `epilog`).
"""

from importlib.metadata import entry_points
from typing import Any, Final

import typer
from typer.main import get_command

GROUP: Final = "concord.commands"

PANELS: Final = {
    "Publish": ("publish", "convert", "learning-opportunities", "enrolments", "completions"),
    "Agree": ("agreement", "award"),
    "Watch": ("decisions",),
    "Look after": ("operations", "recognition"),
}
"""The order in which commands are listed, and by what they are for."""
MORE: Final = "More"
"""Where those stand that another distribution offers."""


def collect() -> typer.Typer:
    """The command with all that is offered.

    Raises what importing an offered command raises: an installation that is broken should say so.
    """
    command = typer.Typer(
        name="concord",
        no_args_is_help=True,
        help="Concord: credit that moves with the learner.",
        epilog="`concord COMMAND --help` explains a command. Where Concord is and who you are come from its options or,"
        " better, from the variables that it names, such as CONCORD_TOKEN.",
        add_completion=False,
        rich_markup_mode="markdown",
        pretty_exceptions_show_locals=False,  # among them are secrets
    )

    @command.callback()
    def _concord() -> None:
        """Keeps every command under its name, however few there are."""

    offered = {entry.name: entry for entry in entry_points(group=GROUP)}
    listed = [(panel, name) for panel, names in PANELS.items() for name in names if name in offered]
    others = sorted(set(offered) - {name for _, name in listed})
    for panel, name in [*listed, *((MORE, name) for name in others)]:
        part = offered[name].load()
        if isinstance(part, typer.Typer):
            command.add_typer(part, name=name, rich_help_panel=panel)
        else:
            command.command(name, rich_help_panel=panel, epilog=getattr(part, "epilog", None))(part)
    return command


def app() -> None:
    """Run the command."""
    program = get_command(collect())
    _show_flags_as_such(program)
    program(prog_name="concord")


def _show_flags_as_such(command: Any) -> None:
    """A flag takes no value, so help shows none beside it, not even the name of a type."""
    for parameter in (*command.params, command.get_help_option(typer.Context(command))):
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
    for part in getattr(command, "commands", {}).values():
        _show_flags_as_such(part)


if __name__ == "__main__":
    app()
