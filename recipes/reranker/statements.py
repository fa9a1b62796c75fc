"""Statements to be judged yes or no, drawn in pairs of products so that the words alone say nothing."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.encoder.facts import Caption, LabelStatement, from_labels, phrase, single_values
from recipes.encoder.images import decode
from recipes.encoder.labels import LABELS, LabelledProduct, key, worded
from vitrina.search.encoders.base import Encoder, TextEncoder
from vitrina.search.types.requirement import Status

_key = lru_cache(maxsize=100_000)(key)


def status_of(product: LabelledProduct, statement: LabelStatement) -> Status:
    """Whether a statement holds: contradicted where a label says otherwise, unknown where one is missing and none does.

    ``Facts.matches`` does not distinguish these two: for a contrastive loss a missing label is as good as another one,
    for a verdict it is not. The statement must be worded as the product's own shop words it.
    """
    statuses = {_of_field(product, field, value) for field, value in statement}
    for worst in (Status.CONTRADICTED, Status.UNKNOWN):
        if worst in statuses:
            return worst
    return Status.MET


def same(one: str, other: str) -> bool:
    """Whether two spellings are of one value."""
    return _key(one) == _key(other)


def _of_field(product: LabelledProduct, field: str, value: str) -> Status:
    known = (*product.names, product.title) if field == "kind" else (product.label(field),)
    if not known[0]:
        return Status.UNKNOWN
    return Status.MET if _key(value) in {_key(name) for name in known} else Status.CONTRADICTED


Fields = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JudgedStatement:
    """A statement about one product, in a shopper's words and as fields with values, and what is true of it."""

    text: str
    statement: LabelStatement
    status: Status


@dataclass(frozen=True, slots=True)
class Round:
    """How to pair products, each once: equal in the ``shared`` fields and different in ``differing``, or at random if
    that is empty; across shops as well unless ``within_shop``. With ``alike`` only products of one cluster of similar
    images are paired."""

    differing: str = ""
    shared: Fields = ()
    within_shop: bool = True
    alike: bool = False


ROUNDS = (
    Round("colour", ("kind", "gender")),
    Round("colour", alike=True),
    Round("kind", ("colour", "gender")),
    Round("kind", alike=True),
    Round("gender", ("kind", "colour")),
    Round(),
    Round(within_shop=False),
)
"""Near misses first: the right article in another colour, and so on. They are the harder half, and what a shopper is
shown when the retrieval is good. Similar images are what the retrieval itself confuses: navy and black, tops and
t-shirts."""

PHRASES: tuple[tuple[float, Fields], ...] = (
    (6.0, ("colour", "kind", "gender")),
    (3.0, ("colour", "kind")),
    (1.5, ("kind", "gender")),
    (1.0, ("colour",)),
    (1.0, ("kind",)),
    (1.0, ("gender",)),
    (1.0, ("title",)),
)
"""What a near miss is asked by, and how often; set by judgement, the usual wording comes first."""

_SINGLE_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class LabelledItem:
    """A product to draw statements about: its position in the epoch, its labels, the name of its shop, and its cluster
    of similar images."""

    place: int
    product: LabelledProduct
    shop: str
    cluster: int


def draw_statements(
    products: Sequence[LabelledProduct],
    shops: Sequence[str],
    rng: random.Random,
    rounds: Sequence[Round] = ROUNDS,
    clusters: Sequence[int] | None = None,
    meanings: Apartness | None = None,
) -> list[list[JudgedStatement]]:
    """The statements about each product, at its position; a product may come several times. ``shops`` names each one's
    shop. ``clusters`` has each one's cluster of similar images; without it the rounds over clusters are left out.

    Only one of ``LABELLED_SHOPS`` is trusted that two of its labels differ: elsewhere a sofa is a couch as well, and
    products are paired only where their ``meanings`` are apart, without these not at all across shops.
    """
    given = clusters or [0] * len(products)
    items = [LabelledItem(place, *each) for place, each in enumerate(zip(products, shops, given, strict=True))]
    statements: list[list[JudgedStatement]] = [[] for _ in items]
    for chosen in rounds:
        if chosen.alike and clusters is None:
            continue
        for one, other in _pairs(items, chosen, rng):
            if not _may_differ(one, other, chosen, meanings):
                continue
            for item, judged in _asked_of_both(one, other, chosen, rng):
                statements[item.place].append(judged)
    return statements


