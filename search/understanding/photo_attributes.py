"""Photo attributes: which colour, pattern and article a query's photo shows, in the catalog's values."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from cachetools import LRUCache

from vitrina.search.analysis.spelling import fold, split
from vitrina.search.encoders.base import Encoder, beside_image
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Item
from vitrina.search.types.models import Vectors
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import Vocabulary, item_values
from vitrina.search.understanding.kind_fields import KIND_NAMES


def photo_requirements(
    shown: Mapping[str, str], vocabulary: Vocabulary, asked: Sequence[Requirement] = ()
) -> tuple[Requirement, ...]:
    """What a photo asks for, from the attributes that it shows (``{"article": "shirt", "colour": "navy"}``), in order.

    Each value is looked up in the field of that name first, then in any field; a value that the catalog does not know
    becomes a free requirement. ``asked`` is what the query's words ask for, which goes before the photo: with "in red"
    or "not blue" the photo's colour is left out.
    """
    said = {requirement.field for requirement in asked} - {""}
    found = (photo_requirement(field, value, vocabulary) for field, value in shown.items() if split(value))
    return tuple(requirement for requirement in dict.fromkeys(found) if requirement.field not in said)


def photo_requirement(field: str, value: str, vocabulary: Vocabulary) -> Requirement:
    words, shown = split(value), " ".join(fold(value).split())
    fields = (field, *vocabulary.fields_called(split(field)))
    within = (vocabulary.match_in(each, words) for each in fields)
    match = next(filter(None, within), None) or vocabulary.match(words)
    return Requirement(shown, match.field, match.values, narrower=match.narrower) if match else Requirement(shown)


PHOTO_FIELDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"colour": ("colour",), "pattern": ("pattern", "print"), "article": KIND_NAMES}
)
"""The attributes that a photo shows, in the order in which a phrase names them, and what shops call the field, the
finest first."""

MAX_VALUES = 500
"""A field with more values is not read from a photo. Embedding 188 names took 0.11 s on one core, once per catalog."""

TEMPERATURE = 0.03
KEPT_LISTS = 64
"""Lists of values whose names' vectors are kept."""

MIN_SHARE = 0.5
"""A value is read where its share of a softmax of the cosines is at least this. With the embedded encoder, on 700 rows
of the fashion catalog held out from its training: the article (of 142) of 86 % of them, right in 89 %, the colour (of
46) of 57 %, right in 78 %; and the shares are about the rates at which they are right, 0.76 to 0.83 and 0.56 to 0.62
on average. Other encoders spread their cosines differently, and read more or less."""


class PhotoReader:
    """Reads attributes from the vectors of photos; caches the vectors of values' names. Safe in several threads."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._names: LRUCache[tuple[str, ...], Vectors] = LRUCache(KEPT_LISTS)

    def read(self, photos: Vectors, vocabulary: Vocabulary) -> dict[str, str]:
        """What photos, shape (n, d), show together, by the catalog's field; fields that are not clear are left out.

        Blocks: encodes the values' names where they are new. Raises EncoderError.
        """
        if not len(photos):
            return {}
        photo = photos.mean(axis=0)  # (d,)
        found: dict[str, str] = {}
        for field in photo_fields(vocabulary):
            values = vocabulary.fields[field]
            if len(values) <= MAX_VALUES:
                shares = softmax(self._name_vectors(values, photo) @ photo / TEMPERATURE)
                if shares.max() >= MIN_SHARE:
                    found[field] = values[int(shares.argmax())]
        return found

    def nearest(self, photo: Vectors, names: tuple[str, ...]) -> str:
        """The name that is nearest to a photo, shape (d,). Blocks; raises EncoderError."""
        return names[int((self._name_vectors(names, photo) @ photo).argmax())]

    def name_vector(self, name: str, photo: Vectors) -> Vectors:
        """The unit vector of one name beside a photo, shape (d,). Blocks; raises EncoderError."""
        return np.asarray(self._name_vectors((name,), photo)[0], np.float32)

    def _name_vectors(self, values: tuple[str, ...], photo: Vectors) -> Vectors:
        """The vectors of the values' names beside a photo, shape (n values, d), unit rows."""
        with self._lock:
            known = self._names.get(values)
        if known is None:
            known = self._encoder.encode_texts([facet_value(value) for value in values])
            with self._lock:
                self._names[values] = known
        return beside_image(known, photo)


def catalog_attributes_of(item: Item, vocabulary: Vocabulary) -> dict[str, str]:
    """What an item's fields say of its colour, pattern and article: their first values, folded."""
    return {field: values[0] for field in photo_fields(vocabulary) if (values := item_values(item, field))}


def photo_fields(vocabulary: Vocabulary) -> list[str]:
    """The catalog's fields for the attributes that a photo shows, as far as it has them."""
    fields = (
        next((field for name in names for field in vocabulary.fields_called(split(name))), None)
        for names in PHOTO_FIELDS.values()
    )
    return list(dict.fromkeys(field for field in fields if field is not None))


def softmax(logits: Vectors) -> Vectors:
    """Shares that add up to 1, shape (n,)."""
    powers = np.exp(logits - logits.max())
    return np.asarray(powers / powers.sum(), np.float32)
