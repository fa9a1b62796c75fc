"""Parsed queries: a query's requirements and vectors, made once per request and read by every later stage."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import EncodedText, encoded_texts
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.answer import Stopwatch
from vitrina.search.types.calibration import QueryKind
from vitrina.search.types.errors import EncoderError, QueryError
from vitrina.search.types.filters import facet_value
from vitrina.search.types.item import Modality, StoredItem
from vitrina.search.types.models import Vectors
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.types.sizes import is_in_words, is_of_sizes
from vitrina.search.understanding.catalog_attributes import CatalogVocabulary, Vocabulary
from vitrina.search.understanding.composition import Composer, Composition
from vitrina.search.understanding.parser import DividedText, divided, parse
from vitrina.search.understanding.photo_attributes import PhotoReader, catalog_attributes_of, photo_requirements
from vitrina.search.understanding.tokens import signs_spelled, unpriced, with_corrections

log = logging.getLogger(__name__)

MOST_MEANT, FEW_MEANT = 200, 20
"""Of how many items, the best by their words, those that are what is meant may have a size, and how many may where
none is known to be."""


@dataclass(frozen=True, slots=True)
class VectorQuery:
    """One part of a query: its unit vector, shape (d,), its modality, and its weight, below 0 for what to avoid."""

    vector: Vectors
    modality: Modality
    weight: float


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """What one query asks for, as retrieval, calibration, reranking and explanations read it.

    ``of_text`` and ``of_without`` are the requirements of the query's two texts, in the order of their words, whatever
    the texts' weights; ``of_images`` are those of its images and of the items to resemble, empty where they were not
    read. ``composition`` is what text and images ask for together, None without both. ``text`` is what is searched for:
    the query's text, without what it denies, ``denied``, and with what its image shows if the two are composed;
    ``lacked`` are ingredients that things in it are called free of, and ``encoded`` is the text as it was embedded.
    ``vectors`` has one entry for each part of the query. ``vocabulary`` is the catalog's as of its ``version``, and
    ``excluded`` has the ids of items that must not be found, shape (n,). ``corrected`` has the words of the text as it
    was written, folded, in place of which ``query`` has others.
    """

    query: Query
    of_text: tuple[Requirement, ...]
    of_without: tuple[Requirement, ...]
    of_images: tuple[Requirement, ...]
    composition: Composition | None
    text: str
    denied: tuple[str, ...]
    vectors: tuple[VectorQuery, ...]
    vocabulary: Vocabulary
    excluded: NDArray[np.int64]
    corrected: Mapping[str, str] = field(default_factory=dict)
    lacked: tuple[str, ...] = ()
    encoded: EncodedText | None = None

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """Everything that is asked for, each once: words first, then images; without parts whose weight is 0."""
        return (*word_requirements(self.query, self.of_text, self.of_without), *self.of_images)

    @property
    def of_catalog(self) -> tuple[Requirement, ...]:
        """What items are matched against by their fields: the text's requirements, and those composed with them."""
        return (*self.of_text, *self.composition.shown) if self.composition else self.of_text

    @property
    def kind(self) -> QueryKind:
        """What the query asks with; what it avoids does not count."""
        asked = {part.modality for part in self.vectors if part.weight > 0}
        if len(asked) == 2:
            return QueryKind.BOTH
        return QueryKind.TEXT if "text" in asked else QueryKind.IMAGE


def word_requirements(
    query: Query, of_text: Sequence[Requirement], of_without: Sequence[Requirement]
) -> tuple[Requirement, ...]:
    """The requirements of a query's texts that have a weight, each once."""
    if not query.weights.text:
        return ()
    return tuple(dict.fromkeys((*of_text, *(of_without if query.weights.without else ()))))


