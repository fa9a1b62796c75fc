"""The command: ``python -m recipes.encoder --data FOLDER --out FOLDER``."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Annotated

import torch
import typer

from recipes.encoder.recipe import Recipe, make_encoder
from recipes.encoder.sources import read_sources
from recipes.encoder.text_stage import TextStage, train_text
from recipes.encoder.texts import lexicon
from recipes.shelves import read_shelves
from recipes.shopper_queries import read_kinds


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Where the finished open_clip folder goes.")],
    work: Annotated[
        Path, typer.Option(help="Where a run keeps what it has made; the same command goes on from there.")
    ] = Path("build/encoder"),
    images: Annotated[
        Path | None, typer.Option(help="An encoder of the stages before the last, whose images are kept.")
    ] = None,
    bfloat16: Annotated[bool, typer.Option(help="Multiply texts in bfloat16, on a processor that has it.")] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Make the encoder that ships in the package."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    rows, recipe = read_sources(data, work, typer.echo), Recipe()
    pairs = lexicon(data / "words", random.Random(recipe.seed))
    if images is None:
        images = work / "towers"
        make_encoder(rows, pairs, images, work, recipe, say=typer.echo)
    stage = TextStage(bfloat16=bfloat16)
    train_text(rows, pairs, read_kinds(), read_shelves(), images, out, work, recipe, stage, say=typer.echo)


if __name__ == "__main__":
    typer.run(main)
