"""Finding twins: items that show the same product photo under several skus.

Images are the same photo if their files are equal, or if their fingerprints are near, their embeddings closer than a
bound, and their pixels alike. Two items are twins if their titles agree besides: a photo that stands for a missing one
makes no twins of what shares it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import analyse
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.store import Store
from vitrina.search.store.twins import FirstImage

MIN_COSINE = 0.97
"""Of 12,000 pairs of like fingerprints among 37,674 fashion photos 39 are one photo; their cosines are .975 and more,
and 86 % of the others' are below .97. Above it only pixels tell: two lipsticks in other shades reach .9999."""

MAX_DISTANCE = 32
"""Bits of 256 in which two fingerprints differ at most: 99 % of photos that were encoded again lie within 26
(``search.images.fingerprint``)."""

MIN_WORDS_SHARED = 0.5
"""The share of the shorter title's words that the other must hold. Of 539 pairs of fashion items with one photo six are
below it, five of them different products (a watch and a jersey); two random items share this many in 5 % of cases."""

MAX_TITLES = 50
"""Different titles under one photo that are compared with each other; a photo of more stands for a missing one, and
only equal titles are twins."""

MAX_SHARING = 500
"""Items that may share the photo of one that is written: of more, it stands for a missing one, and only an import or
``vitrina duplicates`` compares all their titles."""

MAX_RUN = 2_000
"""A part of a fingerprint that more images share tells nothing."""

Pairs = NDArray[np.int64]


class TwinFinder:
    """Finds the twins of one store, by its images and by the vectors of one index version."""

    def __init__(self, store: Store, replica: IndexReplica) -> None:
        self._store = store
        self._replica = replica

    def find_all(self) -> int:
        """Find all twins anew; returns how many groups there are. Blocks: some 20 seconds for 38,000 items."""
        return self._find(None)

    def find_since(self, sequence: int) -> int:
        """Find the twins of items that changed after a sequence number; returns how many groups they are in."""
        with self._store.catalog.reading() as reader:
            item_ids = reader.changed_since(sequence)
        return self._find(item_ids) if item_ids else 0

    def find_of(self, item_ids: Sequence[int]) -> int:
        """Find the twins of a few items anew, by comparing their photos alone with all others; returns how many groups
        there are. Blocks, for milliseconds."""
        with self._store.catalog.reading() as reader:
            own = {each.image_id for each in reader.first_images(item_ids).values()}
        near = self._store.fingerprints.near(own)
        with self._store.catalog.reading() as reader:
            of_photo = reader.items_by_first_image({*own, *near})
        few = {photo: held for photo, held in of_photo.items() if len(held) <= MAX_SHARING}
        return self._replace(item_ids, few, own & few.keys())

    def _find(self, item_ids: Sequence[int] | None) -> int:
        with self._store.catalog.reading() as reader:
            of_photo = reader.items_by_first_image()
        asked = set(item_ids or ())
        changed = {photo for photo, held in of_photo.items() if item_ids is None or not asked.isdisjoint(held)}
        return self._replace(item_ids, of_photo, changed)

    def _replace(
        self, item_ids: Sequence[int] | None, of_photo: Mapping[str, Sequence[int]], changed: Collection[str]
    ) -> int:
        """Replace the groups of these items, or all for None, by those of the photos that changed."""
        catalog = self._store.catalog
        shared = [(photo, photo) for photo in changed if len(of_photo[photo]) > 1]
        photos = [*shared, *self._same_photos(of_photo, None if item_ids is None else changed)]
        with catalog.reading() as reader:
            told = reader.first_images({each for pair in photos for photo in pair for each in of_photo[photo]})
        groups = joined(
            twins
            for one, other in photos
            for twins in twins_by(*([told[each] for each in of_photo[photo] if each in told] for photo in (one, other)))
        )
        if groups or item_ids is None or self._have_twins(item_ids):
            catalog.replace_twins(item_ids, groups)
        return len(groups)

    def _have_twins(self, item_ids: Sequence[int]) -> bool:
        with self._store.catalog.reading() as reader:
            known = reader.twin_groups()
        return bool(np.isin(known.item_ids, item_ids).any())

    def _same_photos(
        self, of_photo: Mapping[str, Sequence[int]], changed: Collection[str] | None
    ) -> Iterator[tuple[str, str]]:
        """The pairs of different images that are one photo."""
        image_ids, bits = self._store.fingerprints.of(of_photo)
        new = None if changed is None else np.array([each in changed for each in image_ids], np.bool_)
        near = near_pairs(bits, new)
        firsts = [of_photo[image_id][0] for image_id in image_ids]
        for one, other in near[self._are_close(firsts, near)].tolist():
            if self._store.fingerprints.are_same_photo(image_ids[one], image_ids[other]):
                yield image_ids[one], image_ids[other]

    def _are_close(self, item_ids: Sequence[int], pairs: Pairs) -> NDArray[np.bool_]:
        """Which pairs of positions have first images whose embeddings are close; shape (n,)."""
        rows = self._replica.indexes["image"].rows_of(np.unique(np.array(item_ids, np.int64)))
        if not len(rows):
            return np.zeros(len(pairs), np.bool_)
        order = np.argsort(rows.item_ids, kind="stable")  # an item's first image is its first row
        first = np.searchsorted(rows.item_ids[order], item_ids)
        vectors = rows.vectors[order[np.minimum(first, len(order) - 1)]]
        cosines = np.einsum("ij,ij->i", vectors[pairs[:, 0]], vectors[pairs[:, 1]])
        return np.asarray(cosines >= MIN_COSINE)


