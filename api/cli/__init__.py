"""The ``vitrina`` command: its subcommands, and how errors and retired options are reported."""

from __future__ import annotations

import gc
from typing import Any

import typer
from typer.core import TyperGroup

from vitrina.api.cli import (
    audit,
    backup,
    demo,
    duplicates,
    encoder,
    eval,  # noqa: A004 - the module of the command
    explain,
    index,
    items,
    keys,
    reranker,
    search,
    serve,
    status,
    suggest,
    synonyms,
    train,
    train_encoder,
    train_reranker,
)
from vitrina.api.cli.console import EXIT_INPUT, EXIT_INTERRUPTED, EXIT_STATE, print_error, print_note
from vitrina.search.types.errors import InputError, NotFoundError, VitrinaError


class VitrinaGroup(TyperGroup):
    """Reports an expected error in two lines and by the exit status, without a traceback, and accepts retired options.

    The context is ``Any``: Typer's own since 0.24, click's before.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run the subcommand."""
        try:
            return super().invoke(ctx)
        except VitrinaError as error:
            print_error(error)
            raise typer.Exit(EXIT_INPUT if isinstance(error, InputError | NotFoundError) else EXIT_STATE) from error
        except KeyboardInterrupt as interrupt:
            print_note("Interrupted. Everything committed so far is kept; run the same command to continue.")
            raise typer.Exit(EXIT_INTERRUPTED) from interrupt


N_OBJECTS_A_COLLECTION = 20_000
"""Python's own 700 look for garbage while a command imports what it needs, 7% of what it takes."""

app = typer.Typer(
    name="vitrina",
    cls=VitrinaGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Search a product catalog by text, by image, or by both.",
)

app.command()(index.index)
app.command()(search.search)
app.command()(suggest.suggest)
app.command()(explain.explain)
app.command()(serve.serve)
app.command()(items.items)
app.command()(items.delete)
app.command()(duplicates.duplicates)
app.command()(status.status)
app.command()(status.rebuild)
app.command()(backup.backup)
app.command()(backup.restore)
app.command()(synonyms.synonyms)
app.command("eval")(eval.evaluate)
app.command()(audit.audit)
app.command()(demo.demo)
app.add_typer(keys.app)
app.add_typer(encoder.app)
app.add_typer(reranker.app)
train.app.command("encoder")(train_encoder.train_encoder)
train.app.command("reranker")(train_reranker.train_reranker)
app.add_typer(train.app)


def main() -> None:
    """Run the command line."""
    gc.set_threshold(N_OBJECTS_A_COLLECTION, 20, 20)
    app()
