"""Supervised heads: each known label of a product, read off its picture's embedding while training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import cross_entropy, normalize

from training.product import LABELS, Product
from training.wording import key

MIN_ROWS = 8
"""A value with fewer rows has no class of its own."""

SMOOTHING = 0.1
HEAD_SCALE = 16.0
"""Inverse temperature of the cosine classifiers: with unit vectors and 140 classes, the least that lets the loss fall
to its smoothed minimum."""

_NONE = -100  # what cross_entropy ignores


@dataclass(frozen=True, slots=True)
class LabelTable:
    """The classes of each field that the products name; ``classes`` int64, shape (n products, n fields)."""

    fields: tuple[str, ...]
    n_classes: tuple[int, ...]
    classes: torch.Tensor

    @classmethod
    def of(cls, products: Sequence[Product]) -> LabelTable:
        """Collect article, subcategory, category, the finest of a product's names, every label, and titles that many
        products share."""
        columns = {"title": [product.title for product in products]}
        columns |= {"finest": [product.names[0] if product.names else "" for product in products]}
        for level, name in enumerate(("article", "subcategory", "category")):
            columns[name] = [product.kinds[level] if level < len(product.kinds) else "" for product in products]
        columns |= {label: [product.label(label) for product in products] for label in LABELS}
        tables = {name: _classes(values) for name, values in columns.items()}
        tables = {name: table for name, table in tables.items() if table[0] > 1}
        classes = torch.tensor([column for _, column in tables.values()], dtype=torch.int64).T.contiguous()
        return cls(tuple(tables), tuple(n for n, _ in tables.values()), classes)

    def column(self, field: str) -> torch.Tensor:
        """Each product's class of one field, below 0 where it has none; int64, shape (n products,)."""
        return self.classes[:, self.fields.index(field)]


class LabelHeads(torch.nn.Module):
    """A cosine classifier for each field of a label table; used in training and thrown away after it."""

    def __init__(self, table: LabelTable, dimension: int) -> None:
        super().__init__()
        self.table = table
        self.weights = torch.nn.ParameterList(torch.randn(n, dimension) / dimension**0.5 for n in table.n_classes)

    def forward(self, images: torch.Tensor, indices: torch.Tensor) -> torch.Tensor:
        """Mean smoothed cross-entropy over fields. ``images`` (n, d) unit rows, ``indices`` positions of products."""
        losses = []
        for column, weight in enumerate(self.weights):
            classes = self.table.classes[indices, column]
            if (classes != _NONE).any():
                logits = HEAD_SCALE * images @ normalize(weight, dim=-1).T
                loss = cross_entropy(logits, classes, ignore_index=_NONE, label_smoothing=SMOOTHING)
                losses.append(loss)
        return torch.stack(losses).mean() if losses else images.new_zeros(())


def _classes(values: Sequence[str]) -> tuple[int, list[int]]:
    """The number of classes, and each value's class."""
    counts = Counter(key(value) for value in values if value)
    classes = {name: at for at, name in enumerate(sorted(name for name, n in counts.items() if n >= MIN_ROWS))}
    return len(classes), [classes.get(key(value), _NONE) for value in values]
