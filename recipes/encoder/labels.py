"""Labels: a product as the recipe sees it, how shoppers word its labels, and the loss of images that share one."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch.nn.functional import log_softmax

from vitrina.search.understanding.names import SYNONYMS

_UNCOUNTABLE = ("wear", "ery", "apparel", "clothing", "care", "fragrance", "makeup", "milk")


def singular(phrase: str) -> str:
    """The singular of an English phrase's last word, by its ending; good enough for product names."""
    if phrase.endswith("ories"):
        return phrase[:-3] + "y"
    if phrase.endswith(("sses", "ches", "shes", "xes")):
        return phrase[:-2]
    if phrase.endswith("s") and not phrase.endswith(("ss", "us")):
        return phrase[:-1]
    return phrase


def plural(phrase: str) -> str:
    """The plural of an English phrase's last word, by its ending."""
    if phrase.endswith("ory"):
        return phrase[:-1] + "ies"
    if phrase.endswith(_UNCOUNTABLE):
        return phrase
    if phrase.endswith(("ss", "ch", "sh", "x")):
        return phrase + "es"
    return phrase if phrase.endswith("s") else phrase + "s"


def key(value: str) -> str:
    """One key for every spelling of a value: ``T-shirts``, ``Tshirt`` and ``t shirt`` share ``tshirt``."""
    return re.sub(r"[\W_]+", "", singular(value.strip().lower()))


_OTHER_WORDS = {key(kind): others for kind, others in SYNONYMS.items()}


def wordings(kind: str) -> tuple[str, ...]:
    """What a shopper may call this kind of product; the catalog's own word first."""
    one = singular(kind.lower())
    return tuple(dict.fromkeys((kind, one, plural(one), *_OTHER_WORDS.get(key(kind), ()))))


OWN_WORD_SHARE = 0.6


def worded(kind: str, rng: random.Random) -> str:
    """A kind in the catalog's own word, or now and then in any that a shopper may use."""
    return kind if rng.random() < OWN_WORD_SHARE else rng.choice(wordings(kind))


LABELS = ("colour", "gender", "season", "usage", "pattern", "material")


@dataclass(frozen=True, slots=True)
class LabelledProduct:
    """The catalog text of one training row; an empty string where the file says nothing.

    ``kinds`` names what the thing is, finest first: article, subcategory, category. ``fine`` is a class finer than the
    article, in a shop whose titles are such classes: ``Granny Smith`` for an apple.
    """

    sku: str
    title: str = ""
    description: str = ""
    kinds: tuple[str, ...] = ()
    colour: str = ""
    gender: str = ""
    season: str = ""
    usage: str = ""
    pattern: str = ""
    material: str = ""
    fine: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """All that the thing may be called, finest first."""
        return (self.fine, *self.kinds) if self.fine else self.kinds

    @classmethod
    def from_row(cls, row: Mapping[str, object]) -> Self:
        """Take the known columns of one Parquet row; missing or null ones become empty."""

        def text(column: str) -> str:
            value = row.get(column)
            return value.strip() if isinstance(value, str) else ""

        kinds = tuple(kind for kind in map(text, ("article", "subcategory", "category")) if kind)
        labels = {label: text(label) for label in LABELS}
        return cls(text("sku"), text("title"), text("description"), kinds, **labels)

    def value(self, field: str) -> str:
        """The value of a statement's field: its finest kind for ``kind``, else a label; empty if it has none."""
        if field == "kind":
            return self.kinds[0] if self.kinds else ""
        return self.label(field)

    def label(self, field: str) -> str:
        """The value of one of ``LABELS``."""
        return str(getattr(self, field))


def likeness_loss(images: torch.Tensor, classes: torch.Tensor, scale: float) -> torch.Tensor:
    """Images of one class nearer to each other than to any other: SupCon (arXiv 2004.11362), "L out".

    ``images`` (n, d) unit rows; ``classes`` (n,), below 0 where unknown: such images are only kept apart from others.
    An image whose class no other has costs nothing. ``scale`` is the inverse temperature.
    """
    oneself = torch.eye(len(images), dtype=torch.bool, device=images.device)
    logits = (scale * images @ images.T).masked_fill(oneself, float("-inf"))  # (n, n)
    same = (classes[:, None] == classes[None, :]) & (classes[:, None] >= 0) & ~oneself
    n_same = same.sum(dim=1)
    to_same = -log_softmax(logits, dim=1).masked_fill(~same, 0).sum(dim=1) / n_same.clamp(min=1)  # (n,)
    return to_same.sum() / (n_same > 0).sum().clamp(min=1)
