"""The trainer of the matcher: phrases about images whose features are stored."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from recipes.encoder.labels import LABELS, LabelledProduct, key, worded
from recipes.matcher.model import MatchHead
from recipes.reranker.statements import (
    LABELLED_SHOPS,
    HardNegatives,
    JudgedStatement,
    Meanings,
    Round,
    SoftLabels,
    draw_statements,
)
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
    """How much is seen and how fast; ``minutes`` is the whole run. ``bfloat16`` multiplies in it, which takes half of
    the time on processors that have it, and much more on others."""

    minutes: float
    images_an_epoch: int = 16_384
    batch_size: int = 128
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    warmup: float = 0.03
    average_decay: float = 0.998
    text_noise: float = 0.02
    feature_noise: float = 0.1
    bfloat16: bool = False
    seed: int = 0


@dataclass(frozen=True, slots=True)
class MatchBatch:
    """``features`` of each tower, float32 (b, places, features); of each image's statements, as many places for each,
    ``texts`` float32 (b, s, d), ``truths`` float32 (b, s), and ``weights`` float32 (b, s), 0 where a place is empty.

    ``values`` float32 (b, v, d) are those that one label of the image could have, the true one first; ``priors``
    float32 (b, v) say how much more often each is true than it is drawn, as logarithms, -inf where a place is empty.
    """

    features: Sequence[torch.Tensor]
    texts: torch.Tensor
    truths: torch.Tensor
    weights: torch.Tensor
    values: torch.Tensor
    priors: torch.Tensor


TITLED_ROUNDS = (Round("title", alike=True), Round("title"))
"""Whole titles as statements, beside the rounds of phrases: shoppers' words are like neither alone."""


N_VALUES, VALUES_WEIGHT = 16, 0.5
"""How many other values a label is told from, and what that counts beside the statements."""

CHOSEN_FIELDS = ("kind", "fine", *LABELS)


@dataclass(frozen=True, slots=True)
class ValueOfLabel:
    """A value that a label could have, as a statement; ``prior`` as of ``MatchBatch``."""

    text: str
    prior: float


class LabelValues:
    """What else each label of a product could be: the values of its shop, where each is known to mean another.

    A value that n products have is drawn as often as the root of n, so that rare ones are learnt.
    """

    def __init__(self, products: Sequence[LabelledProduct], shops: Sequence[str]) -> None:
        self._counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for product, shop in zip(products, shops, strict=True):
            for field in CHOSEN_FIELDS if shop in LABELLED_SHOPS else ():
                if value := product.value(field):
                    self._counts[shop, field][value] += 1

    def draw(self, product: LabelledProduct, shop: str, rng: random.Random) -> list[ValueOfLabel]:
        """The value of one label, and up to ``N_VALUES`` others of it. None of a product without such labels."""
        fields = [field for field in CHOSEN_FIELDS if product.value(field) and len(self._counts[shop, field]) > 1]
        if not fields:
            return []
        field = rng.choice(fields)
        counts = self._counts[shop, field]
        own = product.value(field)
        drawn = {key(own): own}
        for value in rng.choices(list(counts), [n**0.5 for n in counts.values()], k=N_VALUES):
            drawn.setdefault(key(value), value)
        return [
            ValueOfLabel(worded(value, rng) if field == "kind" else value, 0.5 * math.log(counts[value]))
            for value in drawn.values()
        ]


MIXED_SHARE, MAX_MIX = 0.5, 0.5


