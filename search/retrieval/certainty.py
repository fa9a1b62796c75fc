"""Certainty: the items that a query names by an identifier, or shows by their very photo.

They come first, whatever the scores say, and their confidence does not depend on a calibration.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vitrina.search.index.name_index import NameIndex
from vitrina.search.retrieval.fusion import Scores
from vitrina.search.store.fingerprints import Fingerprints
from vitrina.search.store.matching import is_among
from vitrina.search.store.reader import MAX_SHARING, CatalogReader
from vitrina.search.types.query import Query

CERTAIN_CONFIDENCE = 0.99

LEAD = 12.0
"""By how much the totals of certain items exceed every other, which gives them scores of 0.98 and more."""

Flags = NDArray[np.bool_]

NO_ITEMS = np.empty(0, np.int64)


def certain_items(
    reader: CatalogReader,
    names: NameIndex,
    query: Query,
    fingerprints: Fingerprints | None,
    within: NDArray[np.int64] | None,
) -> NDArray[np.int64]:
    """The ids of the items that a query's text names by an identifier, or that its image is the very photo of, among
    those ``within`` its filters; sorted, shape (n,).

    A photo with words asks for something like it, and not for the item itself. A photo that more than ``MAX_SHARING``
    items have stands for a missing one.
    """
    may_name = bool(query.text) and names.may_name(query.text, reader.sequence())
    found = reader.identified(query.text) if may_name else NO_ITEMS
    if query.images and fingerprints is not None and not (query.text or query.without or query.skus):
        shown = [image_id for image in query.images for image_id in fingerprints.same_photo(image)]
        of_photos = reader.items_with_images(shown) if shown else NO_ITEMS
        found = of_photos if len(of_photos) <= MAX_SHARING * len(query.images) else NO_ITEMS
    return found if within is None else found[is_among(found, within)]


def lifted(totals: Scores, is_certain: Flags) -> Scores:
    """The totals, shape (n,), those of certain items above every other and above 0, in their own order."""
    if not is_certain.any():
        return totals
    floor = max(0.0, float(totals[~is_certain].max(initial=0.0))) + LEAD
    return np.where(is_certain, totals - totals[is_certain].min() + floor, totals)


def assured(confidence: Scores, is_certain: Flags) -> Scores:
    """The confidences, shape (n,), those of certain items at least ``CERTAIN_CONFIDENCE``."""
    return np.where(is_certain, np.maximum(confidence, CERTAIN_CONFIDENCE), confidence)
