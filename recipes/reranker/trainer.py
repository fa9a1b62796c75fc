"""The trainer of the recipe: packed tasks about images."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from recipes.encoder.images import Album
from recipes.encoder.labels import LabelledProduct
from recipes.reranker.packing import PackedBatch, Packer
from recipes.reranker.statements import HardNegatives, JudgedStatement, Meanings, draw_statements
from recipes.reranker.tasks import TaskWriter
from vitrina.search.encoders.base import Size
from vitrina.tuning.encoder.trainer import positions_of, train_mode
from vitrina.tuning.loop import BETAS, Trainer, TrainingProgress, warmup_cosine

POOL = 16
"""Batches whose images are sorted by the number of tasks, so that the sequences of a batch have similar lengths."""

EXPLANATION_SHARE = 0.2
"""Of the batches: in these every image has verdicts to explain, in the others none has. An explanation is as long as
all other questions about an image together: with some in each batch, half of a batch was padding."""


STATISTICS_BATCHES = 16
"""Of 64 images. Statistics that ran along are those of other weights than the average's, and of images varied for
training: with them the fourth epoch's model read 0.527 of the colours of held-out rows, with its own 0.630."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the run, over which the learning rates rise and fall to zero once. The tower is frozen where its own
    rate is zero."""

    share: float
    learning_rate: float
    tower_rate: float = 0.0


@dataclass(frozen=True, slots=True)
class RecipeSchedule:
    """The stages and hyperparameters of a run. ``n_parts`` of a batch are trained in parallel, each on one core."""

    stages: tuple[Stage, ...]
    batch_size: int = 64
    weight_decay: float = 0.05
    warmup: float = 0.03
    average_decay: float = 0.999
    n_parts: int = 2
    seed: int = 0

    def place(self, done: float) -> tuple[Stage, float]:
        """The stage after a part of the run, 0 to 1, and the factor of its rates there."""
        start = 0.0
        for stage in self.stages:
            if done < start + stage.share or stage is self.stages[-1]:
                return stage, warmup_cosine((done - start) / stage.share, self.warmup)
            start += stage.share
        raise ValueError("A schedule needs a stage.")


@dataclass(frozen=True, slots=True)
class Budget:
    """How long a run takes: so many passes over the images or, where given, so many minutes."""

    n_epochs: float
    minutes: float | None = None

    def done(self, n_epochs: float, seconds: float) -> float:
        """The part of it that is used up; 1 or more at the end."""
        return n_epochs / self.n_epochs if self.minutes is None else seconds / (60 * self.minutes)


@dataclass(frozen=True, slots=True)
class TaskBatch:
    """One step's input: ``pixels`` float32 (b, 3, h, w) and the tasks about them."""

    pixels: torch.Tensor
    packed: PackedBatch


