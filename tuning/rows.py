"""Rows to tune on: the items of an indexed catalog that have images, with some of them held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from vitrina.search.types.errors import InputError
from vitrina.search.types.item import Item, StoredItem

MIN_HELD_OUT = 8
"""Held-out rows below which nDCG@10 could not tell encoders apart: every ranking would show nearly all of them."""

MIN_KEPT = 32
"""Rows to train on below which a contrastive batch has hardly any negatives."""

MAX_HELD_OUT = 2_000
"""Held-out rows at most, since they are embedded after every epoch; those beyond are trained on."""


@dataclass(frozen=True, slots=True)
class TuningRow:
    """An item with the ids of its images in the image store; one at least."""

    item: Item
    image_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to train on, and held-out rows. ``n_twins`` were left out of both because they share an
    image with a held-out row."""

    kept: tuple[TuningRow, ...]
    held_out: tuple[TuningRow, ...]
    n_twins: int


def rows_of(stored: Iterable[StoredItem]) -> list[TuningRow]:
    """The items that have images. Raises InputError where none has."""
    rows = [TuningRow(each.item, each.image_ids) for each in stored if each.image_ids]
    if not rows:
        raise InputError(
            "No item of the catalog has an image, and an encoder learns from images with their texts.",
            remedy="Index a catalog with images, or name the store that has them with --store.",
        )
    return rows


def split(rows: Sequence[TuningRow], share: float) -> Split:
    """Hold out ``share`` of the rows, 0 to 1, by a hash of the sku, which stays the same as the catalog grows.

    Raises InputError if too few are left on either side.
    """
    places = [hash_fraction(row.item.sku) for row in rows]
    last = sorted(places)[:MAX_HELD_OUT][-1]
    is_held_out = [at < share and at <= last for at in places]
    held_out = tuple(compress(rows, is_held_out))
    shown = {image_id for row in held_out for image_id in row.image_ids}
    others = [row for row, held in zip(rows, is_held_out, strict=True) if not held]
    kept = tuple(row for row in others if shown.isdisjoint(row.image_ids))
    if len(held_out) < MIN_HELD_OUT or len(kept) < MIN_KEPT:
        raise too_few(len(rows), len(kept), len(held_out), share)
    return Split(kept, held_out, len(others) - len(kept))


def hash_fraction(text: str) -> float:
    """The SHA-256 of a text as a number between 0 and 1."""
    return int.from_bytes(hashlib.sha256(f"aside {text}".encode()).digest()[:8], "big") / 2**64


def too_few(n_rows: int, n_kept: int, n_held_out: int, share: float) -> InputError:
    needed = round(max(MIN_HELD_OUT / share, MIN_KEPT / (1 - share)) * 1.25)
    return InputError(
        f"{n_rows:,} rows with images and texts are too few: with {share:g} of them held out, {n_kept:,} are left "
        f"to train on and {n_held_out:,} to measure with; {MIN_KEPT} and {MIN_HELD_OUT} are needed.",
        remedy=f"Index {needed:,} rows or more, or hold out another share with --held-out.",
    )
