"""The trainer: contrastive steps over pictures and captions, resumable after any epoch."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import normalize

from search.encoders.openclip import Tokenizer
from training.captions import Caption, sample_captions
from training.facts import Facts
from training.loss import contrastive_loss
from training.pictures import vary
from training.product import Product

MAX_SCALE = 100.0
"""Largest inverse temperature, as in CLIP (arXiv 2103.00020)."""

RARE_SHARE = 0.003
MAX_REPEATS = 4.0
"""Products of an article rarer than ``RARE_SHARE`` of the rows are seen up to ``MAX_REPEATS`` times an epoch, by the
square root rule of LVIS (arXiv 1908.03195): a query for a rare article counts as much as one for T-shirts."""

EARLY_SHARE = 0.5
EARLY_SIDE = 0.75
"""The first half of the epochs sees pictures at three quarters of the side (0.56 times the pixels), for what coarse
shapes and colours teach anyway. What it saves in time is not measured: the first run's machine was too busy."""

TEXT_CHUNKS = 4
"""Captions are embedded in this many groups of like length, so that short ones do not pay for long ones."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. The learning rate rises over ``warmup`` of the run and falls to zero along a cosine."""

    n_epochs: int = 8
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run is, after a step."""

    epoch: int
    step: int
    n_steps: int
    loss: float


class Trainer:
    """Trains an open_clip model whose text tower has a causal mask, on pictures held in memory.

    ``stored`` is uint8, shape (n, 3, h, w), at the same positions as ``products``; ``side`` is what the picture tower
    takes.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Tokenizer,
        products: Sequence[Product],
        stored: torch.Tensor,
        *,
        side: int,
        schedule: Schedule,
    ) -> None:
        self._model: Any = model.to(memory_format=torch.channels_last)
        self._tokenizer = tokenizer
        self._products = products
        self._stored = stored
        self._side = side
        self._schedule = schedule
        self._facts = Facts(products)
        self._repeats = repeat_factors(products)
        self._optimizer = torch.optim.AdamW(
            _parameter_groups(model, schedule.weight_decay), lr=schedule.learning_rate, betas=(0.9, 0.98)
        )
        self.n_epochs_done = 0

    def side(self, epoch: int) -> int:
        """Pixels a side that an epoch sees, a multiple of 16: the tower's strides before its last."""
        if epoch < int(EARLY_SHARE * self._schedule.n_epochs):
            return max(16, int(EARLY_SIDE * self._side) // 16 * 16)
        return self._side

    def run_epoch(self, on_step: Callable[[Progress], None]) -> None:
        """See every product once or more. Its randomness depends on the seed and the epoch alone. Blocks."""
        epoch = self.n_epochs_done
        dice = random.Random(self._schedule.seed * 1000 + epoch)
        torch_dice = torch.Generator().manual_seed(self._schedule.seed * 1000 + epoch)
        self._model.train()
        batches = list(self._batches(torch_dice))
        for step, indices in enumerate(batches):
            self._set_learning_rate((epoch + step / len(batches)) / self._schedule.n_epochs)
            loss = self._step(indices, dice, torch_dice)
            on_step(Progress(epoch, step, len(batches), loss))
        self.n_epochs_done += 1

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece: to a file beside it first, then renamed over it."""
        state = {
            "model": self._model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "n_epochs_done": self.n_epochs_done,
        }
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises OSError or RuntimeError where it is missing or of another model."""
        state = torch.load(path, weights_only=True)
        self._model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.n_epochs_done = int(state["n_epochs_done"])

    def _batches(self, dice: torch.Generator) -> Iterator[torch.Tensor]:
        """Shuffled positions; the last, smaller batch is left out."""
        times = (self._repeats + torch.rand(len(self._repeats), generator=dice)).long()
        positions = torch.arange(len(times)).repeat_interleave(times)
        order = positions[torch.randperm(len(positions), generator=dice)]
        size = min(self._schedule.batch_size, len(order))
        return (order[start : start + size] for start in range(0, len(order) - size + 1, size))

    def _step(self, indices: torch.Tensor, dice: random.Random, torch_dice: torch.Generator) -> float:
        captions = self._captions(indices, dice)
        matches = self._facts.matches(indices, [caption.claim for caption in captions])  # (n, m)
        side = self.side(self.n_epochs_done)
        pixels = vary(self._stored[indices], side, torch_dice).contiguous(memory_format=torch.channels_last)
        images = normalize(self._model.encode_image(pixels), dim=-1)  # (n, d)
        tokens = self._tokenizer([caption.text for caption in captions])
        texts = normalize(embed_texts(self._model.text, tokens), dim=-1)  # (m, d)
        scale = self._model.logit_scale.exp().clamp(max=MAX_SCALE)
        loss = contrastive_loss(images, texts, matches, scale)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        return float(loss.detach())

    def _captions(self, indices: torch.Tensor, dice: random.Random) -> list[Caption]:
        """Captions of a batch, each text once."""
        captions: dict[str, Caption] = {}
        for index in indices.tolist():
            for caption in sample_captions(self._products[index], dice):
                captions.setdefault(caption.text.lower(), caption)
        return list(captions.values())

    def _set_learning_rate(self, progress: float) -> None:
        """``progress`` is the part of the whole run that is done, 0 to 1."""
        warmup = self._schedule.warmup
        if progress < warmup:
            factor = max(progress / warmup, 0.01)
        else:
            factor = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.learning_rate * factor


def embed_texts(tower: Any, tokens: torch.Tensor) -> torch.Tensor:
    """What the causal text tower says of (m, context) token ids, padded with zeros; shape (m, d).

    Texts are cut to the longest of their group; under a causal mask the end token sees the same either way.
    """
    lengths = (tokens != 0).sum(dim=1)
    order = lengths.argsort(stable=True)
    whole = tower.attn_mask
    parts = []
    for part in order.chunk(TEXT_CHUNKS):
        longest = int(lengths[part].max())
        tower.attn_mask = whole[:longest, :longest]
        parts.append(tower(tokens[part, :longest]))
    tower.attn_mask = whole
    return torch.cat(parts)[order.argsort()]


def repeat_factors(products: Sequence[Product]) -> torch.Tensor:
    """How often each product is seen in an epoch, at least once; float, shape (n,)."""
    articles = [product.kinds[0] if product.kinds else "" for product in products]
    counts = Counter(articles)
    wanted = RARE_SHARE * len(products)
    factors = [min(MAX_REPEATS, max(1.0, math.sqrt(wanted / counts[article]))) for article in articles]
    return torch.tensor(factors)


def _parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels alone; not for norms, biases, embeddings or the temperature."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = []
    for name, parameter in model.named_parameters():
        (free if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
