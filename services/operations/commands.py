"""`concord operations …`: what the staff of operations do at their desk."""

from typing import Final

import typer

operations: Final = typer.Typer(no_args_is_help=True, help="For the staff of operations.")


@operations.callback()
def _operations() -> None:
    """Keeps every command under its name, however few there are."""
