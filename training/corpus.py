"""The corpus: labelled pictures from Parquet files, with a part set aside for tuning."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from training.product import Product
from training.wording import key

TRAINING_FILES = ("fashion-train.parquet", "grocery-train.parquet", "clothing-train.parquet")
ROWS_A_CLASS = 8

CATALOG_FILE = "grocery-iconic.parquet"
"""The clean catalog pictures of the grocery shop, one a class: a shop has its catalog when it trains."""

SET_ASIDE_ONE_IN = 25
"""4% of the training rows, 1,504 of them fashion: as many as the held-out files have, to within a quarter."""

RUN_LENGTH = 8
RUNS_SET_ASIDE_ONE_IN = 12
"""Photos numbered one after the other (``aubergine_017``) show one shelf a moment apart. They are set aside in runs, or
a row set aside would have a twin that was trained on; and more of them, since a run says little more than a row."""

_NUMBERED = re.compile(r"(?P<name>.+_)(?P<number>\d{3})")


@dataclass(frozen=True, slots=True)
class Rows:
    """Products and, at the same positions, their encoded pictures. ``source`` is the file's stem. Of rows that are
    ``is_whole`` none are set aside."""

    source: str
    products: tuple[Product, ...]
    pictures: tuple[bytes, ...]
    is_whole: bool = False

    def split(self) -> tuple[Rows, Rows]:
        """Rows to train on, and rows set aside; which is which depends on the sku alone."""
        aside = [not self.is_whole and is_set_aside(product.sku) for product in self.products]
        return self._where([not held for held in aside]), self._where(aside)

    def _where(self, keep: Sequence[bool]) -> Rows:
        products = tuple(product for product, kept in zip(self.products, keep, strict=True) if kept)
        pictures = tuple(picture for picture, kept in zip(self.pictures, keep, strict=True) if kept)
        return Rows(self.source, products, pictures, self.is_whole)


def is_set_aside(sku: str) -> bool:
    """Whether a training row is kept for tuning, by a hash of its sku, or of its run's, that never changes."""
    numbered = _NUMBERED.fullmatch(sku)
    if numbered is None:
        return _hash(sku) % SET_ASIDE_ONE_IN == 0
    return _hash(f"{numbered['name']}{int(numbered['number']) // RUN_LENGTH}") % RUNS_SET_ASIDE_ONE_IN == 0


def read_rows(path: Path) -> Rows:
    """Read one Parquet file with a ``sku`` and an ``image`` (encoded bytes) column; other columns may be missing.

    Raises OSError or pyarrow.ArrowException where the file cannot be read.
    """
    products: list[Product] = []
    pictures: list[bytes] = []
    for row in _rows(path):
        picture = row["image"]
        if isinstance(picture, bytes):
            products.append(Product.from_row(row))
            pictures.append(picture)
    return Rows(path.stem, tuple(with_fine_classes(products)), tuple(pictures))


def with_fine_classes(products: Sequence[Product]) -> Sequence[Product]:
    """The products of one file; where its titles are classes, of ``ROWS_A_CLASS`` rows on average, with these."""
    if len({product.title for product in products}) * ROWS_A_CLASS > len(products):
        return products
    return [replace(product, fine=product.title) if _is_finer(product) else product for product in products]


def _is_finer(product: Product) -> bool:
    return bool(product.kinds) and key(product.title) != key(product.kinds[0])


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")


def _rows(path: Path) -> Iterator[dict[str, object]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=1000):
            yield from batch.to_pylist()