class Apartness(Protocol):
    """Tells whether what is true of one product is false of another."""

    def are_apart(self, one: LabelledProduct, other: LabelledProduct) -> bool:
        """Whether nothing that one product is called could also be said of the other."""

    def differ(self, one: str, other: str) -> bool:
        """Whether two values of a label are two."""


def _may_differ(one: LabelledItem, other: LabelledItem, chosen: Round, meanings: Apartness | None) -> bool:
    if one.shop == other.shop and (one.shop in LABELLED_SHOPS or meanings is None):
        return chosen.differing != "title" or _labelled_apart(one.product, other.product)
    if meanings is None:
        return False
    if chosen.differing and chosen.differing != "kind" and one.shop == other.shop:
        return meanings.differ(one.product.value(chosen.differing), other.product.value(chosen.differing))
    return meanings.are_apart(one.product, other.product)


def _labelled_apart(one: LabelledProduct, other: LabelledProduct) -> bool:
    """Whether a label or the kind says that neither product could have the other's title."""
    pairs = [(one.value(field), other.value(field)) for field in ("kind", "fine", "colour", "gender")]
    return any(own and others and not same(own, others) for own, others in pairs)


LABELLED_SHOPS = frozenset({"fashion", "grocery", "clothing", "boutique"})
"""Whose labels are of one list, each of another meaning."""

SAME_KIND, SAME_VALUE = 0.6, 0.8
"""Cosines of the encoder's text vectors from which two kinds, or two values, may be one: sofa and couch .84, mug and
cup .70, shirt and jacket .57, dog and cat .65; sea green and light sea green .91, red and green .65."""