class QueryParser:
    """Parses the queries of one catalog with one encoder. Safe to call from several threads."""

    def __init__(self, catalog: Catalog, encoder: Encoder, replica: IndexReplica) -> None:
        self.vocabulary = CatalogVocabulary(catalog)
        self._catalog = catalog
        self._encoder = encoder
        self._replica = replica
        self._photos = PhotoReader(encoder)
        self._composer = Composer(catalog, encoder, replica, self._photos)

    def parse(self, query: Query, watch: Stopwatch, *, for_verdicts: bool = False) -> ParsedQuery:
        """Take a query apart and encode it; with ``for_verdicts`` its images become requirements, too, and
        those that texts may tell have synonyms.

        Raises NotFoundError for a sku that is not in the catalog, and QueryError where there is nothing to resemble.
        Blocks; encodes on the GPU where the encoder has one.
        """
        with watch.stage("encode"):
            excluded = np.array([self._catalog.item(sku).id for sku in query.exclude_skus], np.int64)
            items = [self._catalog.item(sku) for sku in query.skus]
            images = self._encoder.encode_images(query.images)  # (n images, d)
            shown = self._image_vectors(query, images, items)
        with watch.stage("requirements"):
            query = replace(query, text=self._replica.lexical.with_umlauts(query.text))
            typed = (query.text, query.without) if query.correct else ()
            corrected = dict(chain.from_iterable(self._replica.lexical.corrections(each).items() for each in typed))
            query = replace(
                query,
                text=with_corrections(query.text, corrected),
                without=with_corrections(query.without, corrected),
            )
            vocabulary = self.vocabulary.current(self._replica.lexical.language)
            of_text = tuple(parse(query.text, vocabulary))
            of_text = with_known_sizes(of_text, vocabulary, self._replica)
            if for_verdicts:
                of_text = tuple(self._with_synonyms(each, vocabulary) for each in of_text)
            of_without = tuple(parse(query.without, vocabulary, wanted=False))
            words = word_requirements(query, of_text, of_without)
            said = self._divided(query, of_text, vocabulary)
            composition = self._composed(query, said.wanted, words, shown, items, vocabulary)
            text = composition.text if composition else said.wanted
            of_images = composition.shown if composition else ()
            if composition is None and for_verdicts and query.weights.image:
                of_images = self._read(items, images, vocabulary, words)
        with watch.stage("encode"):
            of_words, encoded = self._text_vectors(query, text, said.denied)
            vectors = (*of_words, *without_taken(shown, composition))
            check_resembles(query, vectors)
        return ParsedQuery(
            query,
            of_text,
            of_without,
            of_images,
            composition,
            text,
            said.denied,
            vectors,
            vocabulary,
            excluded,
            corrected,
            said.lacked,
            encoded,
        )

    def _with_synonyms(self, asked: Requirement, vocabulary: Vocabulary) -> Requirement:
        """A requirement that is free, or names a kind of thing, with what else texts may call that."""
        if not asked.wanted or not (asked.is_free or asked.field in vocabulary.kind_fields):
            return asked
        return replace(asked, synonyms=(asked.words, *self._replica.lexical.rewordings(asked.words)))

    def _divided(self, query: Query, of_text: Sequence[Requirement], vocabulary: Vocabulary) -> DividedText:
        """The query's text without prices that are understood, divided where it denies something and something else is
        wanted."""
        has_price = any(each.bounds for each in of_text)
        whole = DividedText((unpriced(query.text) if has_price else "") or signs_spelled(query.text))
        if all(each.wanted for each in of_text):
            return whole
        found = divided(query.text, vocabulary)
        return found if found.wanted or query.images or query.skus else whole

    def _composed(
        self,
        query: Query,
        wanted: str,
        words: Sequence[Requirement],
        shown: Sequence[VectorQuery],
        items: Sequence[StoredItem],
        vocabulary: Vocabulary,
    ) -> Composition | None:
        """What a query's text and images ask for together; None where it has but one of them."""
        if not (query.text and query.weights.text and query.weights.image and shown):
            return None
        photos = [part.vector for part in shown if part.modality == "image"]
        vectors = np.array(photos, np.float32).reshape(len(photos), self._encoder.identity.dimension)
        try:
            return self._composer.compose(wanted, words, vectors, [each.item for each in items], vocabulary)
        except EncoderError as error:
            log.warning("The query's text and images are searched for apart, since they cannot be composed: %s", error)
            return None

    def _text_vectors(
        self, query: Query, text: str, denied: Sequence[str]
    ) -> tuple[list[VectorQuery], EncodedText | None]:
        """The vectors of the words that are searched for, of those that the text denies, and of those to avoid; and
        the first with their word pieces, None where nothing is searched for."""
        weights = query.weights
        avoided = -weights.without if weights.text else 0.0
        texts = [(text, weights.text), (", ".join(denied), avoided), (query.without, -weights.without)]
        texts = [(text, weight) for text, weight in texts if text.strip() and weight]
        if not texts:
            return [], None
        encoded = encoded_texts(self._encoder, [text for text, _ in texts])
        vectors = [VectorQuery(each.vector, "text", weight) for each, (_, weight) in zip(encoded, texts, strict=True)]
        return vectors, encoded[0] if texts[0][1] > 0 else None

    def _image_vectors(self, query: Query, images: Vectors, items: Sequence[StoredItem]) -> list[VectorQuery]:
        """The vectors of images and of items to resemble, which share the weight of images."""
        found: list[tuple[Vectors, Modality]] = [(vector, "image") for vector in images]
        found += [each for stored in items for each in self._vectors_of(stored)]
        weight = query.weights.image / max(len(found), 1)
        return [VectorQuery(vector, modality, weight) for vector, modality in found if weight]

    def _vectors_of(self, stored: StoredItem) -> list[tuple[Vectors, Modality]]:
        """The vectors of an item's images or, where it has none, of its text."""
        modalities: tuple[Modality, ...] = ("image", "text")
        for modality in modalities:
            rows = self._replica.indexes[modality].rows_of(np.array([stored.id]))
            if len(rows):
                return [(vector, modality) for vector in rows.vectors]
        return []

    def _read(
        self, items: Sequence[StoredItem], images: Vectors, vocabulary: Vocabulary, words: Sequence[Requirement]
    ) -> tuple[Requirement, ...]:
        """What the images and the items to resemble show, as requirements; of several items the first counts."""
        shown: dict[str, str] = {}
        for stored in items:
            shown = catalog_attributes_of(stored.item, vocabulary) | shown
        try:
            shown |= self._photos.read(images, vocabulary)
        except EncoderError as error:
            log.warning("The query's images are searched for, but their attributes cannot be read: %s", error)
        return photo_requirements(shown, vocabulary, words)


