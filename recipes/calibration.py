"""Calibrating the embedded encoder: ``python -m recipes.calibration --data FOLDER [--encoder FOLDER]``.

Small shops of rows held out from training are asked in three guises, as shops have them: images alone, words alone, and
both. Queries whose answers are known are put to each, and queries for what none of its items is. Made-up shops are
asked in shoppers' own words, and one shop is asked with ever more rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from recipes.made_up_shops import FITTED, MadeUpShop, plain_title, read_made_up_shops
from recipes.shops import LABELLED, SmallShop, shops, sized_shops
from vitrina.evaluation.calibration import fit_calibration, new_cohort
from vitrina.evaluation.samples import CalibrationSample, Example, calibration_samples
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.encoders.base import CARD_FILE, EMBEDDED_FOLDER, Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import Calibration, Cohort, Signal, write_calibration
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.search.types.query import Query

BESIDE_WORDS = frozenset(Signal) - {
    Signal.TEXT_TO_IMAGE,
    Signal.TEXT_TO_IMAGE_SAID,
    Signal.NO_IMAGE,
    Signal.NO_IMAGE_SAID,
}
"""What tells whether a text is answered in a catalog with words. The encoder knows what these shops' images show, and
may not know a stranger's; sources left out are told as well without the cosine between text and image."""

N_TIMES = 6
"""How often a sample of a made-up shop counts, which is asked as shoppers ask and not by labels."""


def calibrate_folder(folder: Path, small_shops: Iterable[SmallShop], made_up: Sequence[MadeUpShop] = ()) -> Calibration:
    """Calibrate the encoder in an open_clip folder on shops it was not trained on, and write that to its
    ``vitrina.json``. Blocks for some minutes. Raises EncoderError, StorageError."""
    encoder = load_encoder(f"{LOCAL_PREFIX}{folder}")
    cohort = new_cohort(encoder)
    samples: list[CalibrationSample] = []
    said: dict[str, None] = {}
    for shop in small_shops:
        samples += shop.catalog(encoder).samples(encoder, shop.examples, cohort, shop.guises)
        said[f"{len(shop.items):,} of {shop.source}"] = None
    source = f"rows ({', '.join(said)}) in fields, names, prose and titles, with images, words and both"
    if made_up:
        samples += N_TIMES * [sample for each in made_up for sample in made_up_samples(encoder, each, cohort)]
        source += f"; and {len(made_up)} made-up shops"
    calibration = fit_calibration(samples, source, BESIDE_WORDS, cohort)
    write_calibration(folder / CARD_FILE, calibration)
    return calibration


def made_up_samples(encoder: Encoder, shop: MadeUpShop, cohort: Cohort) -> list[CalibrationSample]:
    """What a made-up shop's export, indexed as it is, answers to those of its queries that guided no words: of a
    stranger's nobody has thought before. Blocks for seconds."""
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        with Fetcher() as fetcher:
            Indexer(store, encoder, fetcher).run(open_source(str(shop.catalog)), lambda _: None)
        titles = {each.item.sku: plain_title(each.item.title) for each in store.catalog.all_items()}
        examples = [
            Example(Query(query.text), frozenset(sku for sku, title in titles.items() if title in query.grades))
            for query in shop.queries
            if not query.has_guided
        ]
        engine = SearchEngine.open(store, encoder).uncalibrated(cohort)
        samples = list(calibration_samples(engine, examples))
        store.close()
    return samples


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
    small_shops = chain(labelled_shops(data, work), sized_shops(data, work))
    typer.echo("\n".join(lines(calibrate_folder(encoder, small_shops, read_made_up_shops(FITTED)))))


if __name__ == "__main__":
    typer.run(main)
