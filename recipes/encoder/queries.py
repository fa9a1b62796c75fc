"""Queries to a shop whose answers its labels give, and out-of-catalog queries that it cannot answer."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.facts import Facts, LabelStatement, phrase
from recipes.encoder.images import decode
from recipes.encoder.labels import LabelledProduct, key, wordings
from vitrina.evaluation.samples import Example
from vitrina.search.types.query import Query

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


class LabelQueries:
    """Draws examples for one catalog: ``held`` says which rows it has, shape (n,). Its skus are the rows' positions."""

    def __init__(self, rows: LabelledRows, held: NDArray[np.bool_], seed: int) -> None:
        self.rows = rows
        self.held = held
        self.facts = Facts(rows.products)
        self.rng = random.Random(seed)

    def by_text(self, n: int) -> Iterator[Example]:
        """Labels, phrases and titles that at least one row answers; each text once."""
        asked: dict[str, LabelStatement] = {}
        for product in self._some(n):
            text, statement = self._text_of(product)
            asked.setdefault(text, statement)
        for text, relevant in zip(asked, self._answers(list(asked.values())), strict=True):
            if text and relevant:
                yield Example(Query(text), relevant)

    def by_photo(self, n: int) -> Iterator[Example]:
        """Photos, most of them in the catalog; right is what is the same article."""
        shown = [at for at in self._positions(n) if self.rows.products[at].kinds]
        same = self._answers([_same_article(self.rows.products[at]) for at in shown])
        for at, relevant in zip(shown, same, strict=True):
            if relevant:
                yield Example(Query(images=(decode(self.rows.images[at]),)), relevant)

    def by_both(self, n: int) -> Iterator[Example]:
        """A photo and the article, colour or both of another product of its article: "like this, in red"."""
        products = self.rows.products
        shown = [at for at in self._positions(n) if products[at].kinds]
        statements = [self._combined_statement(products[at]) for at in shown]
        for at, statement, relevant in zip(shown, statements, self._answers(statements), strict=True):
            fields = dict(statement)
            if self.rng.random() < 0.5 and "colour" in fields:
                del fields["kind"]
            if relevant:
                yield Example(Query(phrase(fields).lower(), images=(decode(self.rows.images[at]),)), relevant)

    def _text_of(self, product: LabelledProduct) -> tuple[str, LabelStatement]:
        """A text that a shopper might type to find a product, and what it says."""
        possible = [(fields, weight) for fields, weight in PATTERNS.items() if all(_value(product, f) for f in fields)]
        if not possible:
            return "", ()
        fields = self.rng.choices([fields for fields, _ in possible], [weight for _, weight in possible])[0]
        if fields == ("text",):
            return product.title, (("text", product.title),)
        values = {field: _value(product, field) for field in fields}
        spoken = dict(values)
        if "kind" in fields:
            values["kind"] = self.rng.choices(product.kinds, KIND_WEIGHTS[: len(product.kinds)])[0]
            spoken["kind"] = self.rng.choice(wordings(values["kind"]))
        return phrase(spoken), tuple(values.items())

    def _combined_statement(self, product: LabelledProduct) -> LabelStatement:
        """The article, and a colour that the catalog has it in, where it has colours."""
        article = _same_article(product)
        colours = [
            other.colour
            for other, held in zip(self.rows.products, self.held, strict=True)
            if held and other.colour and other.kinds and key(other.kinds[0]) == key(product.kinds[0])
        ]
        return (*article, ("colour", self.rng.choice(colours))) if colours else article

    def _answers(self, statements: Sequence[LabelStatement]) -> list[frozenset[str]]:
        """The skus of the catalog's rows of which each statement is true."""
        if not statements:
            return []
        truth = (
            self.facts.matches(torch.arange(len(self.held)), statements).numpy() & self.held[:, None]
        )  # (rows, statements)
        return [frozenset(map(str, np.flatnonzero(column))) for column in truth.T]

    def _some(self, n: int) -> list[LabelledProduct]:
        return [self.rows.products[at] for at in self._positions(n)]

    def _positions(self, n: int) -> list[int]:
        return self.rng.sample(range(len(self.held)), min(n, len(self.held)))


def out_of_catalog(
    shop: LabelledRows, others: Sequence[LabelledRows], n: int, seed: int
) -> tuple[list[str], list[bytes]]:
    """Labels and photos, n of each at most, of catalogs that share no kind of product with a shop."""
    rng = random.Random(seed)
    apart = kept_apart(shop, others)
    labels = sorted({kind for other in apart for product in other.products for kind in product.kinds[:1]})
    photos = [image for other in apart for image in other.images]
    return rng.sample(labels, min(n, len(labels))), rng.sample(photos, min(n, len(photos)))


def kept_apart(shop: LabelledRows, others: Sequence[LabelledRows]) -> list[LabelledRows]:
    """The catalogs that share no kind of product with a shop."""
    own = _kinds(shop)
    return [other for other in others if not own & _kinds(other)]


def _kinds(rows: LabelledRows) -> set[str]:
    return {key(kind) for product in rows.products for kind in product.kinds}


def _same_article(product: LabelledProduct) -> LabelStatement:
    return (("kind", product.kinds[0]),)


def _value(product: LabelledProduct, field: str) -> str:
    return product.title if field == "text" else product.value(field)
