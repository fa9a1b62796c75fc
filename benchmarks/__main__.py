"""Run the measurements and write them down: ``python -m benchmarks --data FOLDER``."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks import (
    confidence,
    crashes,
    encoder_speed,
    explanations,
    pictures,
    reranking,
    reranking_speed,
    retrieval,
    speed,
    vision,
)
from benchmarks.figure import Figure, row, table
from search.encoders.base import Encoder
from search.encoders.openclip import load_encoder

RESULTS = Path(__file__).parent / "results.md"

MEASUREMENTS: Mapping[str, Callable[[Encoder, Path], Iterator[Figure]]] = {
    "encoder-speed": encoder_speed.measure,
    "speed": speed.measure,
    "pictures": pictures.measure,
    "retrieval": retrieval.measure,
    "confidence": confidence.measure,
    "vision": vision.measure,
    "reranking-speed": reranking_speed.measure,
    "reranking": reranking.measure,
    "explanations": explanations.measure,
    "crashes": lambda encoder, data: crashes.measure(),
}


def run(
    data: Annotated[Path, typer.Option(help="The folder of the validation Parquet files.")],
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = RESULTS,
    only: Annotated[list[str] | None, typer.Option(help=f"Some of: {', '.join(MEASUREMENTS)}.")] = None,
) -> None:
    """Measure retrieval, speed and survival; exits non-zero where a bound is missed."""
    encoder = load_encoder(None)
    figures: list[Figure] = []
    for name in only or MEASUREMENTS:
        for figure in MEASUREMENTS[name](encoder, data):
            figures.append(figure)
            typer.echo(row(figure))
    machine = f"{torch.get_num_threads()} cores, {platform.machine()}, Python {platform.python_version()}"
    identity = encoder.identity
    out.write_text(
        "# Measured\n\n"
        f"`make benchmark DATA=...` on {machine}, torch {torch.__version__}; encoder {identity.name} "
        f"({identity.fingerprint[:12]}). Nothing was trained or tuned on the rows measured.\n\n{table(figures)}\n",
        encoding="utf-8",
    )
    if not all(figure.is_met for figure in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
