"""The trainer: contrastive steps over pictures and captions, resumable after any epoch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn.functional import normalize

from vitrina.search.encoders.open_clip import CausalTower, Tokenizer, precision
from vitrina.search.encoders.preprocessing import Size
from vitrina.tuning.encoder.captions import CaptionWriter
from vitrina.tuning.losses import ContrastiveObjective
from vitrina.tuning.parallel import EMA, ThreadReplicas, prefetch_one

TEXT_CHUNKS = 4
"""Captions are embedded in this many groups of like length, so that short ones do not pay for long ones."""


@dataclass(frozen=True, slots=True)
class EncoderSchedule:
    """How long and how fast. The learning rate rises over ``warmup`` of the epochs and falls to zero along a cosine.

    ``first_epoch`` is above 0 where an earlier schedule went before. Without an ``average_decay`` the weights
    themselves are kept. ``n_parts`` of a batch are worked on side by side, each on one core: for small models on a CPU.
    With ``keep_statistics`` batch norms go on with the running statistics that the model came with.
    """

    n_epochs: int = 18
    first_epoch: int = 0
    batch_size: int = 256
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.04
    average_decay: float | None = 0.998
    n_parts: int = 2
    keep_statistics: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a run is, after a step."""

    epoch: int
    step: int
    n_steps: int
    loss: float


class TrainingImages(Protocol):
    """The pictures to train on, one or more a product, by the product's position."""

    def __len__(self) -> int:
        """How many products there are."""

    def vary(self, indices: torch.Tensor, size: Size, rng: torch.Generator) -> torch.Tensor:
        """A picture of each product, varied at random, as the picture tower takes it; float32, shape (n, 3, *size)."""


@dataclass(frozen=True, slots=True)
class EncoderBatch:
    """One step's input: n products and the m captions written for them.

    ``indices`` int64 (n,), ``pixels`` float32 (n, 3, h, w), ``tokens`` int64 (m, context), ``matches`` bool (n, m).
    """

    indices: torch.Tensor
    pixels: torch.Tensor
    tokens: torch.Tensor
    matches: torch.Tensor


