"""Questions to a shop whose answers its labels give: queries by text, by photo and by both, and for what it lacks."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from evaluation.observation import Example
from search.query import Query
from training.captions import Claim, phrase
from training.corpus import Rows
from training.facts import Facts
from training.pictures import decode
from training.product import Product
from training.wording import key, wordings

PATTERNS: Mapping[tuple[str, ...], float] = {
    ("kind",): 4,
    ("colour", "kind"): 2,
    ("colour", "kind", "gender"): 3,
    ("kind", "gender"): 1,
    ("usage", "kind"): 1,
    ("season", "kind"): 1,
    ("colour",): 1,
    ("usage",): 0.5,
    ("text",): 4,
}
"""What the queries by text name, and how often; ``text`` is a whole title. Set by judgement."""

KIND_WEIGHTS = (6.0, 2.5, 1.5)
"""How often article, subcategory and category stand for what a thing is, as in the training captions."""


class Questions:
    """Draws examples for one catalog: ``held`` says which rows it has, shape (n,). Its skus are the rows' positions."""

    def __init__(self, rows: Rows, held: NDArray[np.bool_], seed: int) -> None:
        self.rows = rows
        self.held = held
        self.facts = Facts(rows.products)
        self.dice = random.Random(seed)

    def by_text(self, n: int) -> Iterator[Example]:
        """Labels, phrases and titles that at least one row answers; each text once."""
        asked: dict[str, Claim] = {}
        for product in self._some(n):
            text, claim = self._text_of(product)
            asked.setdefault(text, claim)
        for text, relevant in zip(asked, self._answers(list(asked.values())), strict=True):
            if text and relevant:
                yield Example(Query(text), relevant)

    def by_photo(self, n: int) -> Iterator[Example]:
        """Photos, most of them in the catalog; right is what is the same article."""
        shown = [at for at in self._positions(n) if self.rows.products[at].kinds]
        same = self._answers([_same_article(self.rows.products[at]) for at in shown])
        for at, relevant in zip(shown, same, strict=True):
            if relevant:
                yield Example(Query(images=(decode(self.rows.pictures[at]),)), relevant)

    def by_both(self, n: int) -> Iterator[Example]:
        """A photo and the article, colour or both of another product of its article: "like this, in red"."""
        products = self.rows.products
        shown = [at for at in self._positions(n) if products[at].kinds]
        claims = [self._wish(products[at]) for at in shown]
        for at, claim, relevant in zip(shown, claims, self._answers(claims), strict=True):
            wish = dict(claim)
            if self.dice.random() < 0.5 and "colour" in wish:
                del wish["kind"]
            if relevant:
                yield Example(Query(phrase(wish).lower(), images=(decode(self.rows.pictures[at]),)), relevant)

    def _text_of(self, product: Product) -> tuple[str, Claim]:
        """A text that a shopper might type to find a product, and what it claims."""
        possible = [(fields, weight) for fields, weight in PATTERNS.items() if all(_value(product, f) for f in fields)]
        if not possible:
            return "", ()
        fields = self.dice.choices([fields for fields, _ in possible], [weight for _, weight in possible])[0]
        if fields == ("text",):
            return product.title, (("text", product.title),)
        values = {field: _value(product, field) for field in fields}
        spoken = dict(values)
        if "kind" in fields:
            values["kind"] = self.dice.choices(product.kinds, KIND_WEIGHTS[: len(product.kinds)])[0]
            spoken["kind"] = self.dice.choice(wordings(values["kind"]))
        return phrase(spoken), tuple(values.items())

    def _wish(self, product: Product) -> Claim:
        """The article, and a colour that the catalog has it in, where it has colours."""
        article = _same_article(product)
        colours = [
            other.colour
            for other, held in zip(self.rows.products, self.held, strict=True)
            if held and other.colour and other.kinds and key(other.kinds[0]) == key(product.kinds[0])
        ]
        return (*article, ("colour", self.dice.choice(colours))) if colours else article

    def _answers(self, claims: Sequence[Claim]) -> list[frozenset[str]]:
        """The skus of the catalog's rows of which each claim is true."""
        if not claims:
            return []
        truth = self.facts.matches(torch.arange(len(self.held)), claims).numpy() & self.held[:, None]  # (rows, claims)
        return [frozenset(map(str, np.flatnonzero(column))) for column in truth.T]

    def _some(self, n: int) -> list[Product]:
        return [self.rows.products[at] for at in self._positions(n)]

    def _positions(self, n: int) -> list[int]:
        return self.dice.sample(range(len(self.held)), min(n, len(self.held)))


def strange(shop: Rows, others: Sequence[Rows], n: int, seed: int) -> tuple[list[str], list[bytes]]:
    """Labels and photos, n of each at most, of catalogs that share no kind of product with a shop."""
    dice = random.Random(seed)
    own = _kinds(shop)
    apart = [other for other in others if not own & _kinds(other)]
    labels = sorted({kind for other in apart for product in other.products for kind in product.kinds[:1]})
    photos = [picture for other in apart for picture in other.pictures]
    return dice.sample(labels, min(n, len(labels))), dice.sample(photos, min(n, len(photos)))


def _kinds(rows: Rows) -> set[str]:
    return {key(kind) for product in rows.products for kind in product.kinds}


def _same_article(product: Product) -> Claim:
    return (("kind", product.kinds[0]),)


def _value(product: Product, field: str) -> str:
    return product.title if field == "text" else product.value(field)
