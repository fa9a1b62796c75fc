"""The command: ``python -m recipes.reranker --data FOLDER --out FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from recipes.encoder.corpus import read_corpus
from recipes.reranker.grounding import read_grounding_data
from recipes.reranker.recipe import BUDGET, RecipeCorpus, make_reranker
from recipes.reranker.trainer import Budget
from vitrina.search.encoders.base import EMBEDDED_FOLDER


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Where the finished transformers folder goes.")],
    work: Annotated[Path, typer.Option(help="Where drawings and checkpoints are kept.")] = Path("build/reranker"),
    encoder: Annotated[Path, typer.Option(help="The open_clip folder whose image tower to start from.")] = (
        EMBEDDED_FOLDER
    ),
    drawings: Annotated[int, typer.Option(min=0, help="Boutique products to draw for training.")] = 4000,
    epochs: Annotated[float, typer.Option(min=0, help="Passes over the images.")] = BUDGET.n_epochs,
    minutes: Annotated[float | None, typer.Option(min=0, help="Minutes of training, instead of epochs.")] = None,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    start: Annotated[
        Path | None, typer.Option(help="A model's folder that lacks the last stage alone.", exists=True)
    ] = None,
) -> None:
    """Train the vision-language model that ships in the package."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    drawn, boxes = read_grounding_data(work, drawings, typer.echo)
    corpus = RecipeCorpus([*read_corpus(data, work, 0, typer.echo), drawn], boxes)
    budget = Budget(epochs, minutes)
    make_reranker(corpus, encoder, out, work, say=typer.echo, budget=budget, resume=resume, start=start)


if __name__ == "__main__":
    typer.run(main)