def mixed(vectors: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
    """Vectors of images, (b, 1, d), some of them mixed with another's. The encoder learnt from these very images, and
    is surer of them than it is of a stranger's, where the towers have to tell."""
    shares = torch.rand(len(vectors), generator=draw) * MAX_MIX
    shares = shares * (torch.rand(len(vectors), generator=draw) < MIXED_SHARE)
    others = vectors[torch.randperm(len(vectors), generator=draw)]
    return torch.lerp(vectors, others, shares[:, None, None])


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
    """Trains a ``MatchHead`` on what its towers and then the encoder made of the images. What else is given knows the
    products by the same positions; ``repeats`` float (n,), how often each is shown in an epoch."""

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
        self._values = LabelValues(products, shops)

    def _batches(self) -> tuple[int, Iterator[MatchBatch]]:
        planned = self._plan(self.n_epochs_done)
        epoch, first = self.n_epochs_done, self.step
        return len(planned), (self._batch(*planned[step], epoch, step) for step in range(first, len(planned)))

    def _plan(self, epoch: int) -> list[tuple[torch.Tensor, list[list[JudgedStatement]], list[list[ValueOfLabel]]]]:
        """The batches of an epoch: positions of products, statements about each, and values of a label of each."""
        seed = self._schedule.seed * 1000 + epoch
        rng, torch_rng = random.Random(seed), torch.Generator().manual_seed(seed)
        indices = positions_of(self._repeats, torch_rng)
        chosen = indices.tolist()
        clusters = self._hard_negatives.clusters(indices, torch_rng)
        products, shops = [self._products[at] for at in chosen], [self._shops[at] for at in chosen]
        statements = draw_statements(products, shops, rng, self._rounds, clusters, self._meanings)
        for place, named in self._soft_labels.draw(chosen, clusters, rng).items():
            statements[place] += named
        values = [self._values.draw(product, shop, rng) for product, shop in zip(products, shops, strict=True)]
        self._vectors.add([statement.text for some in statements for statement in some])
        self._vectors.add([value.text for some in values for value in some])
        asked = [place for place, some in enumerate(statements) if some]
        rng.shuffle(asked)
        size = self._schedule.batch_size
        parts = [asked[start : start + size] for start in range(0, len(asked), size)]
        return [
            (indices[part], [statements[place] for place in part], [values[place] for place in part]) for part in parts
        ]

    def _batch(
        self,
        indices: torch.Tensor,
        statements: list[list[JudgedStatement]],
        values: list[list[ValueOfLabel]],
        epoch: int,
        step: int,
    ) -> MatchBatch:
        draw = torch.Generator().manual_seed((self._schedule.seed * 1000 + epoch) * 1_000_000 + step)
        is_mirrored = torch.rand(len(indices), generator=draw) < 0.5
        *maps, vectors = [self._noisy(each.of(indices, is_mirrored), draw) for each in self._stored]
        features = [*maps, mixed(vectors, draw)]
        texts, is_asked = self._rows([[statement.text for statement in some] for some in statements], draw)
        truths = torch.zeros(is_asked.shape)
        truths[is_asked] = torch.tensor([float(each.status is Status.MET) for some in statements for each in some])
        drawn, has_values = self._rows([[value.text for value in some] for some in values], draw)
        priors = torch.full(has_values.shape, float("-inf"))
        priors[has_values] = torch.tensor([value.prior for some in values for value in some])
        return MatchBatch(features, texts, truths, is_asked.float(), drawn, priors)

    def _rows(self, texts: list[list[str]], draw: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """The vectors of some texts of each image with a little noise, float32 (b, s, d), 0 in empty places; and which
        places are not empty, bool (b, s)."""
        counts = torch.tensor([len(some) for some in texts])
        is_filled = torch.arange(max(1, int(counts.max()))) < counts[:, None]
        rows = torch.zeros(*is_filled.shape, self._model.text_width)
        if is_filled.any():
            vectors = self._vectors([text for some in texts for text in some])
            rows[is_filled] = vectors + self._schedule.text_noise * torch.randn(vectors.shape, generator=draw)
        return rows, is_filled

    def _backward(self, batch: MatchBatch) -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=self._schedule.bfloat16):
            tokens = self._model.image_tokens(batch.features)
            logits = self._model.judge_each(tokens, torch.cat([batch.texts, batch.values], dim=1))
        judged, chosen = logits.float().split([batch.texts.shape[1], batch.values.shape[1]], dim=1)
        losses = binary_cross_entropy_with_logits(judged, batch.truths, batch.weights, reduction="sum")
        loss = losses / batch.weights.sum()
        has_values = batch.priors[:, 0].isfinite()
        if has_values.any():
            among = (chosen + batch.priors)[has_values]  # so that the logits themselves say nothing of what is frequent
            loss = loss + VALUES_WEIGHT * cross_entropy(among, torch.zeros(len(among), dtype=torch.int64))
        loss.backward()  # type: ignore[no-untyped-call]
        return float(loss.detach())

    def _noisy(self, features: torch.Tensor, draw: torch.Generator) -> torch.Tensor:
        return features * (1 + self._schedule.feature_noise * torch.randn(features.shape, generator=draw))

    def _schedule_step(self, n_epochs: float) -> None:
        self.done = self.seconds / (60 * self._schedule.minutes)
        rate = self._schedule.learning_rate * warmup_cosine(min(1.0, self.done), self._schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
