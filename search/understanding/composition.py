"""Composed queries: a photo (or an item) and words, "this, but in red".

What the photo shows is read, and the words replace what they contradict: the query becomes "red, same article, same
gender, like this one". Attributes that the catalog has fields for are read from the photo's nearest neighbours. Where
it has none, the encoder says whom the thing in the photo is for, and what the words contradict is taken out of the
photo's vector.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from types import MappingProxyType

import numpy as np

from vitrina.search.analysis.spelling import split
from vitrina.search.encoders.base import Encoder
from vitrina.search.index.base import SAMPLE_ROWS, deviation_of
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Item
from vitrina.search.types.models import Vectors
from vitrina.search.types.requirement import Requirement, RequirementSource
from vitrina.search.understanding.catalog_attributes import Vocabulary, item_values
from vitrina.search.understanding.colours import COLOURS, FAMILIES, colour_of
from vitrina.search.understanding.kind_fields import KIND_NAMES
from vitrina.search.understanding.parser import parse
from vitrina.search.understanding.photo_attributes import MIN_SHARE, PhotoReader, photo_requirement

ASPECTS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colour": ("colour",),
        "pattern": ("pattern", "print"),
        "kind": KIND_NAMES,
        "wearer": ("gender", "sex", "audience", "department"),
    }
)
"""What a query keeps of a photo unless words say otherwise, in the order in which a phrase names it, with what shops
call the field."""

WEARERS = ("men", "women", "boys", "girls")

SHOWN_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "colour": tuple(colour for colour in FAMILIES if colour not in ("metallic", "multi")),
        "wearer": (
            *WEARERS,
            *("furniture", "kitchenware", "food", "electronics", "tools", "hardware", "toys", "sports equipment"),
            "home decor",
        ),
    }
)
"""What a photo may show where the catalog has no field for it; with names of departments for what is not worn.
Of 388 fashion photos held out from training, 95% were read as their gender, and of 60 groceries none as worn."""

COMMON = Vocabulary(
    {"colour": tuple(dict.fromkeys(each.shade for each in COLOURS.values())), "wearer": (*WEARERS, "kids")}
)
"""What words name where the catalog has no field for it."""

N_NEIGHBOURS = 10
SHARPNESS = 6.0
"""A neighbour's vote falls by ``e`` for every sixth of a standard deviation that it is less like the photo than the
first is, so that an indexed photo reads as its own item. Of 1,504 fashion rows held out from the embedded encoder's
training, each read from the others: the article of 95%, right in 86%; the gender of 97%, right in 85%."""

SAME_PHOTO = 0.998
"""From this cosine on a neighbour is taken for the very photo, and no other has a vote."""

TAKEN = 0.75
"""How much of the vector of a name is taken out of a photo, both of length 1, that shows what words replace."""

PHOTO_SHARE = 0.75
PHOTO_SHARE_BESIDE_KIND = 0.25
"""What is left of the photo's weight where words replace some of what it shows; less where a field says what kind of
thing it is. On 388 pairs of held-out fashion rows shares of 0.7 to 1, with 0.5 to 1 taken, differ by 0.01
(docs/LOG.md)."""


@dataclass(frozen=True, slots=True)
class Composition:
    """What a photo and words ask for together.

    ``shown`` are the catalog's values that the photo shows and the words do not replace. ``text`` is what is searched
    for in their place: the words, with what the photo shows. ``taken``, shape (d,), is taken out of the vectors of
    photos, whose weight keeps a ``photo_share``, up to 1.
    """

    shown: tuple[Requirement, ...]
    text: str
    taken: Vectors
    photo_share: float

    def of_photo(self, photo: Vectors) -> Vectors:
        """A photo's unit vector, shape (d,), without what the words replace."""
        left = photo - self.taken
        return np.asarray(left / max(float(np.linalg.norm(left)), 1e-12), np.float32)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a photo shows by the catalog's fields: values ``shown``, of which those in ``kept``, by aspect, are not
    replaced by words."""

    shown: Mapping[str, str]
    kept: Mapping[str, Requirement]


class Composer:
    """Composes queries over one catalog. Safe to call from several threads."""

    def __init__(self, catalog: Catalog, encoder: Encoder, replica: IndexReplica, photos: PhotoReader) -> None:
        self._catalog = catalog
        self._encoder = encoder
        self._replica = replica
        self._photos = photos

    def compose(
        self, text: str, said: Sequence[Requirement], photos: Vectors, items: Sequence[Item], vocabulary: Vocabulary
    ) -> Composition:
        """Compose the wanted words of a text, and ``said``, which all of it was parsed into, with photos, shape (n, d),
        and items to resemble.

        What an item lists counts before what its photo shows. Blocks: encodes a few names, once. Raises EncoderError.
        """
        photo = photos.mean(axis=0) if len(photos) else None
        fields = aspect_fields(vocabulary)
        reading = self._read(said, photo, items, vocabulary)
        named = [each for each in common_requirements(text, said) if each.field not in fields]
        shown = {} if photo is None else self._shown(photo, COMMON.fields.keys() - fields.keys())
        taken = [shown[each.field] for each in named if each.field in shown and is_other(each, shown[each.field])]
        asked = " ".join(each.words for each in said) if all(each.wanted for each in said) else ""
        words = [asked or text, *(requirement.words for requirement in reading.kept.values())]
        if shown.get("wearer") in WEARERS and not any(each.field == "wearer" for each in named):
            words.append(f"for {shown['wearer']}")
        is_replaced = bool(taken) or any(contradicts(each, reading.shown, vocabulary) for each in said)
        share = PHOTO_SHARE_BESIDE_KIND if "kind" in fields else PHOTO_SHARE
        return Composition(
            tuple(reading.kept.values()),
            " ".join(filter(None, words)),
            self._vector_of(taken, photo),
            share if is_replaced else 1.0,
        )

    def _vector_of(self, taken: Sequence[str], photo: Vectors | None) -> Vectors:
        """What is taken out of a photo that shows these names, shape (d,)."""
        total = np.zeros(self._encoder.identity.dimension, np.float32)
        if photo is None:
            return total
        for name in taken:
            total += np.float32(TAKEN) * self._photos.name_vector(name, photo)
        return total

    def _shown(self, photo: Vectors, aspects: Iterable[str]) -> dict[str, str]:
        """What the encoder says that a photo shows of some aspects."""
        return {aspect: self._photos.nearest(photo, SHOWN_NAMES[aspect]) for aspect in aspects}

    def _read(
        self, said: Sequence[Requirement], photo: Vectors | None, items: Sequence[Item], vocabulary: Vocabulary
    ) -> Reading:
        fields = aspect_fields(vocabulary)
        every = sorted({*fields.values(), *vocabulary.kind_fields})
        held = {field: values[0] for item in items[:1] for field in every if (values := item_values(item, field))}
        shown = held if photo is None else self._votes(photo, every) | held
        kept = {
            aspect: replace(
                photo_requirement(field, shown[field], vocabulary),
                source=RequirementSource.ITEM if field in held else RequirementSource.PHOTO,
            )
            for aspect, field in fields.items()
            if field in shown and not any(replaces(each, field, shown, vocabulary) for each in said)
        }
        return Reading(shown, kept)

    def _votes(self, photo: Vectors, fields: Sequence[str]) -> dict[str, str]:
        """The values that the photo's neighbours in the catalog agree on, by field; folded as they compare."""
        index = self._replica.indexes["image"]
        if not fields or not len(matches := index.search(photo, N_NEIGHBOURS)):
            return {}
        deviation = deviation_of(index.sample(SAMPLE_ROWS), photo)
        weights = np.exp(SHARPNESS * (matches.scores - matches.scores.max()) / deviation)
        is_same = matches.scores >= SAME_PHOTO
        weights *= is_same if is_same.any() else 1.0
        stored = self._catalog.items(matches.item_ids.tolist())
        found: dict[str, str] = {}
        for field in fields:
            votes: defaultdict[str, float] = defaultdict(float)
            for item_id, weight in zip(matches.item_ids.tolist(), weights.tolist(), strict=True):
                for value in item_values(stored[item_id].item, field)[:1] if item_id in stored else ():
                    votes[value] += weight
            value, most = max(votes.items(), key=itemgetter(1), default=("", 0.0))
            if most >= MIN_SHARE * float(weights.sum()):
                found[field] = value
        return found


