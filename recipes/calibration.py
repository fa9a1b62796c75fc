"""Calibrating the embedded encoder: ``python -m recipes.calibration --data FOLDER [--encoder FOLDER]``.

Small shops of rows held out from training are asked in three guises, as shops have them: images alone, words alone, and
both. Queries whose answers are known are put to each, and queries for what none of its items is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from recipes.shops import LABELLED, SmallShop, shops
from vitrina.evaluation.calibration import fit_calibration, new_cohort
from vitrina.evaluation.samples import CalibrationSample
from vitrina.search.encoders.base import CARD_FILE, EMBEDDED_FOLDER
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.calibration import Calibration, PageSignal, QueryKind, Signal, write_calibration
from vitrina.search.types.models import LOCAL_PREFIX

BESIDE_WORDS = frozenset(Signal) - {
    Signal.TEXT_TO_IMAGE,
    Signal.TEXT_TO_IMAGE_SAID,
    Signal.NO_IMAGE,
    Signal.NO_IMAGE_SAID,
}
"""What tells whether a text is answered in a catalog with words. The encoder knows what these shops' images show, and
may not know a stranger's; sources left out are told as well without the cosine between text and image."""


UNNAMED_WEIGHT, PASS_MARGIN = -4.0, 0.5
"""How much the bare name of a thing that no title is called tells against a good match of a text, and by how much other
pages are passed sooner for it. Set by hand on queries to made-up shops (docs/LOG.md): the labels that these shops are
asked for are single words, of which the fit would learn nothing about it."""


def calibrate_folder(folder: Path, small_shops: Iterable[SmallShop]) -> Calibration:
    """Calibrate the encoder in an open_clip folder on shops it was not trained on, and write that to its
    ``vitrina.json``. Blocks for some minutes. Raises EncoderError, StorageError."""
    encoder = load_encoder(f"{LOCAL_PREFIX}{folder}")
    cohort = new_cohort(encoder)
    samples: list[CalibrationSample] = []
    rows: dict[str, int] = {}
    for shop in small_shops:
        samples += shop.catalog(encoder).samples(encoder, shop.examples, cohort)
        rows[shop.source] = len(shop.items)
    counts = ", ".join(f"{n:,} of {source}" for source, n in rows.items())
    source = f"rows held out from training ({counts}), in fields, names, prose and titles, with images, words and both"
    calibration = with_unnamed(fit_calibration(samples, source, BESIDE_WORDS, cohort))
    write_calibration(folder / CARD_FILE, calibration)
    return calibration


def with_unnamed(calibration: Calibration) -> Calibration:
    """The calibration, where the bare name of a thing that no title is called tells against a match of a text."""
    curve = calibration.curves.get(QueryKind.TEXT)
    if curve is None or curve.match is None:
        return calibration
    match = replace(
        curve.match,
        intercept=round(curve.match.intercept + PASS_MARGIN, 4),
        weights={**curve.match.weights, PageSignal.UNNAMED: UNNAMED_WEIGHT},
    )
    return replace(calibration, curves={**calibration.curves, QueryKind.TEXT: replace(curve, match=match)})


def lines(calibration: Calibration) -> Iterator[str]:
    """What was measured, a kind of query a line."""
    for kind, _, measured in calibration.measured_curves():
        yield (
            f"{kind}: calibration error {measured.calibration_error:.3f}, Brier {measured.brier:.3f} over "
            f"{measured.n_hits} hits of {measured.n_queries} queries; pass "
            f"{measured.answerable_passed} of the answerable and fail {measured.off_catalog_caught} of the rest"
        )


def labelled_shops(data: Path, work: Path) -> Iterator[SmallShop]:
    """The shops whose labels say of every item whether it answers a query; tags do not."""
    return (shop for shop in shops(data, work) if shop.source in LABELLED)


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    encoder: Annotated[Path, typer.Option(help="An open_clip folder.", exists=True)] = EMBEDDED_FOLDER,
    work: Annotated[Path, typer.Option(help="The working folder of the encoder's recipe.")] = Path("build/encoder"),
) -> None:
    """Calibrate an encoder on the rows that its training held out."""
    typer.echo("\n".join(lines(calibrate_folder(encoder, labelled_shops(data, work)))))


if __name__ == "__main__":
    typer.run(main)
