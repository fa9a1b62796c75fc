"""Captions: what a shopper might type to find a product, and the statement each makes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from recipes.encoder.labels import LABELS, LabelledProduct, key, worded

LabelStatement = tuple[tuple[str, str], ...]
"""What a caption asserts, as (field, value) pairs; ``kind`` and ``text`` beside the labels of a product."""


PATTERNS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (7.0, ("colour", "kind", "gender")),
    (4.0, ("colour", "kind")),
    (2.5, ("kind", "gender")),
    (1.2, ("usage", "kind")),
    (0.8, ("season", "kind")),
    (0.8, ("colour", "gender")),
    (0.6, ("usage", "kind", "gender")),
    (2.0, ("pattern", "kind")),
    (2.0, ("material", "kind")),
    (2.0, ("colour", "pattern", "kind")),
    (2.0, ("colour", "material", "kind")),
    (1.0, ("colour", "pattern", "material", "kind", "gender")),
)
"""Which fields a phrase names, and how often among those the product has. Set by judgement: the usual wording
comes first."""

KIND_WEIGHTS = (6.0, 2.5, 1.5)
"""How often article, subcategory and category stand for what a thing is."""


@dataclass(frozen=True, slots=True)
class Caption:
    """A text, and what it says of the product it was made from."""

    text: str
    statement: LabelStatement


def phrase(fields: dict[str, str], *, possessive: bool = False) -> str:
    """Word labels in English order: ``casual navy striped linen shirt for men``."""
    order = ("season", "usage", "colour", "pattern", "material", "kind")
    words = [fields[field] for field in order if field in fields]
    gender = fields.get("gender")
    if gender and not words:
        return gender
    if gender:
        return " ".join([f"{gender}'s", *words] if possessive else [*words, "for", gender])
    return " ".join(words)


def single_values(product: LabelledProduct) -> Iterable[Caption]:
    """Every kind and every label by itself."""
    for name in product.names:
        yield Caption(name, (("kind", name),))
    for label in LABELS:
        if value := product.label(label):
            yield Caption(value, ((label, value),))


def from_labels(product: LabelledProduct, rng: random.Random) -> list[Caption]:
    """A phrase from some of the labels the product has, or its kind in other words; none where it has none."""
    possible = [(weight, fields) for weight, fields in PATTERNS if all(_has(product, field) for field in fields)]
    if product.kinds:
        possible.append((4.0, ("kind",)))
    if not possible:
        return []
    weights, patterns = zip(*possible, strict=True)
    fields = rng.choices(patterns, weights)[0]
    values = {field: product.label(field) for field in fields if field != "kind"}
    spoken = dict(values)
    if "kind" in fields:
        kind = rng.choices(product.kinds, KIND_WEIGHTS[: len(product.kinds)])[0]
        values["kind"] = kind
        spoken["kind"] = worded(kind, rng)
    return [Caption(phrase(spoken, possessive=rng.random() < 0.2), tuple(values.items()))]


def _has(product: LabelledProduct, field: str) -> bool:
    return bool(product.kinds) if field == "kind" else bool(product.label(field))


FIELDS = ("kind", "text", *LABELS)
_N_NAMES = 4
_N_TEXTS = 2
_ANYTHING = -1
_UNKNOWN = -2
_EMPTY = -3


class Facts:
    """Looks up, for a batch, which caption is true of which image.

    A caption that says ``Tshirts`` is true of every T-shirt in the batch, not just of the one it was written for, so a
    contrastive loss must not push the others away.
    """

    def __init__(self, products: Sequence[LabelledProduct]) -> None:
        self._ids: dict[str, int] = {}
        self._facts = torch.tensor([self._product_row(product) for product in products], dtype=torch.int32)

    def matches(self, indices: torch.Tensor, statements: Sequence[LabelStatement]) -> torch.Tensor:
        """Truth of each statement of each product; bool, shape (len(indices), len(statements)).

        ``indices`` are positions in the products that this was made from.
        """
        facts = self._facts[indices]  # (n, _N_NAMES + _N_TEXTS + labels)
        values = torch.tensor(
            [self._statement_row(statement) for statement in statements], dtype=torch.int32
        )  # (m, fields)
        names, texts = facts[:, :_N_NAMES], facts[:, _N_NAMES : _N_NAMES + _N_TEXTS]
        true = _any_equal(names, values[:, 0]) & _any_equal(texts, values[:, 1])
        for column in range(len(LABELS)):
            true &= _any_equal(facts[:, _N_NAMES + _N_TEXTS + column, None], values[:, 2 + column])
        return true  # (n, m)

    def _id(self, value: str, empty: int = _UNKNOWN) -> int:
        """A number for a value's key; an unknown fact and an empty statement have numbers that equal nothing else."""
        return self._ids.setdefault(key(value), len(self._ids)) if value else empty

    def _product_row(self, product: LabelledProduct) -> list[int]:
        names = [self._id(name) for name in product.names[:_N_NAMES]]
        names += [_UNKNOWN] * (_N_NAMES - len(names))
        texts = [self._id(product.title), self._id(product.description)]
        return names + texts + [self._id(product.label(label)) for label in LABELS]

    def _statement_row(self, statement: LabelStatement) -> list[int]:
        values = dict(statement)
        return [self._id(values[field], _EMPTY) if field in values else _ANYTHING for field in FIELDS]


def _any_equal(facts: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Whether any fact column equals the statement, or the statement asks for nothing; (n, c) and (m,) to (n, m)."""
    equal = (facts[:, :, None] == values[None, None, :]).any(dim=1)
    return equal | (values == _ANYTHING)[None, :]
