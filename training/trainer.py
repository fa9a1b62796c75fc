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
from search.encoders.preprocessing import Size
from training.average import WeightAverage
from training.captions import Caption, Mixture, batch_captions
from training.facts import Facts
from training.halves import Replicas
from training.objective import Objective
from training.pictures import Album
from training.product import Product

RARE_SHARE = 0.003
MAX_REPEATS = 4.0
"""Products of a class rarer than ``RARE_SHARE`` of the rows are seen up to ``MAX_REPEATS`` times an epoch, by the
square root rule of LVIS (arXiv 1908.03195): a query for a rare article counts as much as one for T-shirts."""

TEXT_CHUNKS = 4
"""Captions are embedded in this many groups of like length, so that short ones do not pay for long ones."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. The learning rate rises over ``warmup`` of the run and falls to zero along a cosine."""

    n_epochs: int = 18
    early_epochs: int = 8
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    average_decay: float = 0.998
    n_parts: int = 2
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

    ``album`` has the pictures at the same positions as ``products``. ``size`` is what the picture tower takes in the
    end; the first ``early_epochs`` see three quarters of it, for what coarse shapes and colours teach anyway.
    ``average`` holds the model to keep.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Tokenizer,
        products: Sequence[Product],
        album: Album,
        objective: Objective,
        *,
        size: Size,
        mixture: Mixture,
        schedule: Schedule,
    ) -> None:
        self._model: Any = model.to(memory_format=torch.channels_last)
        self._tokenizer = tokenizer
        self._products = products
        self._album = album
        self._objective = objective
        self._final_size = size
        self._mixture = mixture
        self._schedule = schedule
        self._facts = Facts(products)
        self._repeats = repeat_factors(products)
        self._replicas = Replicas(self._model, schedule.n_parts)
        self.average = WeightAverage(self._model, schedule.average_decay)
        groups = _parameter_groups(model, objective, schedule.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))
        self.n_epochs_done = 0

    def size(self, epoch: int) -> Size:
        """Height and width that an epoch sees, multiples of 16: the tower's strides before its last."""
        height, width = self._final_size
        if epoch < self._schedule.early_epochs:
            return max(16, height * 3 // 4 // 16 * 16), max(16, width * 3 // 4 // 16 * 16)
        return height, width

    def run_epoch(self, on_step: Callable[[Progress], None]) -> None:
        """See every product once or more. Its randomness depends on the seed and the epoch alone. Blocks."""
        epoch = self.n_epochs_done
        dice = random.Random(self._schedule.seed * 1000 + epoch)
        torch_dice = torch.Generator().manual_seed(self._schedule.seed * 1000 + epoch)
        for replica in self._replicas.models:
            replica.train()
        batches = list(self._batches(torch_dice))
        for step, indices in enumerate(batches):
            self._set_learning_rate((epoch + step / len(batches)) / self._schedule.n_epochs)
            loss = self._step(indices, dice, torch_dice)
            on_step(Progress(epoch, step, len(batches), loss))
        self._replicas.agree_on_statistics()
        self.average.take_buffers(self._model)
        self.n_epochs_done += 1

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece: to a file beside it first, then renamed over it."""
        partial = path.with_suffix(".partial")
        state = {name: part.state_dict() for name, part in self._parts()}
        torch.save(state | {"n_epochs_done": self.n_epochs_done, "n_steps": self.average.n_steps}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises OSError or RuntimeError where it is missing or of another model."""
        state = torch.load(path, weights_only=True)
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.n_epochs_done, self.average.n_steps = int(state["n_epochs_done"]), int(state["n_steps"])
        self._replicas.share_statistics()

    def _parts(self) -> list[tuple[str, Any]]:
        return [
            ("model", self._model),
            ("average", self.average.model),
            ("objective", self._objective),
            ("optimizer", self._optimizer),
        ]

    def _batches(self, dice: torch.Generator) -> Iterator[torch.Tensor]:
        """Shuffled positions; the last, smaller batch is left out."""
        times = (self._repeats + torch.rand(len(self._repeats), generator=dice)).long()
        positions = torch.arange(len(times)).repeat_interleave(times)
        order = positions[torch.randperm(len(positions), generator=dice)]
        size = min(self._schedule.batch_size, len(order))
        return (order[start : start + size] for start in range(0, len(order) - size + 1, size))

    def _step(self, indices: torch.Tensor, dice: random.Random, torch_dice: torch.Generator) -> float:
        captions = batch_captions([self._products[index] for index in indices.tolist()], self._mixture, dice)
        pixels = self._album.vary(indices, self.size(self.n_epochs_done), torch_dice)
        images, to_image_tower = self._replicas.forward(embed_images, _shares(pixels, self._schedule.n_parts))
        texts, matches, to_text_tower = self._embed_captions(captions, indices)
        loss = self._objective(images, texts, matches, indices, self._model.logit_scale)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        assert images.grad is not None
        assert texts.grad is not None
        to_image_tower(images.grad)
        to_text_tower(texts.grad)
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        self.average.follow(self._model)
        return float(loss.detach())

    def _embed_captions(
        self, captions: Sequence[Caption], indices: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, Callable[[torch.Tensor], None]]:
        """Text embeddings (m, d), their truth (n, m), and what sends the gradient on."""
        tokens = self._tokenizer([caption.text for caption in captions])
        order = (tokens != 0).sum(dim=1).argsort(stable=True)
        parts = [order[start :: self._schedule.n_parts] for start in range(self._schedule.n_parts)]
        texts, backward = self._replicas.forward(embed_texts, [tokens[part] for part in parts])
        claims = [captions[index].claim for index in torch.cat(parts).tolist()]
        return texts, self._facts.matches(indices, claims), backward

    def _set_learning_rate(self, progress: float) -> None:
        """``progress`` is the part of the whole run that is done, 0 to 1."""
        warmup = self._schedule.warmup
        if progress < warmup:
            factor = max(progress / warmup, 0.01)
        else:
            factor = (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup))) / 2
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.learning_rate * factor