def near_pairs(bits: NDArray[np.uint64], new: NDArray[np.bool_] | None = None) -> Pairs:
    """The pairs of positions of like fingerprints, each once, shape (n, 2); with ``new``, those with one that is new.

    ``bits``, shape (n, 4). Fingerprints with an equal part of 16 bits are compared, which finds 98 % of the pairs that
    differ in 26 bits and every pair that differs in 15 (multi-index hashing: Norouzi, Punjani and Fleet 2012).
    """
    parts = np.ascontiguousarray(bits).view(np.uint16)  # (n, 16)
    found = [np.empty((0, 2), np.int64)]
    for part in parts.T:
        order = np.argsort(part, kind="stable")
        values = part[order]
        for distance in range(1, min(len(values), MAX_RUN)):
            (at,) = np.nonzero(values[distance:] == values[:-distance])
            if not len(at):
                break
            pairs = np.stack([order[at], order[at + distance]], axis=1)
            if new is not None:
                pairs = pairs[new[pairs].any(axis=1)]
            apart = np.bitwise_count(bits[pairs[:, 0]] ^ bits[pairs[:, 1]]).sum(axis=1)
            found.append(np.sort(pairs[apart <= MAX_DISTANCE], axis=1))
    return np.unique(np.concatenate(found), axis=0)


def twins_by(ones: Sequence[FirstImage], others: Sequence[FirstImage]) -> Iterator[tuple[int, int]]:
    """The pairs of twins among the items with two images that are one photo, or with one image, given twice."""
    return twins_of_one_photo(ones) if ones == others else twins_of_two_photos(ones, others)


def twins_of_one_photo(shown: Sequence[FirstImage]) -> Iterator[tuple[int, int]]:
    """The pairs of items with one image whose titles agree."""
    by_title: dict[str, list[FirstImage]] = defaultdict(list)
    for each in shown:
        by_title[" ".join(each.title.split()).casefold()].append(each)
    for same in by_title.values():
        yield from ((same[0].item_id, other.item_id) for other in same[1:])
    firsts = [same[0] for same in by_title.values()]
    for at, one in enumerate(firsts if len(firsts) <= MAX_TITLES else ()):
        yield from ((one.item_id, other.item_id) for other in firsts[at + 1 :] if titles_agree(one, other))


def twins_of_two_photos(ones: Sequence[FirstImage], others: Sequence[FirstImage]) -> Iterator[tuple[int, int]]:
    """The pairs of items with two images that are one photo, whose titles agree and whose colours are not different:
    two shades of a lipstick may differ in a few pixels alone."""
    if len(ones) * len(others) > MAX_TITLES**2:
        return
    for one in ones:
        for other in others:
            if titles_agree(one, other) and not (
                one.colours and other.colours and one.colours.isdisjoint(other.colours)
            ):
                yield one.item_id, other.item_id


def titles_agree(one: FirstImage, other: FirstImage) -> bool:
    """Whether two titles share enough words; those without any agree with all."""
    words, others = set(analyse(one.title)), set(analyse(other.title))
    shorter = min(len(words), len(others))
    return not shorter or len(words & others) >= MIN_WORDS_SHARED * shorter


def joined(pairs: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of what pairs join, each sorted (union-find)."""
    parents: dict[int, int] = {}

    def root(each: int) -> int:
        while (parent := parents.setdefault(each, each)) != each:
            parents[each] = each = parents[parent]
        return each

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        parents[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for each in sorted(parents):
        groups[root(each)].append(each)
    return list(groups.values())
