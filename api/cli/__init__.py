"""The ``vitrina`` command."""

from __future__ import annotations

import sys

from vitrina.api.cli.commands import app
from vitrina.api.cli.console import errors
from vitrina.search.types.errors import InputError, NotFoundError, VitrinaError

EXIT_INPUT = 2
EXIT_STATE = 1
EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line; an expected error becomes two lines and an exit status, never a traceback."""
    try:
        app(standalone_mode=True)
    except VitrinaError as error:
        errors.print(f"[bold red]Error:[/] {escaped(error.message)}", highlight=False, soft_wrap=True)
        errors.print(escaped(error.remedy), highlight=False, soft_wrap=True)
        sys.exit(EXIT_INPUT if isinstance(error, InputError | NotFoundError) else EXIT_STATE)
    except KeyboardInterrupt:
        errors.print("Interrupted. What was committed is kept; the same command goes on from there.")
        sys.exit(EXIT_INTERRUPTED)


def escaped(text: str) -> str:
    return text.replace("[", r"\[")
