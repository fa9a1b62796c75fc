"""Facts: which statements are true of which products, and the captions that a batch gets of them."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from recipes.encoder.captions import LabelStatement, Mixture, batch_captions
from recipes.encoder.labels import LABELS, LabelledProduct, key
from vitrina.tuning.encoder.captions import BatchCaptions

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


class LabelCaptionWriter:
    """Phrases, single values and own texts of labelled products, beside texts that fit none: see ``Mixture``."""

    def __init__(self, products: Sequence[LabelledProduct], mixture: Mixture) -> None:
        self._products = products
        self._mixture = mixture
        self._facts = Facts(products)

    def write(self, indices: torch.Tensor, rng: random.Random) -> BatchCaptions:
        captions = batch_captions([self._products[index] for index in indices.tolist()], self._mixture, rng)
        matches = self._facts.matches(indices, [caption.statement for caption in captions])
        return BatchCaptions([caption.text for caption in captions], matches)
