"""Contrastive losses of training steps: the softmax loss of CLIP and the sigmoid loss of SigLIP."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax, normalize

from vitrina.search.encoders.base import Size
from vitrina.search.encoders.open_clip import ShortTextTower, Tokenizer, precision
from vitrina.tuning.encoder.captions import CaptionWriter
from vitrina.tuning.loop import BETAS, Trainer, warmup_cosine


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
    divided by the number of images, as in the paper.
    """
    logits = scale * images @ texts.T + bias  # (n, m)
    total = binary_cross_entropy_with_logits(logits, matches.to(logits.dtype), reduction="sum")
    return total / len(images)


MAX_SCALE = 100.0
"""Largest inverse temperature, as in CLIP (arXiv 2103.00020)."""


@dataclass(frozen=True, slots=True)
class LossWeights:
    """The weight of each contrastive loss in the sum; 0 leaves it out."""

    softmax: float = 1.0
    sigmoid: float = 0.0


class ContrastiveObjective(torch.nn.Module):
    """A weighted sum of contrastive losses. ``weights`` may be replaced between epochs.

    The sigmoid loss uses the model's own temperature and bias where it has both, as SigLIP models do. Otherwise it
    trains its own, which start at SigLIP's temperature of 10 and at a bias of -6 rather than SigLIP's -10: several
    captions of a batch are true of one product, so a pair is more often true.
    """

    def __init__(self, weights: LossWeights) -> None:
        super().__init__()
        self.weights = weights
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
        """The loss, a scalar. ``images`` (n, d) and ``texts`` (m, d) are unit rows, ``matches`` is (n, m), ``indices``
        (n,) are the positions of the products; ``logit_scale``, a logarithm, and ``logit_bias`` are the model's own."""
        loss = images.new_zeros(())
        if self.weights.softmax:
            scale = logit_scale.exp().clamp(max=MAX_SCALE)
            loss = loss + self.weights.softmax * contrastive_loss(images, texts, matches, scale)
        if self.weights.sigmoid:
            log_scale, bias = (self.log_scale, self.bias) if logit_bias is None else (logit_scale, logit_bias)
            loss = loss + self.weights.sigmoid * sigmoid_loss(images, texts, matches, log_scale.exp(), bias)
        return loss


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


class TrainingImages(Protocol):
    """The images to train on, one or more a product, by the product's position."""

    def __len__(self) -> int:
        """How many products there are."""

    def vary(self, indices: torch.Tensor, size: Size, rng: torch.Generator) -> torch.Tensor:
        """An image of each product, varied at random, as the image tower takes it; float32, shape (n, 3, *size)."""


@dataclass(frozen=True, slots=True)
class EncoderBatch:
    """One step's input: n products and the m captions written for them.

    ``indices`` int64 (n,), ``pixels`` float32 (n, 3, h, w), ``tokens`` int64 (m, context), ``matches`` bool (n, m).
    """

    indices: torch.Tensor
    pixels: torch.Tensor
    tokens: torch.Tensor
    matches: torch.Tensor


class EncoderTrainer(Trainer[EncoderBatch]):
    """Trains what requires a gradient in an open_clip model, on the model's own device.

    ``images`` and ``writer`` know the products by the same positions. ``size`` is the height and width that the
    images have, ``repeats`` how often each product is seen in an epoch, by default once; float, shape (n,). These
    two and the schedule may change between epochs. ``prefetch`` pays where images are decoded for each batch. The
    objective must be on the model's device.
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
        prefetch: bool = False,
    ) -> None:
        model = model.to(memory_format=torch.channels_last)
        groups = _parameter_groups(model, objective, schedule.weight_decay)
        super().__init__(
            model,
            torch.optim.AdamW(groups, lr=schedule.learning_rate, betas=BETAS),
            n_parts=schedule.n_parts,
            average_decay=schedule.average_decay,
            prefetch=prefetch,
        )
        self._tokenizer = tokenizer
        self._images = images
        self._writer = writer
        self._objective = objective
        self.size = size
        self.repeats = torch.ones(len(images)) if repeats is None else repeats
        self.schedule = schedule
        self._device = next(model.parameters()).device

    def _parts(self) -> list[tuple[str, Any]]:
        return [*super()._parts(), ("objective", self._objective)]

    def _batches(self) -> tuple[int, Iterator[EncoderBatch]]:
        """See every product once or more; an epoch is only resumed at its beginning."""
        seed = self.schedule.seed * 1000 + self.n_epochs_done
        rng, torch_rng = random.Random(seed), torch.Generator().manual_seed(seed)
        for replica in self._replicas.models:
            train_mode(replica, keep_statistics=self.schedule.keep_statistics)
        positions = list(self._positions(torch_rng))
        return len(positions), (self._batch(indices, rng, torch_rng) for indices in positions)

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

    def _backward(self, batch: EncoderBatch) -> float:
        pixels = batch.pixels.to(self._device, non_blocking=True)
        images, to_image_tower = self._replicas.forward(embed_images, _shares(pixels, self.schedule.n_parts))
        texts, matches, to_text_tower = self._embed_captions(batch)
        bias = getattr(self._model, "logit_bias", None)
        loss = self._objective(images, texts, matches, batch.indices, self._model.logit_scale, bias)
        loss.backward()
        assert images.grad is not None
        assert texts.grad is not None
        to_image_tower(images.grad)
        to_text_tower(texts.grad)
        return float(loss.detach())

    def _embed_captions(self, batch: EncoderBatch) -> tuple[torch.Tensor, torch.Tensor, Callable[[torch.Tensor], None]]:
        """Text embeddings (m, d), their truth (n, m), and what sends the gradient on."""
        order = (batch.tokens != 0).sum(dim=1).argsort(stable=True)
        parts = [order[start :: self.schedule.n_parts] for start in range(self.schedule.n_parts)]
        tokens = [batch.tokens[part].to(self._device, non_blocking=True) for part in parts]
        texts, backward = self._replicas.forward(embed_texts, tokens)
        return texts, batch.matches[:, torch.cat(parts)].to(self._device), backward

    def _schedule_step(self, n_epochs: float) -> None:
        progress = (n_epochs - self.schedule.first_epoch) / self.schedule.n_epochs
        factor = warmup_cosine(progress, self.schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedule.learning_rate * factor


def embed_images(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Unit rows, float32, shape (n, d), of pixels (n, 3, h, w)."""
    with precision(pixels.device, trains=True):
        rows = model.encode_image(pixels)
    return normalize(rows.float(), dim=-1)


def embed_texts(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Unit rows, float32, shape (m, d), of (m, context) token ids; cut to their length where the tower allows it."""
    tower = ShortTextTower.of(model)
    with precision(tokens.device, trains=True):
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
    """An epoch's positions, ascending, each as often as it is to be seen, what is not whole drawn at random; int64."""
    times = (repeats + torch.rand(len(repeats), generator=rng)).long()
    return torch.arange(len(times)).repeat_interleave(times)


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