def with_known_sizes(
    asked: tuple[Requirement, ...], vocabulary: Vocabulary, replica: IndexReplica
) -> tuple[Requirement, ...]:
    """What is asked for, where a size in words that none of the things meant has only describes them: a large bag."""
    rest = " ".join(each.words for each in asked if each.wanted and not (is_size(each) or each.bounds))
    if not rest or not any(map(is_size, asked)):
        return asked
    found = replica.lexical.match(rest).best(MOST_MEANT).item_ids
    are_meant = replica.lexical.called(rest, found)
    for each in asked:
        if each.wanted and each.field in vocabulary.kind_fields:
            are_meant |= having(each, found, replica)
    meant = found[are_meant] if are_meant.any() else found[:FEW_MEANT]
    unknown = [each for each in asked if is_size(each) and not having(each, meant, replica).any()]
    return tuple(Requirement(each.words) if each in unknown else each for each in asked)


def having(asked: Requirement, item_ids: NDArray[np.int64], replica: IndexReplica) -> NDArray[np.bool_]:
    """Which of some items have a value that is asked for, shape (n,)."""
    return replica.facets.having(asked.field, [*map(facet_value, asked.values)], item_ids)


def is_size(asked: Requirement) -> bool:
    """Whether a requirement is of a size in words, which may be no size at all."""
    return asked.wanted and is_of_sizes(asked.field) and is_in_words(asked.words)


def without_taken(shown: Sequence[VectorQuery], composition: Composition | None) -> list[VectorQuery]:
    """The parts of the images, without what words replace."""
    if composition is None:
        return list(shown)
    share = composition.photo_share
    return [
        replace(
            part,
            weight=part.weight * share,
            vector=composition.of_photo(part.vector) if part.modality == "image" else part.vector,
        )
        for part in shown
    ]


def check_resembles(query: Query, vectors: Sequence[VectorQuery]) -> None:
    """Raise QueryError where nothing is left to search for."""
    if not any(part.weight > 0 for part in vectors):
        raise QueryError(
            f"There is nothing to resemble: {', '.join(query.skus)} has neither pictures nor words.",
            remedy="Name another sku, or give a text or a picture.",
        )
