"""The trainer of the matcher: phrases about images whose features are stored."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits

from recipes.encoder.labels import LabelledProduct
from recipes.matcher.model import MatchHead
from recipes.reranker.statements import HardNegatives, JudgedStatement, Meanings, Round, SoftLabels, draw_statements
from vitrina.search.types.requirement import Status
from vitrina.tuning.encoder.trainer import positions_of
from vitrina.tuning.loop import BETAS, Trainer, warmup_cosine

EmbedTexts = Callable[[list[str]], NDArray[np.float32]]


class TextVectors:
    """The vectors of statements, each made once; ``known`` are those from before."""

    def __init__(self, embed: EmbedTexts, known: Mapping[str, NDArray[np.float16]] | None = None) -> None:
        self._embed = embed
        self.known: dict[str, NDArray[np.float16]] = dict(known or {})

    def add(self, texts: Sequence[str]) -> None:
        """Embed those that are new. Blocks."""
        missing = sorted({text.lower() for text in texts} - self.known.keys(), key=len)
        for start in range(0, len(missing), 1024):
            part = missing[start : start + 1024]
            self.known |= zip(part, self._embed(part).astype(np.float16), strict=True)

    def __call__(self, texts: Sequence[str]) -> torch.Tensor:
        """Float32, shape (n, d)."""
        return torch.from_numpy(np.stack([self.known[text.lower()] for text in texts]).astype(np.float32))


@dataclass(frozen=True, slots=True)
class MatchSchedule:
    """How much is seen and how fast; ``minutes`` is the whole run."""

    minutes: float
    images_an_epoch: int = 16_384
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.03
    average_decay: float = 0.998
    text_noise: float = 0.02
    feature_noise: float = 0.1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MatchBatch:
    """``features`` of each tower, float32 (b, places, features); of each image's statements, as many places for each,
    ``texts`` float32 (b, s, d), ``truths`` float32 (b, s), and ``weights`` float32 (b, s), 0 where a place is empty."""

    features: Sequence[torch.Tensor]
    texts: torch.Tensor
    truths: torch.Tensor
    weights: torch.Tensor


TITLED_ROUNDS = (Round("title", alike=True), Round("title"))
"""Whole titles as statements, beside the rounds of phrases: shoppers' words are like neither alone."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What a tower made of n images, float16 (n, places, features), in so many ``columns`` of places."""

    features: NDArray[np.float16]
    columns: int

    def of(self, indices: torch.Tensor, is_mirrored: torch.Tensor) -> torch.Tensor:
        """The features of some images, float32 (b, places, features); of those to be mirrored, bool (b,), with their
        columns in the other order: nearly what a mirror image has."""
        features = torch.from_numpy(self.features[indices.numpy()]).float()
        b, _, width = features.shape
        flipped = features.view(b, -1, self.columns, width).flip(2).reshape(features.shape)
        return torch.where(is_mirrored[:, None, None], flipped, features)


class MatchTrainer(Trainer[MatchBatch]):
    """Trains a ``MatchHead`` on what its towers made of the images. What else is given knows the products by the same
    positions; ``repeats`` float (n,), how often each is shown in an epoch."""

    def __init__(
        self,
        head: MatchHead,
        stored: Sequence[Stored],
        products: Sequence[LabelledProduct],
        shops: Sequence[str],
        vectors: TextVectors,
        *,
        hard_negatives: HardNegatives,
        meanings: Meanings,
        soft_labels: SoftLabels,
        repeats: torch.Tensor,
        schedule: MatchSchedule,
        rounds: Sequence[Round],
    ) -> None:
        matrices = [parameter for parameter in head.parameters() if parameter.ndim >= 2]
        others = [parameter for parameter in head.parameters() if parameter.ndim < 2]
        optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": schedule.weight_decay}, {"params": others, "weight_decay": 0.0}],
            betas=BETAS,
        )
        super().__init__(head, optimizer, average_decay=schedule.average_decay, prefetch=True)
        self._stored, self._products, self._shops, self._vectors = stored, products, shops, vectors
        self._hard_negatives, self._meanings, self._soft_labels = hard_negatives, meanings, soft_labels
        self._repeats, self._schedule, self._rounds = repeats, schedule, rounds

    def _batches(self) -> tuple[int, Iterator[MatchBatch]]:
        planned = self._plan(self.n_epochs_done)
        epoch, first = self.n_epochs_done, self.step
        return len(planned), (self._batch(*planned[step], epoch, step) for step in range(first, len(planned)))

    def _plan(self, epoch: int) -> list[tuple[torch.Tensor, list[list[JudgedStatement]]]]:
        """The batches of an epoch: positions of products, and the statements about each."""
        seed = self._schedule.seed * 1000 + epoch
        rng, torch_rng = random.Random(seed), torch.Generator().manual_seed(seed)
        indices = positions_of(self._repeats, torch_rng)
        chosen = indices.tolist()
        clusters = self._hard_negatives.clusters(indices, torch_rng)
        products, shops = [self._products[at] for at in chosen], [self._shops[at] for at in chosen]
        statements = draw_statements(products, shops, rng, self._rounds, clusters, self._meanings)
        for place, named in self._soft_labels.draw(chosen, clusters, rng).items():
            statements[place] += named
        self._vectors.add([statement.text for some in statements for statement in some])
        asked = [place for place, some in enumerate(statements) if some]
        rng.shuffle(asked)
        size = self._schedule.batch_size
        parts = [asked[start : start + size] for start in range(0, len(asked), size)]
        return [(indices[part], [statements[place] for place in part]) for part in parts]

    def _batch(
        self, indices: torch.Tensor, statements: list[list[JudgedStatement]], epoch: int, step: int
    ) -> MatchBatch:
        draw = torch.Generator().manual_seed((self._schedule.seed * 1000 + epoch) * 1_000_000 + step)
        is_mirrored = torch.rand(len(indices), generator=draw) < 0.5
        features = [self._noisy(each.of(indices, is_mirrored), draw) for each in self._stored]
        vectors = self._vectors([statement.text for some in statements for statement in some])
        vectors = vectors + self._schedule.text_noise * torch.randn(vectors.shape, generator=draw)
        counts = torch.tensor([len(some) for some in statements])
        is_asked = torch.arange(int(counts.max())) < counts[:, None]  # (b, s)
        texts = vectors.new_zeros(*is_asked.shape, vectors.shape[1])
        texts[is_asked] = vectors
        truths = torch.zeros(is_asked.shape)
        truths[is_asked] = torch.tensor([float(each.status is Status.MET) for some in statements for each in some])
        return MatchBatch(features, texts, truths, is_asked.float())

    def _backward(self, batch: MatchBatch) -> float:
        logits = self._model.judge_each(self._model.image_tokens(batch.features), batch.texts)
        losses = binary_cross_entropy_with_logits(logits, batch.truths, batch.weights, reduction="sum")
        loss = losses / batch.weights.sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _noisy(self, features: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        return features * (1 + self._schedule.feature_noise * torch.randn(features.shape, generator=draw))

    def _schedule_step(self, n_epochs: float) -> None:
        self.done = self.seconds / (60 * self._schedule.minutes)
        rate = self._schedule.learning_rate * warmup_cosine(min(1.0, self.done), self._schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