class RecipeTrainer(Trainer[TaskBatch]):
    """Trains a ``FastVlmForConditionalGeneration`` on the CPU.

    ``products``, the names of their ``shops``, ``album``, ``writer``, ``hard_negatives`` and ``repeats`` (how
    often each is seen in an epoch; float, (n,)) know the products by the same positions. ``meanings`` say which of
    different shops may be paired.
    """

    def __init__(
        self,
        model: Any,
        packer: Packer,
        products: Sequence[LabelledProduct],
        shops: Sequence[str],
        album: Album,
        writer: TaskWriter,
        hard_negatives: HardNegatives,
        meanings: Meanings,
        *,
        size: Size,
        repeats: torch.Tensor,
        schedule: RecipeSchedule,
        budget: Budget,
    ) -> None:
        model = model.to(memory_format=torch.channels_last)
        super().__init__(
            model,
            torch.optim.AdamW(_groups(model, schedule.weight_decay), betas=BETAS),
            n_parts=schedule.n_parts,
            average_decay=schedule.average_decay,
            prefetch=True,
        )
        self._packer = packer
        self._products = products
        self._shops = shops
        self._album = album
        self._writer = writer
        self._hard_negatives = hard_negatives
        self._meanings = meanings
        self._size = size
        self._repeats = repeats
        self._schedule = schedule
        self._budget = budget
        self._stage: Stage | None = None
        self.batch_shape = (0, 0)
        """The images of the last batch, and the tokens of its longest sequence."""

    def result(self) -> Any:
        """The model to keep: the average of the weights, whose norms have the statistics of its own features of plain
        images. Blocks for some seconds."""
        average = self.averaged_model
        rng = torch.Generator().manual_seed(self._schedule.seed)
        shuffled = torch.randperm(len(self._products), generator=rng)
        size = self._schedule.batch_size
        with own_statistics(average), torch.no_grad():
            for start in range(0, min(len(shuffled), STATISTICS_BATCHES * size), size):
                features_of(average, self._album.plain(shuffled[start : start + size], self._size))
        return average

    def run_epoch(self, on_step: Callable[[TrainingProgress], None]) -> None:
        """See every product about as often as ``repeats`` says, or stop when the budget is used up. Blocks."""
        super().run_epoch(on_step)
        self.done = max(self.done, self._budget.done(self.n_epochs_done, self.seconds))

    def _batches(self) -> tuple[int, Iterator[TaskBatch]]:
        planned = self._plan(self.n_epochs_done)
        epoch, first = self.n_epochs_done, self.step
        return len(planned), (self._batch(*planned[step], epoch, step) for step in range(first, len(planned)))

    def _plan(self, epoch: int) -> list[tuple[torch.Tensor, list[list[JudgedStatement]]]]:
        """The batches of an epoch: positions of products, and the statements about each."""
        rng = random.Random(self._schedule.seed * 1000 + epoch)
        torch_rng = torch.Generator().manual_seed(self._schedule.seed * 1000 + epoch)
        indices = positions_of(self._repeats, torch_rng)
        chosen = indices.tolist()
        statements = draw_statements(
            [self._products[at] for at in chosen],
            [self._shops[at] for at in chosen],
            rng,
            clusters=self._hard_negatives.clusters(indices, torch_rng),
            meanings=self._meanings,
        )
        order = torch.randperm(len(chosen), generator=torch_rng).tolist()
        parts = list(self._in_batches(order, statements))
        rng.shuffle(parts)
        return [(indices[part], [statements[place] for place in part]) for part in parts]

    def _in_batches(self, order: list[int], statements: list[list[JudgedStatement]]) -> Iterator[list[int]]:
        """Positions in the epoch, sorted within a pool by number of statements; the last, smaller batch is dropped."""
        size = min(self._schedule.batch_size, len(order))
        for start in range(0, len(order), POOL * size):
            pool = sorted(order[start : start + POOL * size], key=lambda place: len(statements[place]))
            yield from (pool[at : at + size] for at in range(0, len(pool) - size + 1, size))

    def _batch(
        self, indices: torch.Tensor, statements: list[list[JudgedStatement]], epoch: int, step: int
    ) -> TaskBatch:
        seed = (self._schedule.seed * 1000 + epoch) * 1_000_000 + step
        rng, torch_rng = random.Random(seed), torch.Generator().manual_seed(seed)
        pixels, placements = self._album.vary_and_place(indices, self._size, torch_rng)
        explain = rng.random() < EXPLANATION_SHARE
        samples = [
            self._writer.tasks(index, asked, placement, rng, explain=explain)
            for index, asked, placement in zip(indices.tolist(), statements, placements, strict=True)
        ]
        return TaskBatch(pixels, self._packer.pack(samples))

    def _backward(self, batch: TaskBatch) -> float:
        n_images, n_tokens = batch.packed.tokens.shape
        self.batch_shape = (n_images, n_tokens)
        total = batch.packed.weights.sum()
        parts = [(pixels, packed) for pixels, packed in _divided(batch, self._schedule.n_parts)]
        losses, send_back = self._replicas.forward(lambda model, part: token_losses(model, *part), parts)
        send_back(torch.full_like(losses, 1 / float(total)))
        return float(losses.detach().sum() / total)

    def _schedule_step(self, n_epochs: float) -> None:
        self.done = self._budget.done(n_epochs, self.seconds)
        stage, factor = self._schedule.place(self.done)
        if stage is not self._stage:
            self._begin(stage)
        for group in self._optimizer.param_groups:
            group["lr"] = factor * (stage.tower_rate if group["tower"] else stage.learning_rate)

    def _begin(self, stage: Stage) -> None:
        """Freeze or thaw the tower; where it is trained its norms take each batch's statistics.

        With statistics that stand still nothing holds the scale: after 60 steps at a rate of 3e-4 the features
        were 50 times as large, and said nothing of the image.
        """
        self._stage = stage
        for replica in self._replicas.models:
            replica.get_submodule("model.vision_tower").requires_grad_(stage.tower_rate > 0)
            train_mode(replica, keep_statistics=False)


