"""Calibrating the embedded encoder: ``python -m recipes.encoder.calibration --data FOLDER [--encoder FOLDER]``.

The held-out rows from training become small catalogs in three guises, as shops have them: images alone, words alone,
and both. Queries whose answers are known are put to each, and queries for what none of its rows is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from recipes.encoder.corpus import TRAINING_FILES, LabelledRows, read_rows
from recipes.encoder.images import decode
from recipes.encoder.labels import LABELS, LabelledProduct
from recipes.encoder.queries import LabelQueries, out_of_catalog
from vitrina.evaluation.calibration import fit_calibration
from vitrina.evaluation.samples import CalibrationSample, Example
from vitrina.search.encoders.base import CARD_FILE, EMBEDDED_FOLDER, Encoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.store.images import image_id_of
from vitrina.search.types.calibration import Calibration, write_calibration
from vitrina.search.types.item import Item, embedding_text
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.search.types.query import Query
from vitrina.tuning.encoder.calibration import OUT_OF_CATALOG_TEXTS, CalibrationCatalog

N_TEXTS, N_PHOTOS, N_BOTH = 150, 60, 60
"""Queries of each kind that a catalog answers; fewer where it has fewer rows."""

N_OUT_OF_CATALOG = 40
"""Labels, and photos, of other shops that a catalog is asked for in vain, besides ``OUT_OF_CATALOG_TEXTS``."""

SHOWN_ONE_IN = 6
"""Rows kept out of the catalog, so that their photos are new to it as a shopper's are."""


def catalog_of(encoder: Encoder, rows: LabelledRows) -> CalibrationCatalog:
    """Embed rows as the indexer would; the skus are their positions. Blocks."""
    items = [item_of(product, str(at)) for at, product in enumerate(rows.products)]
    shown = [int(hashlib.sha256(f"shown {product.sku}".encode()).hexdigest(), 16) for product in rows.products]
    return CalibrationCatalog(
        items,
        [image_id_of(image) for image in rows.images],
        encoder.encode_images([decode(image) for image in rows.images]),
        encoder.encode_texts([embedding_text(item) for item in items]),
        np.array([number % SHOWN_ONE_IN != 0 for number in shown], dtype=np.bool_),
    )


def item_of(product: LabelledProduct, sku: str) -> Item:
    """A product as its shop's catalog describes it."""
    kinds = zip(("article", "subcategory", "category"), product.kinds, strict=False)
    labels = ((label, product.label(label)) for label in LABELS)
    attributes = {field: value for field, value in (*kinds, *labels) if value}
    return Item(sku, product.title, product.description, attributes)


def samples_of(encoder: Encoder, rows: Sequence[LabelledRows], *, seed: int = 0) -> Iterator[CalibrationSample]:
    """Put the same queries to every shop as a catalog of each kind. Blocks."""
    for at, each in enumerate(rows):
        catalog = catalog_of(encoder, each)
        queries = LabelQueries(each, catalog.is_indexed, seed)
        answerable = [*queries.by_text(N_TEXTS), *queries.by_photo(N_PHOTOS), *queries.by_both(N_BOTH)]
        examples = [*answerable, *unanswerable(each, [*rows[:at], *rows[at + 1 :]], seed)]
        yield from catalog.samples(encoder, examples)


def unanswerable(rows: LabelledRows, others: Sequence[LabelledRows], seed: int) -> list[Example]:
    """What other shops sell, in words, in photos and in both."""
    labels, photos = out_of_catalog(rows, others, N_OUT_OF_CATALOG, seed)
    shown = [decode(photo) for photo in photos]
    queries = [Query(text) for text in (*OUT_OF_CATALOG_TEXTS, *labels)]
    queries += [Query(images=(photo,)) for photo in shown]
    queries += [Query(text, images=(photo,)) for text, photo in zip(OUT_OF_CATALOG_TEXTS, shown, strict=False)]
    return [Example(query, frozenset()) for query in queries]


def calibrate_folder(folder: Path, rows: Sequence[LabelledRows]) -> Calibration:
    """Calibrate the encoder in an open_clip folder on rows it was not trained on, and write that to its
    ``vitrina.json``. Blocks for some minutes. Raises EncoderError, StorageError."""
    encoder = load_encoder(f"{LOCAL_PREFIX}{folder}")
    calibration = fit_calibration(list(samples_of(encoder, rows)), source_of(rows))
    write_calibration(folder / CARD_FILE, calibration)
    return calibration


def source_of(rows: Sequence[LabelledRows]) -> str:
    counts = ", ".join(f"{len(each.products):,} of {each.source}" for each in rows)
    return f"rows held out from training ({counts}), each as images, as words and as both"


def lines(calibration: Calibration) -> Iterator[str]:
    """What was measured, a kind of query a line."""
    for kind, curve in calibration.curves.items():
        measured = curve.measured
        if measured is not None:
            yield (
                f"{kind}: calibration error {measured.calibration_error:.3f}, Brier {measured.brier:.3f} over "
                f"{measured.n_hits} hits of {measured.n_queries} queries; at {curve.no_match_confidence:.3f} pass "
                f"{measured.answerable_passed} of the answerable and fail {measured.off_catalog_caught} of the rest"
            )


def main(
    data: Annotated[Path, typer.Option(help="Folder with the training Parquet files.", exists=True, file_okay=False)],
    encoder: Annotated[Path, typer.Option(help="An open_clip folder.", exists=True)] = EMBEDDED_FOLDER,
) -> None:
    """Calibrate an encoder on the rows that its training held out."""
    held_out = [read_rows(data / name).split()[1] for name in TRAINING_FILES]
    typer.echo("\n".join(lines(calibrate_folder(encoder, held_out))))


if __name__ == "__main__":
    typer.run(main)
