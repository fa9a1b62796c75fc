"""Run the measurements and write them down: ``python -m benchmarks --data FOLDER``."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import torch
import typer

from benchmarks import crashes, reranker, reranking, retrieval, speed
from benchmarks.catalogs import Figure, earlier_values, row, table
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.registry import load_encoder

RESULTS = Path(__file__).parent / "results.md"

MEASUREMENTS: Mapping[str, Callable[[Encoder, Path], Iterator[Figure]]] = {
    "encoder-speed": speed.measure_encoder,
    "speed": speed.measure_time,
    "pictures": retrieval.measure_images,
    "retrieval": retrieval.measure_listings,
    "confidence": retrieval.measure_confidence,
    "vision": reranker.measure_vision,
    "reranking-speed": reranking.measure_cost,
    "reranking": reranking.measure_lift,
    "explanations": reranker.measure_explanations,
    "crashes": lambda encoder, data: crashes.measure(),
}


def run(
    data: Annotated[Path, typer.Option(help="The folder of the validation Parquet files.")],
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = RESULTS,
    only: Annotated[list[str] | None, typer.Option(help=f"Some of: {', '.join(MEASUREMENTS)}.")] = None,
    before: Annotated[Path | None, typer.Option(help="Earlier results, for a column beside the new ones.")] = None,
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
        f"({identity.fingerprint[:12]}). Nothing was trained or tuned on the rows measured.\n\n"
        f"{table(figures, earlier_values(before.read_text(encoding='utf-8'), figures) if before else ())}\n",
        encoding="utf-8",
    )
    if not all(figure.is_met for figure in figures):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