def aspect_fields(vocabulary: Vocabulary) -> dict[str, str]:
    """The catalog's field for each aspect that it has one for."""
    found = (
        (aspect, next((f for name in names for f in vocabulary.fields_called(split(name))), ""))
        for aspect, names in ASPECTS.items()
    )
    return {aspect: field for aspect, field in found if field}


def common_requirements(text: str, said: Sequence[Requirement]) -> list[Requirement]:
    """What words ask for in common names of colours and wearers, wanted in a text or denied in ``said``."""
    denied = (parse(each.words, COMMON, wanted=False) for each in said if not each.wanted)
    found = [*parse(text, COMMON), *itertools.chain.from_iterable(denied)]
    return [each for each in found if not each.is_free]


def is_other(asked: Requirement, shown: str) -> bool:
    """Whether a photo that shows a name does not meet a requirement in common names. Navy is asked for by its family:
    it is not another colour than blue."""
    colours = filter(None, (colour_of(split(value)) for value in asked.values))
    names = {name for colour in colours for name, _ in colour.families} if asked.field == "colour" else asked.values
    return (shown in names) is not asked.wanted


def replaces(asked: Requirement, field: str, shown: Mapping[str, str], vocabulary: Vocabulary) -> bool:
    """Whether a requirement of the words takes the place of the value that a photo shows in ``field``.

    Any colour takes the place of a colour. A kind leaves a finer kind in place that it includes: with "shoes", a photo
    of sandals still asks for sandals. What is denied takes away no other value.
    """
    if not asked.wanted:
        return asked.field == field and shown[field] in map(facet_value, asked.values)
    if {asked.field, field} <= vocabulary.kind_fields and asked.field != field:
        return contradicts(asked, shown, vocabulary)
    return asked.field == field


def contradicts(asked: Requirement, shown: Mapping[str, str], vocabulary: Vocabulary) -> bool:
    """Whether a photo that shows these values does not meet a requirement; one on a field that is not read, never."""
    fields = {*aspect_fields(vocabulary).values(), *vocabulary.kind_fields}
    if asked.field not in fields:
        return False
    return (shown.get(asked.field, "") in map(facet_value, asked.values)) is not asked.wanted
