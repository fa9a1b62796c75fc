"""The trainer: both towers' heads and most of the image tower, against stored text vectors."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import log_softmax, normalize, softmax

from recipes.encoder.images import Album
from recipes.encoder.labels import likeness_loss
from recipes.encoder.texts import TextTable
from vitrina.search.encoders.base import Size
from vitrina.search.encoders.compute import ThreadDataParallel
from vitrina.tuning.encoder.trainer import MAX_SCALE, contrastive_loss
from vitrina.tuning.loop import BETAS, Trainer, warmup_cosine

N_FEATURES = 1280
"""Width of the image tower's pooled features, before its head."""

LIKENESS_SCALE = 12.0
DISTILLATION_SCALE = 12.0
"""Inverse temperatures: of the loss between images, and of the similarities between texts."""

PARTNER_SHARE = 0.3
"""The share of a batch's images that are drawn as partners of others: of the same finest class."""


@dataclass(frozen=True, slots=True)
class TowerLossWeights:
    """The weight of each loss in the sum.

    ``contrastive``: images and the texts that are true of them. ``likeness``: images of one class (SupCon).
    ``soft_labels``: ImageNet's classifier on what it said of the image before training. ``class_names``: ImageNet's
    names, as near to images and to made-up features of their classes as the classifier says. ``distillation``: MiniLM's
    own similarities between texts. ``text_pairs``: texts that mean the same.
    """

    contrastive: float = 1.0
    likeness: float = 0.3
    soft_labels: float = 0.15
    class_names: float = 0.3
    distillation: float = 1.0
    text_pairs: float = 0.1


HEAD_LOSSES = TowerLossWeights(distillation=0.8)
"""Of the heads alone."""


@dataclass(frozen=True, slots=True)
class TowerSchedule:
    """How much is seen and how fast. The rates rise over ``warmup`` of the epochs and fall to zero along a cosine;
    ``first_epoch`` is above 0 where an earlier schedule went before. The first ``n_small_epochs`` see images of
    ``small_size``, which take three quarters of the time."""

    n_epochs: int = 11
    n_small_epochs: int = 8
    small_size: Size = (112, 112)
    steps_an_epoch: int = 100
    first_epoch: int = 0
    batch_size: int = 128
    tower_rate: float = 6e-4
    head_rate: float = 8e-4
    weight_decay: float = 0.05
    warmup: float = 0.03
    average_decay: float = 0.998
    n_parts: int = 2
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What is known before training: stored vectors and features, all float32 and fixed.

    ``texts`` (n texts, d) are MiniLM's pooled vectors of the table's texts, then of the lexicon's and of ImageNet's
    names; ``pairs`` (n pairs, 2) and ``names``, those of each class of ImageNet, point into them. ``features`` (n
    images, ``N_FEATURES``) are those of the images as they are, by the tower before training; ``classifier`` and
    ``bias`` are ImageNet's classifier. ``classes`` (n images,) are the finest classes, below 0 where unknown.
    """

    texts: torch.Tensor
    pairs: torch.Tensor
    names: Sequence[Sequence[int]]
    features: torch.Tensor
    classifier: torch.Tensor
    bias: torch.Tensor
    classes: torch.Tensor

    def soft_labels(self, features: torch.Tensor) -> torch.Tensor:
        """What the classifier says of features (n, ``N_FEATURES``); (n, 1000), rows sum to one."""
        return softmax(features @ self.classifier.T + self.bias, dim=1)

    def drawn_names(self, rng: random.Random) -> torch.Tensor:
        """The text of one name of each class; int64, shape (1000,)."""
        return torch.tensor([rng.choice(names) for names in self.names])

    def imagined(self, n: int, draw: torch.Generator, likely: float = 0.6) -> torch.Tensor:
        """Features of ``n`` images, each moved along the row of a class until the classifier gives it ``likely``."""
        classes = torch.randint(len(self.names), (n,), generator=draw)
        features = self.features[torch.randint(len(self.features), (n,), generator=draw)]
        rows = self.classifier[classes] - self.classifier.mean(dim=0)
        step = torch.full((len(features), 1), 0.5)
        for _ in range(12):
            moved = (features + step * rows).clamp(min=0)
            logits = moved @ self.classifier.T + self.bias
            given = softmax(logits, dim=1).gather(1, classes[:, None])
            step = torch.where(given < likely, step * 1.5, step)
        return (features + step * rows).clamp(min=0)


@dataclass(frozen=True, slots=True)
class TowerBatch:
    """One step's input: n images, m texts and their truth (n, m), and what the other losses need."""

    indices: torch.Tensor
    pixels: torch.Tensor
    texts: torch.Tensor
    matches: torch.Tensor
    imagined: torch.Tensor
    names: torch.Tensor
    pairs: torch.Tensor