class EncoderTrainer:
    """Trains what requires a gradient in an open_clip model, on the model's own device.

    ``images`` and ``writer`` know the products by the same positions. ``size`` is the height and width that the
    pictures have, ``repeats`` how often each product is seen in an epoch, once if left out; float, shape (n,). These
    two and the schedule may change between epochs. With ``ahead`` the next batch is made during a step, which pays
    where pictures are decoded for it. The objective must be on the model's device.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: Tokenizer,
        images: TrainingImages,
        writer: CaptionWriter,
        objective: ContrastiveObjective,
        *,
        size: Size,
        schedule: EncoderSchedule,
        repeats: torch.Tensor | None = None,
        ahead: bool = False,
    ) -> None:
        self._model: Any = model.to(memory_format=torch.channels_last)
        self._tokenizer = tokenizer
        self._images = images
        self._writer = writer
        self._objective = objective
        self.size = size
        self.repeats = torch.ones(len(images)) if repeats is None else repeats
        self.schedule = schedule
        self._ahead = ahead
        self._device = next(model.parameters()).device
        self._replicas = ThreadReplicas(self._model, schedule.n_parts)
        decay = schedule.average_decay
        self._average = None if decay is None else EMA(self._model, decay)
        groups = _parameter_groups(model, objective, schedule.weight_decay)
        self._optimizer = torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=(0.9, 0.98))
        self.n_epochs_done = 0

    @property
    def result(self) -> torch.nn.Module:
        """The model to keep: the average of the weights where there is one."""
        result: torch.nn.Module = self._model if self._average is None else self._average.model
        return result

    def run_epoch(self, on_step: Callable[[TrainingProgress], None]) -> None:
        """See every product once or more. Its randomness depends on the seed and the epoch alone. Blocks."""
        epoch = self.n_epochs_done
        rng = random.Random(self.schedule.seed * 1000 + epoch)
        torch_rng = torch.Generator().manual_seed(self.schedule.seed * 1000 + epoch)
        for replica in self._replicas.models:
            train_mode(replica, keep_statistics=self.schedule.keep_statistics)
        positions = list(self._positions(torch_rng))
        batches = (self._batch(indices, rng, torch_rng) for indices in positions)
        for step, batch in enumerate(prefetch_one(batches) if self._ahead else batches):
            self._set_learning_rate(epoch - self.schedule.first_epoch + step / len(positions))
            on_step(TrainingProgress(epoch, step, len(positions), self._step(batch)))
        self._replicas.agree_on_statistics()
        if self._average is not None:
            self._average.take_buffers(self._model)
        self.n_epochs_done += 1

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece: to a file beside it first, then renamed over it."""
        partial = path.with_suffix(".partial")
        n_steps = 0 if self._average is None else self._average.n_steps
        state = {name: part.state_dict() for name, part in self._parts()}
        torch.save(state | {"n_epochs_done": self.n_epochs_done, "n_steps": n_steps}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises OSError or RuntimeError where it is missing or of another model."""
        state = torch.load(path, weights_only=True, map_location=self._device)
        for name, part in self._parts():
            part.load_state_dict(state[name])
        self.n_epochs_done = int(state["n_epochs_done"])
        if self._average is not None:
            self._average.n_steps = int(state["n_steps"])
        self._replicas.share_statistics()

    def _parts(self) -> list[tuple[str, Any]]:
        average = [] if self._average is None else [("average", self._average.model)]
        return [("model", self._model), *average, ("objective", self._objective), ("optimizer", self._optimizer)]

    def _positions(self, rng: torch.Generator) -> Iterator[torch.Tensor]:
        """Shuffled positions; the last, smaller batch is left out."""
        positions = positions_of(self.repeats, rng)
        order = positions[torch.randperm(len(positions), generator=rng)]
        size = min(self.schedule.batch_size, len(order))
        return (order[start : start + size] for start in range(0, len(order) - size + 1, size))

    def _batch(self, indices: torch.Tensor, rng: random.Random, torch_rng: torch.Generator) -> EncoderBatch:
        captioned = self._writer.write(indices, rng)
        pixels = self._images.vary(indices, self.size, torch_rng)
        return EncoderBatch(indices, pixels, self._tokenizer(captioned.texts), captioned.matches)

    def _step(self, batch: EncoderBatch) -> float:
        pixels = batch.pixels.to(self._device, non_blocking=True)
        images, to_image_tower = self._replicas.forward(embed_images, _shares(pixels, self.schedule.n_parts))
        texts, matches, to_text_tower = self._embed_captions(batch)
        bias = getattr(self._model, "logit_bias", None)
        loss = self._objective(images, texts, matches, batch.indices, self._model.logit_scale, bias)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        assert images.grad is not None
        assert texts.grad is not None
        to_image_tower(images.grad)
        to_text_tower(texts.grad)
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        if self._average is not None:
            self._average.follow(self._model)
        return float(loss.detach())

    def _embed_captions(self, batch: EncoderBatch) -> tuple[torch.Tensor, torch.Tensor, Callable[[torch.Tensor], None]]:
        """Text embeddings (m, d), their truth (n, m), and what sends the gradient on."""
        order = (batch.tokens != 0).sum(dim=1).argsort(stable=True)
        parts = [order[start :: self.schedule.n_parts] for start in range(self.schedule.n_parts)]
        tokens = [batch.tokens[part].to(self._device, non_blocking=True) for part in parts]
        texts, backward = self._replicas.forward(embed_texts, tokens)
        return texts, batch.matches[:, torch.cat(parts)].to(self._device), backward

    def _set_learning_rate(self, n_epochs: float) -> None:
        """``n_epochs`` is how much of the schedule is done, a part of an epoch counted as such."""
        factor = rise_and_fall(n_epochs / self.schedule.n_epochs, self.schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate * factor


def embed_images(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Unit rows, float32, shape (n, d), of pixels (n, 3, h, w)."""
    with precision(pixels.device):
        rows = model.encode_image(pixels)
    return normalize(rows.float(), dim=-1)


def embed_texts(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Unit rows, float32, shape (m, d), of (m, context) token ids; cut to their length where the tower allows it."""
    tower = CausalTower.of(model)
    with precision(tokens.device):
        if tower is None:
            return normalize(model.encode_text(tokens).float(), dim=-1)
        order = tower.lengths(tokens).argsort(stable=True)
        rows = torch.cat([tower(tokens[part]) for part in order.chunk(TEXT_CHUNKS)])
    return normalize(rows[order.argsort()].float(), dim=-1)


def train_mode(model: torch.nn.Module, *, keep_statistics: bool) -> None:
    """Let what is trained behave as in training: modules whose parameters are all frozen keep their statistics and
    drop nothing out, and with ``keep_statistics`` every norm keeps its own."""
    model.train()
    for module in model.modules():
        parameters = list(module.parameters())
        is_frozen = bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
        if is_frozen or (keep_statistics and getattr(module, "running_mean", None) is not None):
            module.eval()


def positions_of(repeats: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """An epoch's positions, ascending, each as often as it is to be seen, what is not whole drawn by chance; int64."""
    times = (repeats + torch.rand(len(repeats), generator=rng)).long()
    return torch.arange(len(times)).repeat_interleave(times)


def rise_and_fall(progress: float, warmup: float) -> float:
    """The part of its rate that a schedule has reached: it rises until ``warmup`` and falls to zero along a cosine."""
    if progress < warmup:
        return max(progress / warmup, 0.01)
    return (1 + math.cos(math.pi * min(1.0, (progress - warmup) / (1 - warmup)))) / 2


def _shares(pixels: torch.Tensor, n_parts: int) -> list[torch.Tensor]:
    return [part.contiguous(memory_format=torch.channels_last) for part in pixels.chunk(n_parts)]


def _parameter_groups(
    model: torch.nn.Module, objective: ContrastiveObjective, weight_decay: float
) -> list[dict[str, object]]:
    """Weight decay for matrices and kernels alone; not for norms, biases, embeddings, temperatures or heads."""
    decayed: list[torch.nn.Parameter] = []
    free: list[torch.nn.Parameter] = list(objective.parameters())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            (free if parameter.ndim < 2 or "embedding" in name else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
