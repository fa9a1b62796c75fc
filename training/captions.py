"""Captions: what a shopper might type to find a product, and the claim each makes."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass

from training.product import Product
from training.wording import wordings

Claim = tuple[tuple[str, str], ...]
"""What a caption asserts, as (field, value) pairs; ``kind`` and ``text`` beside the labels of a product."""

PATTERNS: tuple[tuple[float, tuple[str, ...]], ...] = (
    (5.0, ("kind",)),
    (6.0, ("colour", "kind", "gender")),
    (4.0, ("colour", "kind")),
    (2.5, ("kind", "gender")),
    (1.2, ("colour",)),
    (1.2, ("usage", "kind")),
    (0.8, ("season", "kind")),
    (0.8, ("colour", "gender")),
    (0.6, ("usage", "kind", "gender")),
    (0.4, ("usage",)),
    (0.4, ("season",)),
    (0.4, ("gender",)),
    (2.0, ("pattern", "kind")),
    (2.0, ("material", "kind")),
    (2.0, ("colour", "pattern", "kind")),
    (2.0, ("colour", "material", "kind")),
    (1.0, ("colour", "pattern", "material", "kind", "gender")),
    (0.6, ("pattern",)),
    (0.6, ("material",)),
)
"""Which fields a caption names, and how often among those the product has. Set by judgement: the three wordings that
issue 2 measures come first."""

KIND_WEIGHTS = (6.0, 2.5, 1.5)
"""How often article, subcategory and category stand for what a thing is."""

_OWN_WORD_SHARE = 0.6
_TITLE_SHARE = 0.5
_DESCRIPTION_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Caption:
    """A text and what it claims about the product it was made from."""

    text: str
    claim: Claim


def sample_captions(product: Product, dice: random.Random) -> tuple[Caption, ...]:
    """Two captions for one training step: the shop's own text half of the time, labels otherwise; at least one."""
    first = _own_text(product, dice) if dice.random() < _TITLE_SHARE else None
    captions = (first or _from_labels(product, dice), _from_labels(product, dice))
    found = tuple(caption for caption in captions if caption)
    return found or (Caption(product.title, (("text", product.title),)),)


def all_texts(products: Iterable[Product], dice: random.Random) -> Iterable[str]:
    """The texts a vocabulary is learnt from: every title, description and kind, and a sample of captions."""
    for product in products:
        yield product.title
        yield product.description
        yield from (wording for kind in product.kinds for wording in wordings(kind))
        yield from (caption.text for caption in sample_captions(product, dice))


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


def _own_text(product: Product, dice: random.Random) -> Caption | None:
    """The title or the description."""
    described = product.description and dice.random() < _DESCRIPTION_SHARE
    text = product.description if described else product.title
    return Caption(text, (("text", text),)) if text else None


def _from_labels(product: Product, dice: random.Random) -> Caption | None:
    """A caption from some of the labels the product has."""
    possible = [(weight, fields) for weight, fields in PATTERNS if all(_has(product, field) for field in fields)]
    if not possible:
        return None
    weights, patterns = zip(*possible, strict=True)
    fields = dice.choices(patterns, weights)[0]
    values = {field: product.label(field) for field in fields if field != "kind"}
    spoken = dict(values)
    if "kind" in fields:
        kind = dice.choices(product.kinds, KIND_WEIGHTS[: len(product.kinds)])[0]
        values["kind"] = kind
        spoken["kind"] = kind if dice.random() < _OWN_WORD_SHARE else dice.choice(wordings(kind))
    return Caption(phrase(spoken, possessive=dice.random() < 0.2), tuple(values.items()))


def _has(product: Product, field: str) -> bool:
    return bool(product.kinds) if field == "kind" else bool(product.label(field))