def embed_images(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Unit rows, shape (n, d), of pixels (n, 3, h, w)."""
    return normalize(model.encode_image(pixels), dim=-1)


def embed_texts(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Unit rows, shape (m, d), of (m, context) token ids, padded with zeros, by the model's causal text tower.

    Texts are cut to the longest of their group; under a causal mask the end token sees the same either way.
    """
    tower = model.text
    lengths = (tokens != 0).sum(dim=1)
    order = lengths.argsort(stable=True)
    whole = tower.attn_mask
    parts = []
    for part in order.chunk(TEXT_CHUNKS):
        longest = int(lengths[part].max())
        tower.attn_mask = whole[:longest, :longest]
        parts.append(tower(tokens[part, :longest]))
    tower.attn_mask = whole
    return normalize(torch.cat(parts)[order.argsort()], dim=-1)


def repeat_factors(products: Sequence[Product]) -> torch.Tensor:
    """How often each product is seen in an epoch, at least once; float, shape (n,)."""
    names = [product.names[0] if product.names else "" for product in products]
    counts = Counter(names)
    wanted = RARE_SHARE * len(products)
    factors = [min(MAX_REPEATS, max(1.0, math.sqrt(wanted / counts[name]))) for name in names]
    return torch.tensor(factors)


def _shares(pixels: torch.Tensor, n_parts: int) -> list[torch.Tensor]:
    return [part.contiguous(memory_format=torch.channels_last) for part in pixels.chunk(n_parts)]


def _parameter_groups(model: torch.nn.Module, objective: Objective, weight_decay: float) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels alone; not for norms, biases, embeddings, temperatures or heads."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = list(objective.parameters())
    for name, parameter in model.named_parameters():
        (free if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
