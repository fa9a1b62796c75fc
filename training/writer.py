"""Writers: what a batch of products is captioned with, and which caption is true of which of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from training.captions import Mixture, batch_captions
from training.facts import Facts
from training.product import Product


@dataclass(frozen=True, slots=True)
class Captioned:
    """The captions of n products: m distinct texts, and the truth of each for each; bool, shape (n, m)."""

    texts: list[str]
    matches: torch.Tensor


class Writer(Protocol):
    """Captions products, named by their positions."""

    def write(self, indices: torch.Tensor, dice: random.Random) -> Captioned:
        """Caption the products at ``indices``, int64, shape (n,). All chance comes from ``dice``."""


class ProductWriter:
    """Phrases, single values and own texts of labelled products, beside texts that fit none: see ``Mixture``."""

    def __init__(self, products: Sequence[Product], mixture: Mixture) -> None:
        self._products = products
        self._mixture = mixture
        self._facts = Facts(products)

    def write(self, indices: torch.Tensor, dice: random.Random) -> Captioned:
        captions = batch_captions([self._products[index] for index in indices.tolist()], self._mixture, dice)
        matches = self._facts.matches(indices, [caption.claim for caption in captions])
        return Captioned([caption.text for caption in captions], matches)
