"""The command: ``python -m recipes.matcher --data FOLDER --out FOLDER``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
import typer

from recipes.matcher.recipe import make_matcher, measure_matcher
from recipes.matcher.sources import MatchCorpus
from recipes.matcher.trainer import MatchSchedule
from vitrina.search.encoders.base import EMBEDDED
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.reranking.backends.model_folders import EMBEDDED_FOLDER as EMBEDDED_RERANKER
from vitrina.search.reranking.matcher import MATCHER_FOLDER

OUT = EMBEDDED_RERANKER / MATCHER_FOLDER


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    out: Annotated[Path, typer.Option(help="Where the graphs go.")] = OUT,
    work: Annotated[Path, typer.Option(help="Where drawings, features and the checkpoint are kept.")] = Path(
        "build/matcher"
    ),
    minutes: Annotated[float, typer.Option(min=0, help="Minutes of training.")] = 60,
    bfloat16: Annotated[bool, typer.Option(help="Multiply in bfloat16, on a processor that has it.")] = False,
    measure_only: Annotated[
        bool, typer.Option(help="Measure the one in --out with the embedded encoder as it is.")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads.")] = 2,
) -> None:
    """Train the matcher that ships in the package; go on where the same command stopped before."""
    torch.set_num_threads(threads)
    work.mkdir(parents=True, exist_ok=True)
    corpus = MatchCorpus.read(data, work, typer.echo)
    if measure_only:
        measure_matcher(corpus, load_encoder(EMBEDDED), out, say=typer.echo)
        return
    make_matcher(corpus, load_encoder(EMBEDDED), out, work, MatchSchedule(minutes, bfloat16=bfloat16), say=typer.echo)


if __name__ == "__main__":
    typer.run(main)
