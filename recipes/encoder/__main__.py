"""The command: ``python -m recipes.encoder --data FOLDER --out FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from recipes.encoder.calibration import calibrate_folder, lines
from recipes.encoder.corpus import TRAINING_FILES, read_corpus
from recipes.encoder.recipe import Recipe, make_encoder


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Where the finished open_clip folder goes.")],
    work: Annotated[Path, typer.Option(help="Where drawings and checkpoints are kept.")] = Path("build/encoder"),
    drawings: Annotated[int, typer.Option(min=0, help="Boutique products to draw for training.")] = 3500,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")] = False,
    start: Annotated[
        Path | None, typer.Option(help="An encoder's folder that lacks the last cycle alone.", exists=True)
    ] = None,
) -> None:
    """Train the encoder that ships in the package."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    rows = read_corpus(data, work, drawings, typer.echo)
    make_encoder(rows, out, work, Recipe(), resume=resume, start=start, say=typer.echo)
    photographed = [part.split()[1] for part in rows[: len(TRAINING_FILES)]]
    typer.echo("\n".join(lines(calibrate_folder(out, photographed))))


if __name__ == "__main__":
    typer.run(main)