class Meanings:
    """What products are called, as unit vectors, so that none is denied what it is by another word.

    ``vectors`` float32, shape (n names, d), by the names in lower case.
    """

    def __init__(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        self._vectors = vectors

    @classmethod
    def embedded_by(cls, encoder: TextEncoder, products: Sequence[LabelledProduct]) -> Meanings:
        """From the embeddings of every name and value of the products. Blocks, for a second per few hundred."""
        texts = {name for product in products for name in _called(product)}
        texts |= {product.label(label).lower() for product in products for label in LABELS}
        texts |= {product.title.lower() for product in products if _is_named_by_title(product)}
        ordered = sorted(text for text in texts if text)
        return cls(dict(zip(ordered, encoder.encode_texts(ordered), strict=True)))

    def are_apart(self, one: LabelledProduct, other: LabelledProduct) -> bool:
        """Whether nothing that one product is called could also be said of the other."""
        own, others = ([self._vectors[name] for name in _called(product)] for product in (one, other))
        return bool(own and others) and float((np.stack(own) @ np.stack(others).T).max()) < SAME_KIND

    def differ(self, one: str, other: str) -> bool:
        """Whether two values of a label are two."""
        if not (set(one.lower().split()) - set(other.lower().split())):
            return False
        if one.lower() not in self._vectors or other.lower() not in self._vectors:
            return False
        return float(self._vectors[one.lower()] @ self._vectors[other.lower()]) < SAME_VALUE


def _is_named_by_title(product: LabelledProduct) -> bool:
    """Whether the title is what the thing is, with its colour perhaps: ``yellow armchair``."""
    return any(product.title.lower().endswith(kind.lower()) for kind in product.kinds[:1])


def _called(product: LabelledProduct) -> list[str]:
    """What a product is, in lower case, but for the widest kind where there are more: two kinds of furniture differ."""
    return [name.lower() for name in (product.names[:-1] if len(product.names) > 1 else product.names)]


def _pairs(
    items: Sequence[LabelledItem], chosen: Round, rng: random.Random
) -> Iterator[tuple[LabelledItem, LabelledItem]]:
    """Pairs in which no item comes twice, and nearly all of them once."""
    groups: dict[tuple[str | int, ...], list[LabelledItem]] = defaultdict(list)
    for item in items:
        values = tuple(item.product.value(field) for field in chosen.shared)
        if all(values) and (not chosen.differing or item.product.value(chosen.differing)):
            groups[(item.shop if chosen.within_shop else "", item.cluster if chosen.alike else 0, *values)].append(item)
    for group in groups.values():
        yield from _halved(_by_value(group, chosen.differing, rng))


def _by_value(group: list[LabelledItem], field: str, rng: random.Random) -> list[LabelledItem]:
    """Shuffled; with a field, items of one value next to each other, the values in random order."""
    rng.shuffle(group)
    if not field:
        return group
    order = {value: rng.random() for value in sorted({item.product.value(field) for item in group})}
    return sorted(group, key=lambda item: order[item.product.value(field)])


def _halved(group: Sequence[LabelledItem]) -> Iterator[tuple[LabelledItem, LabelledItem]]:
    """Each item of the first half with its counterpart in the second: of another value, unless one has the majority."""
    half = len(group) // 2
    yield from zip(group[:half], group[half:], strict=False)


def _asked_of_both(
    one: LabelledItem, other: LabelledItem, chosen: Round, rng: random.Random
) -> Iterable[tuple[LabelledItem, JudgedStatement]]:
    """What is true of one and false of the other, asked of both, and the other way round; nothing where either is not
    plainly false of the other."""
    written = _written(one.product, other.product, chosen, rng)
    if written is None:
        return ()
    own, others = written
    if status_of(other.product, own.statement) is not Status.CONTRADICTED:
        return ()
    if status_of(one.product, others.statement) is not Status.CONTRADICTED:
        return ()
    return (
        (one, JudgedStatement(own.text, own.statement, Status.MET)),
        (one, JudgedStatement(others.text, others.statement, Status.CONTRADICTED)),
        (other, JudgedStatement(others.text, others.statement, Status.MET)),
        (other, JudgedStatement(own.text, own.statement, Status.CONTRADICTED)),
    )


def _written(
    one: LabelledProduct, other: LabelledProduct, chosen: Round, rng: random.Random
) -> tuple[Caption, Caption] | None:
    if not chosen.differing:
        own, others = _anything(one, rng), _anything(other, rng)
        return (own, others) if own and others else None
    if same(one.value(chosen.differing), other.value(chosen.differing)):
        return None
    possible = [
        (weight, fields)
        for weight, fields in PHRASES
        if chosen.differing in fields and all(one.value(field) and other.value(field) for field in fields)
    ]
    weights, patterns = zip(*possible, strict=True)
    fields = rng.choices(patterns, weights)[0]
    return _phrased(one, fields, rng), _phrased(other, fields, rng)


def _anything(product: LabelledProduct, rng: random.Random) -> Caption | None:
    singles = list(single_values(product))
    if singles and rng.random() < _SINGLE_SHARE:
        return rng.choice(singles)
    return next(iter(from_labels(product, rng)), None)


def _phrased(product: LabelledProduct, fields: Fields, rng: random.Random) -> Caption:
    """A phrase of just these fields, its kind in the catalog's word or another; a title as it is."""
    if fields == ("title",):
        return Caption(product.title, (("title", product.title),))
    values = {field: product.value(field) for field in fields}
    spoken = dict(values)
    if "kind" in values:
        spoken["kind"] = worded(values["kind"], rng)
    return Caption(phrase(spoken, possessive=rng.random() < 0.2), tuple(values.items()))


NAMED_ROUNDS = (Round("kind", alike=True), Round("kind"))
"""Of ImageNet's names, in which each image is of the shop ``NAMED``."""

NAMED = "imagenet"
LIKELY, UNLIKELY = 0.7, 0.02

AGREEING = 0.45
"""Cosine of the encoder's text vectors from which a class may be another word for what a product is called: the
classifier is as sure where it is wrong, that a Golden Delicious is a lemon, or an earring a dumbbell."""


class SoftLabels:
    """What ImageNet's classifier says of images: statements with the names of its classes, true where it is sure and
    what the product is called agrees, and false of another image of which it is sure that it is not.

    ``probabilities`` float, shape (n images, n classes); ``names`` are the names of each class, none where a class
    is not to be named; ``agreeing`` bool, of the same shape as the probabilities.
    """

    def __init__(
        self, probabilities: NDArray[np.float16], names: Sequence[Sequence[str]], agreeing: NDArray[np.bool_]
    ) -> None:
        self._probabilities, self._names = probabilities, names
        self._best = probabilities.argmax(axis=1)
        rows = np.arange(len(probabilities))
        self._is_sure = (probabilities[rows, self._best] >= LIKELY) & agreeing[rows, self._best]

    @classmethod
    def checked_by(
        cls,
        encoder: TextEncoder,
        products: Sequence[LabelledProduct],
        probabilities: NDArray[np.float16],
        names: Sequence[Sequence[str]],
    ) -> SoftLabels:
        """With the classes that may be another word for what each product is called. Blocks for seconds."""
        spoken = [names[at][0] if names[at] else "nothing" for at in range(len(names))]
        called = [" ".join(_called(product)[:1]) or product.title.lower() for product in products]
        once = sorted(set(called))
        places = {text: at for at, text in enumerate(once)}
        alike = encoder.encode_texts(once) @ encoder.encode_texts(spoken).T >= AGREEING  # (n texts, n classes)
        return cls(probabilities, names, alike[[places[text] for text in called]])

    def draw(
        self, indices: Sequence[int], clusters: Sequence[int], rng: random.Random
    ) -> dict[int, list[JudgedStatement]]:
        """Statements about the images at ``indices``, by their places in it."""
        places = [place for place, at in enumerate(indices) if self._is_sure[at] and self._names[self._best[at]]]
        called = [self._called(indices[place], rng) for place in places]
        drawn = draw_statements(
            called, [NAMED] * len(called), rng, NAMED_ROUNDS, [clusters[place] for place in places], self
        )
        return dict(zip(places, drawn, strict=True))

    def _called(self, index: int, rng: random.Random) -> LabelledProduct:
        """The image as a product: its position, and one of the names of its class."""
        return LabelledProduct(str(index), kinds=(rng.choice(self._names[self._best[index]]),))

    def are_apart(self, one: LabelledProduct, other: LabelledProduct) -> bool:
        """Whether the classifier is sure that neither image is of the other's class."""
        first, second = int(one.sku), int(other.sku)
        crossed = (self._probabilities[first, self._best[second]], self._probabilities[second, self._best[first]])
        return bool(max(crossed) < UNLIKELY)

    def differ(self, one: str, other: str) -> bool:
        """Never asked: a class is a kind."""
        return not same(one, other)


ALIKE = 16
"""Products in a cluster on average: enough that most find a partner of another label, few enough to be similar."""

_BATCH = 1024


class HardNegatives:
    """Clusters products by their images' ``vectors``, float32, shape (n, dimension), unit rows, for near misses."""

    def __init__(self, vectors: torch.Tensor) -> None:
        self._vectors = vectors

    @classmethod
    def embedded_by(cls, encoder: Encoder, images: Sequence[bytes]) -> HardNegatives:
        """From the embeddings of encoded images. Blocks, for a second per few hundred."""
        starts = range(0, len(images), _BATCH)
        batches = ([decode(image) for image in images[start : start + _BATCH]] for start in starts)
        return cls(torch.cat([torch.from_numpy(encoder.encode_images(batch)) for batch in batches]))

    def clusters(self, indices: torch.Tensor, rng: torch.Generator) -> list[int]:
        """The cluster of each product: the nearest of some products drawn at random, so that similar products
        are grouped differently each time."""
        n = len(self._vectors)
        drawn = self._vectors[torch.randperm(n, generator=rng)[: max(1, n // ALIKE)]]
        nearest = torch.cat([(part @ drawn.T).argmax(dim=1) for part in torch.split(self._vectors, _BATCH)])
        return nearest[indices].tolist()