@contextmanager
def own_statistics(model: Any) -> Iterator[None]:
    """Within, norms count the mean statistics of what they are shown from nothing; afterwards they are settled."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    rates = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
        norm.train()
    yield
    for norm, rate in zip(norms, rates, strict=True):
        norm.momentum = rate
        norm.eval()


def token_losses(model: Any, pixels: torch.Tensor, packed: PackedBatch) -> torch.Tensor:
    """The weighted cross-entropy of each token to be predicted; float32, shape (t,)."""
    hidden = read_packed(model, features_of(model, pixels), packed)
    logits = model.lm_head(hidden.flatten(0, 1)[packed.places])
    return cross_entropy(logits, packed.targets, reduction="none") * packed.weights


def features_of(model: Any, pixels: torch.Tensor) -> torch.Tensor:
    """Images as the decoder takes them, float32, shape (b, image tokens, width)."""
    pixels = pixels.contiguous(memory_format=torch.channels_last)
    features: torch.Tensor = model.model.get_image_features(pixels, return_dict=True).pooler_output
    return features


def read_packed(model: Any, features: torch.Tensor, packed: PackedBatch) -> torch.Tensor:
    """The decoder's last hidden states, (b, l, width), with ``features`` behind each start token."""
    words = model.get_input_embeddings()(packed.tokens)
    n_image_tokens = features.shape[1]
    embedded = torch.cat([words[:, :1], features, words[:, 1 + n_image_tokens :]], dim=1)
    states: torch.Tensor = model.model.language_model(
        inputs_embeds=embedded, attention_mask=packed.mask, position_ids=packed.positions, use_cache=False
    ).last_hidden_state
    return states


def _divided(batch: TaskBatch, n_parts: int) -> Iterator[tuple[torch.Tensor, PackedBatch]]:
    """Every ``n_parts``-th sequence, so that each part has long and short ones."""
    packed, length = batch.packed, batch.packed.tokens.shape[1]
    for part in range(n_parts):
        rows = slice(part, None, n_parts)
        mine = packed.places // length % n_parts == part
        places = packed.places[mine]
        yield (
            batch.pixels[rows],
            PackedBatch(
                tokens=packed.tokens[rows],
                positions=packed.positions[rows],
                mask=packed.mask[rows],
                places=places // length // n_parts * length + places % length,
                targets=packed.targets[mine],
                weights=packed.weights[mine],
            ),
        )


def _groups(model: Any, weight_decay: float) -> list[dict[str, object]]:
    """Parameters by whether they are the tower's and whether they decay: matrices and kernels do, embeddings not."""
    groups: dict[tuple[bool, bool], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        decays = parameter.ndim >= 2 and "embed" not in name
        groups.setdefault(("vision_tower" in name, decays), []).append(parameter)
    return [
        {"params": parameters, "tower": is_tower, "weight_decay": weight_decay * decays, "lr": 0.0}
        for (is_tower, decays), parameters in groups.items()
    ]
