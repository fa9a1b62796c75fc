"""What a training step makes smaller: contrastive losses and supervised heads."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, normalize

from recipes.encoder.labels import LABELS, LabelledProduct, key


def contrastive_loss(
    images: torch.Tensor, texts: torch.Tensor, matches: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """Softmax cross-entropy in both directions against all true pairs, equally weighted.

    ``images`` (n, d) and ``texts`` (m, d) are unit rows, ``matches`` (n, m) says what is true (a row or column without
    a true entry costs nothing), ``scale`` is the inverse temperature. With one true pair a row and column this is
    CLIP's loss (arXiv 2103.00020); equal weights over several follow SupCon (arXiv 2004.11362), "L out".
    """
    logits = scale * images @ texts.T  # (n, m)
    true = matches.to(logits.dtype)
    to_text = -(true * log_softmax(logits, dim=1)).sum(dim=1) / true.sum(dim=1).clamp(min=1)  # (n,)
    to_image = -(true * log_softmax(logits, dim=0)).sum(dim=0) / true.sum(dim=0).clamp(min=1)  # (m,)
    return (to_text.mean() + to_image.mean()) / 2


def sigmoid_loss(
    images: torch.Tensor, texts: torch.Tensor, matches: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Every pair a yes-or-no question: SigLIP's loss (arXiv 2303.15343) with any number of true pairs.

    Arguments as in ``contrastive_loss``; ``bias`` starts near the log odds of a true pair. Summed over the texts and
    divided by the number of pictures, as in the paper.
    """
    logits = scale * images @ texts.T + bias  # (n, m)
    total = binary_cross_entropy_with_logits(logits, matches.to(logits.dtype), reduction="sum")
    return total / len(images)


def likeness_loss(images: torch.Tensor, classes: torch.Tensor, scale: float) -> torch.Tensor:
    """Pictures of one class nearer to each other than to any other: SupCon (arXiv 2004.11362), "L out".

    ``images`` (n, d) unit rows; ``classes`` (n,), below 0 where unknown: such pictures are only kept apart from others.
    A picture whose class no other has costs nothing. ``scale`` is the inverse temperature.
    """
    oneself = torch.eye(len(images), dtype=torch.bool, device=images.device)
    logits = (scale * images @ images.T).masked_fill(oneself, float("-inf"))  # (n, n)
    same = (classes[:, None] == classes[None, :]) & (classes[:, None] >= 0) & ~oneself
    n_same = same.sum(dim=1)
    to_same = -log_softmax(logits, dim=1).masked_fill(~same, 0).sum(dim=1) / n_same.clamp(min=1)  # (n,)
    return to_same.sum() / (n_same > 0).sum().clamp(min=1)


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
    def of(cls, products: Sequence[LabelledProduct]) -> LabelTable:
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


MAX_SCALE = 100.0
"""Largest inverse temperature, as in CLIP (arXiv 2103.00020)."""


LIKENESS_SCALE = 12.0
"""Inverse temperature of the likeness loss, near where the contrastive loss's own settles (14)."""


@dataclass(frozen=True, slots=True)
class Mix:
    """How much each loss counts; 0 leaves it out. ``likeness`` draws pictures of one finest class together."""

    softmax: float = 1.0
    sigmoid: float = 0.0
    heads: float = 1.0
    likeness: float = 0.0


class Objective(torch.nn.Module):
    """A weighted sum of losses, with the parameters that are of use in training alone. ``mix`` may change meanwhile.

    The sigmoid loss takes the temperature and the bias of a model that has both, as SigLIP's have. Its own start at
    SigLIP's temperature of 10 and, at -6, nearer the odds of a true pair here than its -10: a product answers several
    of a batch's captions.
    """

    def __init__(self, mix: Mix, heads: LabelHeads | None) -> None:
        super().__init__()
        self.mix = mix
        self.heads = heads
        self.log_scale = torch.nn.Parameter(torch.tensor(math.log(10.0)))
        self.bias = torch.nn.Parameter(torch.tensor(-6.0))

    def forward(
        self,
        images: torch.Tensor,
        texts: torch.Tensor,
        matches: torch.Tensor,
        indices: torch.Tensor,
        logit_scale: torch.Tensor,
        logit_bias: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """One number. ``images`` (n, d), ``texts`` (m, d), unit rows; ``matches`` (n, m); ``indices`` (n,) positions of
        the products; ``logit_scale``, a logarithm, and ``logit_bias`` are the model's own."""
        loss = images.new_zeros(())
        if self.mix.softmax:
            scale = logit_scale.exp().clamp(max=MAX_SCALE)
            loss = loss + self.mix.softmax * contrastive_loss(images, texts, matches, scale)
        if self.mix.sigmoid:
            log_scale, bias = (self.log_scale, self.bias) if logit_bias is None else (logit_scale, logit_bias)
            loss = loss + self.mix.sigmoid * sigmoid_loss(images, texts, matches, log_scale.exp(), bias)
        if self.mix.heads and self.heads is not None:
            loss = loss + self.mix.heads * self.heads(images, indices)
        if self.mix.likeness and self.heads is not None:
            finest = self.heads.table.column("finest")[indices].to(images.device)
            loss = loss + self.mix.likeness * likeness_loss(images, finest, LIKENESS_SCALE)
        return loss
