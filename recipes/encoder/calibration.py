"""Calibrating the embedded encoder: ``python -m recipes.encoder.calibration --data FOLDER [--encoder FOLDER]``.

The rows set aside from training become small catalogs in three guises, as shops have them: pictures alone, words alone,
and both. Queries whose answers are known are put to each, and queries for what none of its rows is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from recipes.encoder.corpus import TRAINING_FILES, LabelledRows, read_rows
from recipes.encoder.images import decode
from recipes.encoder.labels import LABELS, LabelledProduct
from recipes.encoder.queries import OUT_OF_CATALOG_HELD_OUT, LabelQueries, out_of_catalog
from vitrina.evaluation.calibration import CalibrationSample, Example, calibration_samples, fit_calibration
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.open_clip import CARD_FILE, EMBEDDED_FOLDER, load_encoder
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.retrieval.engine import SearchEngine
from vitrina.search.store.full_text import item_words
from vitrina.search.store.images import image_id_of
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import Calibration, write_calibration
from vitrina.search.types.item import IndexedItem, Item
from vitrina.search.types.models import LOCAL_PREFIX, Vectors
from vitrina.search.types.query import Query

N_TEXTS, N_PHOTOS, N_BOTH = 150, 60, 60
"""Queries of each kind that a catalog answers; fewer where it has fewer rows."""

N_OUT_OF_CATALOG = 40
"""Labels, and photos, of other shops that a catalog is asked for in vain, beside what ``elsewhere`` lists."""

SHOWN_ONE_IN = 6
"""Rows kept out of the catalog, so that their photos are new to it as a shopper's are."""

GUISES: Mapping[str, tuple[bool, bool]] = {
    "pictures": (True, False),
    "words": (False, True),
    "pictures and words": (True, True),
}
"""Whether a guise of a catalog has pictures, and whether it has words."""


@dataclass(frozen=True, slots=True)
class LabelledShop:
    """Rows set aside, with their embeddings, and which of them the catalog holds. Its skus are positions."""

    rows: LabelledRows
    images: Vectors
    texts: Vectors
    held: NDArray[np.bool_]

    def entries(self, *, with_images: bool, with_words: bool) -> list[IndexedItem]:
        """The catalog in one guise."""
        none = np.empty((0, self.images.shape[1]), np.float32)
        return [
            IndexedItem(
                item=item_of(self.rows.products[at], str(at), with_words=with_words),
                content_hash=str(at),
                image_ids=(image_id_of(self.rows.images[at]),) if with_images else (),
                vectors={
                    "image": self.images[at : at + 1] if with_images else none,
                    "text": self.texts[at : at + 1] if with_words else none,
                },
            )
            for at in np.flatnonzero(self.held).tolist()
        ]


def shop_of(encoder: Encoder, rows: LabelledRows) -> LabelledShop:
    """Embed rows as the indexer would. Blocks."""
    items = [item_of(product, "", with_words=True) for product in rows.products]
    shown = [int(hashlib.sha256(f"shown {product.sku}".encode()).hexdigest(), 16) for product in rows.products]
    return LabelledShop(
        rows,
        encoder.encode_images([decode(image) for image in rows.images]),
        encoder.encode_texts([item_words(item) for item in items]),
        np.array([number % SHOWN_ONE_IN != 0 for number in shown], dtype=np.bool_),
    )


def item_of(product: LabelledProduct, sku: str, *, with_words: bool) -> Item:
    """A product as its shop's catalog states it."""
    if not with_words:
        return Item(sku)
    kinds = zip(("article", "subcategory", "category"), product.kinds, strict=False)
    labels = ((label, product.label(label)) for label in LABELS)
    stated = {field: value for field, value in (*kinds, *labels) if value}
    return Item(sku, product.title, product.description, stated)


@contextmanager
def opened(encoder: Encoder, entries: Sequence[IndexedItem]) -> Iterator[SearchEngine]:
    """A catalog in a temporary home."""
    with TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.catalog.commit(open_index_version(store, encoder), entries)
        yield SearchEngine.open(store, encoder)
        store.close()


def observations(encoder: Encoder, rows: Sequence[LabelledRows], *, seed: int = 0) -> Iterator[CalibrationSample]:
    """Put every shop in every guise to the same questions. Blocks."""
    for at, each in enumerate(rows):
        shop = shop_of(encoder, each)
        examples = [*answerable(shop, seed), *unanswerable(each, [*rows[:at], *rows[at + 1 :]], seed)]
        for with_images, with_words in GUISES.values():
            with opened(encoder, shop.entries(with_images=with_images, with_words=with_words)) as engine:
                yield from calibration_samples(engine, examples)


def answerable(shop: LabelledShop, seed: int) -> list[Example]:
    questions = LabelQueries(shop.rows, shop.held, seed)
    return [*questions.by_text(N_TEXTS), *questions.by_photo(N_PHOTOS), *questions.by_both(N_BOTH)]


def unanswerable(rows: LabelledRows, others: Sequence[LabelledRows], seed: int) -> list[Example]:
    """What other shops sell, in words, in photos and in both."""
    labels, photos = out_of_catalog(rows, others, N_OUT_OF_CATALOG, seed)
    shown = [decode(photo) for photo in photos]
    queries = [Query(text) for text in (*OUT_OF_CATALOG_HELD_OUT, *labels)]
    queries += [Query(images=(photo,)) for photo in shown]
    queries += [Query(text, images=(photo,)) for text, photo in zip(OUT_OF_CATALOG_HELD_OUT, shown, strict=False)]
    return [Example(query, frozenset()) for query in queries]


def calibrate_folder(folder: Path, rows: Sequence[LabelledRows]) -> Calibration:
    """Calibrate the encoder in an open_clip folder on rows it was not trained on, and write that to its
    ``vitrina.json``. Blocks for some minutes. Raises EncoderError, StorageError."""
    encoder = load_encoder(f"{LOCAL_PREFIX}{folder}")
    calibration = fit_calibration(list(observations(encoder, rows)), source_of(rows))
    write_calibration(folder / CARD_FILE, calibration)
    return calibration


def source_of(rows: Sequence[LabelledRows]) -> str:
    counts = ", ".join(f"{len(each.products):,} of {each.source}" for each in rows)
    return f"rows set aside from training ({counts}), each as pictures, as words and as both"


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
    """Calibrate an encoder on the rows that its training set aside."""
    held_out = [read_rows(data / name).split()[1] for name in TRAINING_FILES]
    typer.echo("\n".join(lines(calibrate_folder(encoder, held_out))))


if __name__ == "__main__":
    typer.run(main)
