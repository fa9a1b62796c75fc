"""Run the measurements and write them down: ``python -m benchmarks --data FOLDER``, or some: ``... unseen certain``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import (
    attacks,
    audit,
    clip_retrieval,
    crashes,
    crowd,
    indexes,
    load,
    photos,
    pipeline,
    reranker,
    reranking,
    retrieval,
    speed,
    start,
    vision,
)
from benchmarks.catalogs import RESULTS, Figure, earlier_values, machine, read_sections, row, table, write_sections
from benchmarks.unseen import classes, made_up, shops
from vitrina.search.encoders.base import Encoder, full_name
from vitrina.search.encoders.registry import load_encoder

MEASUREMENTS: Mapping[str, Callable[[Encoder, Path], Iterator[Figure]]] = {
    "encoder-speed": speed.measure_encoder,
    "speed": speed.measure_time,
    "pipeline": pipeline.measure_pipeline,
    "clip-retrieval": clip_retrieval.measure_clip_retrieval,
    "indexes": indexes.measure_indexes,
    "load": load.measure_load,
    "reranked-load": load.measure_reranked_load,
    "overload": load.measure_overload,
    "crowd": crowd.measure_crowd,
    "synthetic-crowd": crowd.measure_synthetic_crowd,
    "attacks": attacks.measure_attacks,
    "pictures": retrieval.measure_images,
    "retrieval": retrieval.measure_listings,
    "confidence": retrieval.measure_confidence,
    "unseen": shops.measure_shops,
    "made-up-shops": made_up.measure_made_up_shops,
    "unseen-classes": classes.measure_classes,
    "another-colour": photos.measure_colour_changes,
    "certain": photos.measure_certainty,
    "vision": vision.measure_vision,
    "reranking-speed": reranking.measure_cost,
    "reranking": reranking.measure_lift,
    "explanations": reranker.measure_explanations,
    "audit": audit.measure_audit,
    "start": start.measure_start,
    "crashes": lambda encoder, data: crashes.measure(),
}
NAMES = ", ".join(MEASUREMENTS)


def run(
    data: Annotated[Path, typer.Option(help="The folder of the Parquet files.")],
    names: Annotated[list[str] | None, typer.Argument(help=f"Some of: {NAMES}.", show_default="all")] = None,
    out: Annotated[Path, typer.Option(help="Where the tables go; what is not measured stays as it is.")] = RESULTS,
    only: Annotated[list[str] | None, typer.Option(help="The same as the arguments.")] = None,
    before: Annotated[Path | None, typer.Option(help="Earlier results, for a column beside the new ones.")] = None,
    encoder: Annotated[str | None, typer.Option(help="An encoder's folder or name; the embedded one without.")] = None,
) -> None:
    """Measure retrieval, speed and survival; exits non-zero where a bound is missed."""
    chosen = [*(names or []), *(only or [])] or list(MEASUREMENTS)
    if unknown := [name for name in chosen if name not in MEASUREMENTS]:
        raise typer.BadParameter(f"There is no measurement {unknown[0]!r}; there are: {NAMES}.")
    loaded = load_encoder(full_name(encoder) if encoder else None)
    earlier = before.read_text(encoding="utf-8") if before else ""
    sections = read_sections(out)
    all_met = True
    for name in chosen:
        figures: list[Figure] = []
        for figure in MEASUREMENTS[name](loaded, data):
            figures.append(figure)
            typer.echo(row(figure))
        if not figures:  # what it needs is not installed, as it has said: the earlier figures stay
            continue
        all_met = all_met and all(figure.is_met for figure in figures)
        rows = table(figures, earlier_values(earlier, figures) if earlier else ())
        sections[name] = f"{machine(loaded)}\n\n{rows}"
        write_sections(out, {name: sections[name] for name in MEASUREMENTS if name in sections})
    if not all_met:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(run)
