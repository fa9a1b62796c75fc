"""``vitrina reranker``: its commands and their options. Each hands over to one function."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.options import HomeOption, settings_for

app = typer.Typer(name="reranker", no_args_is_help=True, help="Change how much the reranker counts.")


@app.callback()
def group() -> None:
    """Change how much the reranker counts."""


@app.command()
def calibrate(
    judgements: Annotated[
        Path,
        typer.Option("--judgements", help="JSON lines of judged queries, or TREC qrels, as in vitrina eval."),
    ],
    queries: Annotated[
        Path | None, typer.Option("--queries", help="The texts of the qrels: qid, a tab, the text.")
    ] = None,
    home: HomeOption = None,
) -> None:
    """Learn from judged queries how much the answers of VITRINA_RERANKER count beside retrieval's score."""
    from api.cli.blending import calibrate_reranker

    calibrate_reranker(settings_for(home), judgements, queries)
