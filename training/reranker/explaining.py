"""Lessons in explaining: verdicts made up from labels, and the sentences that say them."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from search.requirements.requirement import Requirement
from search.reranking.explaining.sentences import explanation
from search.reranking.prompts import MAX_EXPLANATION_CHARACTERS
from search.reranking.verdict import Evidence, Standing, Verdict
from training.product import LABELS, Product
from training.reranker.truth import same

KINDS = ("article", "subcategory", "category")

MAX_VERDICTS = 4

_STANDINGS = (Standing.MET, Standing.CONTRADICTED, Standing.UNKNOWN)
_SHARES = (0.5, 0.3, 0.2)
_WANTED_SHARE = 0.85
_FREE_SHARE = 0.2
_SEEN_SHARE = 0.8
_DISAGREEMENT_SHARE = 0.08

FREE = (
    "see-through", "striped", "waterproof", "long sleeves", "short sleeves", "a hood", "pockets", "high heels", "a zip",
    "floral", "plain", "a logo", "buttons", "laces", "a round neck", "a collar", "shiny", "soft", "stretchy", "vintage",
    "organic", "ripe", "with a belt", "for running", "for the office", "slim fit", "loose", "checked", "dotted",
)  # fmt: skip
"""What shoppers ask for that catalogs have no field for."""


@dataclass(frozen=True)
class Lexicon:
    """Every value of every field of some products, and words for what has no field; all in lower case."""

    values: Mapping[str, tuple[str, ...]]
    free: tuple[str, ...] = FREE

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All of it, each once."""
        return tuple(dict.fromkeys((*(value for values in self.values.values() for value in values), *self.free)))

    @classmethod
    def of(cls, products: Sequence[Product]) -> Lexicon:
        """Collect the values; fields with fewer than two are left out."""
        values: dict[str, set[str]] = {}
        for product in products:
            for field, value in fields_of(product).items():
                values.setdefault(field, set()).add(value)
        words = {word for product in products[::10] for word in product.title.lower().split() if word.isalpha()}
        return cls(
            {field: tuple(sorted(found)) for field, found in sorted(values.items()) if len(found) > 1},
            (*FREE, *sorted(word for word in words if len(word) > 2)),
        )


def fields_of(product: Product) -> dict[str, str]:
    """A product's labels by the names of the catalog's fields, in lower case."""
    kinds = dict(
        zip(KINDS if len(product.kinds) == len(KINDS) else ("article", "category"), product.kinds, strict=False)
    )
    labels = {label: product.label(label) for label in LABELS}
    return {field: value.lower() for field, value in (kinds | labels).items() if value}


def draw_verdicts(lexicon: Lexicon, dice: random.Random) -> list[Verdict]:
    """One to ``MAX_VERDICTS`` verdicts, each about something else, that one explanation has room for."""
    while True:
        n_verdicts = dice.choice(range(1, MAX_VERDICTS + 1))
        n_free = sum(dice.random() < _FREE_SHARE for _ in range(n_verdicts))
        fields = dice.sample(sorted(lexicon.values), min(n_verdicts - n_free, len(lexicon.values)))
        verdicts = [_about_field(lexicon, field, dice) for field in fields]
        verdicts += [_verdict(Requirement(words), None, dice) for words in dice.sample(lexicon.free, n_free)]
        dice.shuffle(verdicts)
        if verdicts and len(explanation(verdicts)) <= MAX_EXPLANATION_CHARACTERS * 4 // 5:
            return verdicts


def _about_field(lexicon: Lexicon, field: str, dice: random.Random) -> Verdict:
    words, other = dice.sample(lexicon.values[field], 2)
    seen = None if same(words, other) or dice.random() >= _SEEN_SHARE else other
    return _verdict(Requirement(words, field, (words,)), seen, dice)


def _verdict(requirement: Requirement, seen: str | None, dice: random.Random) -> Verdict:
    wanted = dice.random() < _WANTED_SHARE
    asked = Requirement(requirement.words, requirement.field, requirement.values, wanted)
    standing = dice.choices(_STANDINGS, _SHARES)[0]
    disagreement = None
    if seen is not None and dice.random() < _DISAGREEMENT_SHARE:
        disagreement = f"listing says {requirement.words}, photo looks {seen}"
    probability = {Standing.MET: 0.9, Standing.CONTRADICTED: 0.1, Standing.UNKNOWN: 0.5}[standing]
    return Verdict(asked, standing, probability, Evidence.IMAGE, seen=seen, disagreement=disagreement)