N_OTHER_TEXTS, N_IMAGINED, N_PAIRS = 320, 128, 128
"""Texts of a batch that were drawn from all products, imagined images, and pairs of texts."""


class TowerTrainer(Trainer[TowerBatch]):
    """Trains what requires a gradient in an open_clip model whose text transformer is frozen."""

    def __init__(
        self,
        model: torch.nn.Module,
        album: Album,
        table: TextTable,
        knowledge: Knowledge,
        weights: torch.Tensor,
        *,
        size: Size,
        losses: TowerLossWeights,
        schedule: TowerSchedule,
    ) -> None:
        model = model.to(memory_format=torch.channels_last)
        super().__init__(
            model,
            torch.optim.AdamW(parameter_groups(model, schedule), betas=BETAS),
            n_parts=schedule.n_parts,
            average_decay=schedule.average_decay,
            prefetch=True,
        )
        self.album, self.table, self.knowledge, self.weights = album, table, knowledge, weights
        self._size, self._losses, self.schedule = size, losses, schedule
        self._partners = partners(knowledge.classes)

    def _batches(self) -> tuple[int, Iterator[TowerBatch]]:
        """Batches that the seed, the epoch and the step determine, so that a run may stop and go on anywhere."""
        for replica in self._replicas.models:
            replica.eval()  # batch norms keep ImageNet's statistics, and nothing drops out
        n_steps = self.schedule.steps_an_epoch
        return n_steps, (self._batch(self.n_epochs_done * n_steps + step) for step in range(self.step, n_steps))

    def _batch(self, number: int) -> TowerBatch:
        seed = self.schedule.seed * 1_000_003 + number
        rng, torch_rng = random.Random(seed), torch.Generator().manual_seed(seed)
        indices = self._drawn(torch_rng)
        ids = self.table.draw(indices, rng)
        ids = list(dict.fromkeys([*ids, *(rng.randrange(self.table.n_texts) for _ in range(N_OTHER_TEXTS))]))
        texts = torch.tensor(ids)
        known = self.knowledge
        imagined, names = known.imagined(N_IMAGINED, torch_rng), known.drawn_names(rng)
        pairs = known.pairs[torch.randint(len(known.pairs), (N_PAIRS,), generator=torch_rng)]
        is_small = number < self.schedule.n_small_epochs * self.schedule.steps_an_epoch
        pixels = self.album.vary(indices, self.schedule.small_size if is_small else self._size, torch_rng)
        return TowerBatch(indices, pixels, texts, self.table.matches(indices, texts), imagined, names, pairs)

    def _drawn(self, rng: torch.Generator) -> torch.Tensor:
        """Images by their weights, and partners of the first of them."""
        n_partners = int(PARTNER_SHARE * self.schedule.batch_size)
        drawn = torch.multinomial(self.weights, self.schedule.batch_size - n_partners, generator=rng)
        return torch.cat([drawn, self._partner_of(drawn[:n_partners], rng)])

    def _partner_of(self, indices: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
        chosen = []
        for index in indices.tolist():
            same = self._partners.get(int(self.knowledge.classes[index]), [index])
            chosen.append(same[int(torch.randint(len(same), (), generator=rng))])
        return torch.tensor(chosen)

    def _backward(self, batch: TowerBatch) -> float:
        parts = [
            part.contiguous(memory_format=torch.channels_last) for part in batch.pixels.chunk(self.schedule.n_parts)
        ]
        rows, to_tower = self._replicas.forward(features_and_vectors, parts)
        loss: Any = self._loss(batch, rows[:, :N_FEATURES], normalize(rows[:, N_FEATURES:], dim=1))
        loss.backward()
        assert rows.grad is not None
        to_tower(rows.grad)
        return float(loss.detach())

    def _loss(self, batch: TowerBatch, features: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
        weights, known = self._losses, self.knowledge
        scale = self._model.logit_scale.exp().clamp(max=MAX_SCALE)
        texts = text_vectors(self._model, known.texts[batch.texts])
        loss = weights.contrastive * contrastive_loss(images, texts, batch.matches, scale)
        loss = loss + weights.likeness * likeness_loss(images, known.classes[batch.indices], LIKENESS_SCALE)
        soft_labels = known.soft_labels(known.features[batch.indices])
        given = log_softmax(features @ known.classifier.T + known.bias, dim=1)
        loss = loss - weights.soft_labels * (soft_labels * given).sum(dim=1).mean()
        names = text_vectors(self._model, known.texts[batch.names])
        imagined = normalize(self._model.visual.head(batch.imagined), dim=1)
        loss = loss + weights.class_names * name_loss(images, names, soft_labels, scale)
        loss = loss + weights.class_names * name_loss(imagined, names, known.soft_labels(batch.imagined), scale)
        return loss + self._text_loss(batch, texts, scale)

    def _text_loss(self, batch: TowerBatch, texts: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """What keeps MiniLM's sense of words: its own similarities, and pairs that mean the same."""
        weights, known = self._losses, self.knowledge
        one, other = (text_vectors(self._model, known.texts[batch.pairs[:, side]]) for side in (0, 1))
        same = torch.eye(len(one), dtype=torch.bool)
        pairs = weights.text_pairs * contrastive_loss(one, other, same, scale)
        ours = torch.cat([one, other, texts[:128]])
        teacher = normalize(known.texts[torch.cat([batch.pairs[:, 0], batch.pairs[:, 1], batch.texts[:128]])], dim=1)
        return pairs + weights.distillation * distillation_loss(ours, teacher)

    def _schedule_step(self, n_epochs: float) -> None:
        progress = (n_epochs - self.schedule.first_epoch) / self.schedule.n_epochs
        factor = warmup_cosine(progress, self.schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = group["rate"] * factor


def features_and_vectors(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Pooled features and, after them, the head's vectors of pixels (n, 3, h, w); shape (n, N_FEATURES + d)."""
    features = model.visual.trunk(pixels)
    return torch.cat([features, model.visual.head(features)], dim=1)


def tower_features(tower: Any, album: Album, places: torch.Tensor, size: Size) -> torch.Tensor:
    """A tower's features of images as they are; float32, shape (n, N_FEATURES). Blocks."""
    tower = tower.to(memory_format=torch.channels_last)

    def describe_images(part: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            found = tower(album.plain(part, size).contiguous(memory_format=torch.channels_last))
        return torch.from_numpy(found.numpy())

    cores = ThreadDataParallel(torch.get_num_threads())
    return torch.cat(cores.map(describe_images, torch.split(places, 32)))


def text_vectors(model: Any, pooled: torch.Tensor) -> torch.Tensor:
    """Unit vectors, shape (n, d), of the text transformer's pooled vectors (n, width)."""
    return normalize(model.text.proj(pooled), dim=1)


def name_loss(
    images: torch.Tensor, names: torch.Tensor, soft_labels: torch.Tensor, scale: torch.Tensor
) -> torch.Tensor:
    """How far images (n, d) are from the names (1000, d) that a classifier gives them, (n, 1000): the mean
    cross-entropy. It is what lets a query find things that no image of the training shows."""
    return -(soft_labels * log_softmax(scale * images @ names.T, dim=1)).sum(dim=1).mean()


def distillation_loss(ours: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    """How far similarities between unit rows ``ours`` (n, d) are from those between the ``teacher``'s (n, e): the
    mean cross-entropy of each row's neighbours, less its least (SEED, arXiv 2101.04731)."""
    oneself = torch.eye(len(ours), dtype=torch.bool)
    target = softmax((DISTILLATION_SCALE * teacher @ teacher.T).masked_fill(oneself, -1e4), dim=1)
    given = log_softmax((DISTILLATION_SCALE * ours @ ours.T).masked_fill(oneself, -1e4), dim=1)
    return (target * (target.clamp(min=1e-9).log() - given)).sum(dim=1).mean()


def partners(classes: torch.Tensor) -> dict[int, list[int]]:
    """The images of each known class."""
    found: dict[int, list[int]] = {}
    for at, number in enumerate(classes.tolist()):
        if number >= 0:
            found.setdefault(number, []).append(at)
    return found


def freeze(model: Any) -> None:
    """Leave only what is trained with a gradient: not the text transformer, nor the stem and the first two stages."""
    model.text.transformer.requires_grad_(False)
    trunk = model.visual.trunk
    for part in (trunk.conv_stem, trunk.bn1, *trunk.blocks[:2]):
        part.requires_grad_(False)


def parameter_groups(model: torch.nn.Module, schedule: TowerSchedule) -> list[dict[str, object]]:
    """Groups with a ``rate`` each: the tower's and the heads'; weight decay for matrices and kernels alone."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((".trunk." in name, parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "rate": schedule.tower_rate if is_tower else schedule.head_rate,
            "weight_decay": schedule.weight_decay if is_matrix else 0.0,
        }
        for (is_tower, is_matrix), parameters in groups.items()
    ]


HEAD_BATCH = 1024
HEAD_RATE = 1.5e-3
FEATURE_NOISE = 0.05
"""Features are varied by this share of themselves, in place of varied images."""


def train_heads(
    model: Any, table: TextTable, knowledge: Knowledge, weights: torch.Tensor, *, n_steps: int, seed: int
) -> Iterator[float]:
    """Train the heads alone on ``knowledge.features``; yields each step's loss.

    Large batches cost little on stored features, and the tower's own training leaves the heads short: of P@10 for the
    article, 0.05 was theirs.
    """
    heads = [*model.visual.head.parameters(), *model.text.proj.parameters(), model.logit_scale]
    optimizer = torch.optim.AdamW(heads, lr=HEAD_RATE, betas=BETAS, weight_decay=0.05)
    rng, torch_rng = random.Random(seed), torch.Generator().manual_seed(seed)
    for step in range(n_steps):
        optimizer.param_groups[0]["lr"] = HEAD_RATE * warmup_cosine(step / n_steps, 0.05)
        loss = head_loss(model, table, knowledge, weights, rng, torch_rng)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(heads, 5.0)
        optimizer.step()
        yield float(loss.detach())


def head_loss(
    model: Any, table: TextTable, knowledge: Knowledge, weights: torch.Tensor, rng: random.Random, draw: torch.Generator
) -> Any:
    """The loss of both heads on stored features: contrastive, between images, ImageNet's names, and MiniLM's
    similarities. All randomness comes from ``rng`` and ``draw``."""
    losses = HEAD_LOSSES
    indices = torch.multinomial(weights, HEAD_BATCH, replacement=True, generator=draw)
    texts = torch.tensor(table.draw(indices, rng))
    features = knowledge.features[indices]
    features = features * (1 + FEATURE_NOISE * torch.randn(features.shape, generator=draw))
    images = normalize(model.visual.head(features), dim=1)
    words = text_vectors(model, knowledge.texts[texts])
    scale = model.logit_scale.exp().clamp(max=MAX_SCALE)
    names, imagined = text_vectors(model, knowledge.texts[knowledge.drawn_names(rng)]), knowledge.imagined(512, draw)
    moved = normalize(model.visual.head(imagined), dim=1)
    some = torch.tensor([rng.randrange(len(knowledge.pairs)) for _ in range(192)])
    said = torch.cat([knowledge.texts[knowledge.pairs[some].flatten()], knowledge.texts[texts[:128]]])
    return (
        losses.contrastive * contrastive_loss(images, words, table.matches(indices, texts), scale)
        + losses.likeness * likeness_loss(images, knowledge.classes[indices], LIKENESS_SCALE)
        + losses.class_names * name_loss(images, names, knowledge.soft_labels(knowledge.features[indices]), scale)
        + losses.class_names * name_loss(moved, names, knowledge.soft_labels(imagined), scale)
        + losses.distillation * distillation_loss(text_vectors(model, said), normalize(said, dim=1))
    )


def class_ids(names: Sequence[str]) -> torch.Tensor:
    """A number for each name, the same for equal ones; below 0 for an empty one. int64, shape (n,)."""
    ids: dict[str, int] = {}
    return torch.tensor([ids.setdefault(name, len(ids)) if name else -1 for name in names])
