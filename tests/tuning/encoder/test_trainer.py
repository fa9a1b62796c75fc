"""The trainer's own promises, on a model of a few numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from vitrina.search.encoders.base import Size
from vitrina.tuning.encoder.captions import BatchCaptions
from vitrina.tuning.encoder.trainer import (
    ContrastiveObjective,
    EncoderSchedule,
    EncoderTrainer,
    LossWeights,
    embed_images,
    train_mode,
)
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.parallel import prefetch_one

N, SCHEDULE = 24, EncoderSchedule(n_epochs=2, batch_size=8, average_decay=None, n_parts=1, learning_rate=0.01)


class Model(torch.nn.Module):
    """Two towers as open_clip's, for images and texts of one number."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.visual = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 6), torch.nn.BatchNorm1d(6))
        self.words = torch.nn.Embedding(N + 1, 6)
        self.logit_scale = torch.nn.Parameter(torch.tensor(2.0))

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.visual(pixels)
        return rows

    def encode_text(self, tokens: torch.Tensor) -> torch.Tensor:
        rows: torch.Tensor = self.words(tokens[:, 0])
        return rows


class Levels:
    """Image n is one grey level."""

    def __len__(self) -> int:
        return N

    def vary(self, indices: torch.Tensor, size: Size, rng: torch.Generator) -> torch.Tensor:
        return (indices / N)[:, None, None, None].expand(len(indices), 3, *size) + torch.rand(1, generator=rng) / 100


class Numbers:
    """Caption n is the number of its image, true of that alone."""

    def write(self, indices: torch.Tensor, rng: random.Random) -> BatchCaptions:
        return BatchCaptions([str(n) for n in indices.tolist()], torch.eye(len(indices), dtype=torch.bool))


def tokenize(texts: list[str]) -> torch.Tensor:
    return torch.tensor([[int(text) + 1] for text in texts])


def trainer(
    model: torch.nn.Module,
    *,
    schedule: EncoderSchedule = SCHEDULE,
    prefetch: bool = False,
    weights: LossWeights | None = None,
) -> EncoderTrainer:
    objective = ContrastiveObjective(weights or LossWeights())
    return EncoderTrainer(
        model, tokenize, Levels(), Numbers(), objective, size=(2, 2), schedule=schedule, prefetch=prefetch
    )


def losses_of(trainer: EncoderTrainer, n_epochs: int = 1) -> list[float]:
    losses: list[float] = []
    for _ in range(n_epochs):
        trainer.run_epoch(lambda progress: losses.append(progress.loss))
    return losses


def test_an_epoch_sees_every_image_once_and_tells_of_every_step() -> None:
    steps: list[TrainingProgress] = []
    trainer(Model()).run_epoch(steps.append)
    assert [(step.epoch, step.step, step.n_steps) for step in steps] == [(0, 0, 3), (0, 1, 3), (0, 2, 3)]


def test_prefetched_batches_are_the_same() -> None:
    assert losses_of(trainer(Model(), prefetch=True)) == losses_of(trainer(Model()))


def test_errors_in_prefetching_are_raised_here() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise KeyError("gone")

    made = prefetch_one(things())
    assert next(made) == 1
    with pytest.raises(KeyError, match="gone"):
        next(made)


def test_a_frozen_tower_stays_as_it_is_with_its_statistics() -> None:
    model = Model()
    model.visual.requires_grad_(False)
    before = {name: tensor.clone() for name, tensor in model.visual.state_dict().items()}
    words = model.words.weight.detach().clone()
    losses_of(trainer(model))
    for name, tensor in model.visual.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert not torch.equal(model.words.weight, words)


def test_train_mode_spares_what_is_frozen() -> None:
    model = Model()
    model.visual[2].requires_grad_(False)
    train_mode(model, keep_statistics=False)
    assert [module.training for module in (model, model.visual[1], model.visual[2])] == [True, True, False]


def norm_of(model: Model) -> torch.nn.BatchNorm1d:
    norm = model.visual[2]
    assert isinstance(norm, torch.nn.BatchNorm1d)
    return norm


def mean_of(model: Model) -> torch.Tensor:
    mean = norm_of(model).running_mean
    assert mean is not None
    return mean


def test_norms_keep_their_statistics_where_that_is_asked_for() -> None:
    model = Model()
    losses_of(trainer(model, schedule=replace(SCHEDULE, keep_statistics=True)))
    assert torch.equal(mean_of(model), torch.zeros(6))
    assert not torch.equal(norm_of(model).weight, torch.ones(6))
    losses_of(trainer(model))
    assert not torch.equal(mean_of(model), torch.zeros(6))


def test_a_models_own_bias_is_trained_by_the_sigmoid_loss() -> None:
    model = Model()
    bias = torch.nn.Parameter(torch.tensor(-10.0))
    model.register_parameter("logit_bias", bias)
    own = trainer(model, weights=LossWeights(softmax=0.0, sigmoid=1.0))
    losses_of(own)
    assert float(bias.detach()) != -10.0


def test_a_checkpoint_goes_on_where_the_run_was(tmp_path: Path) -> None:
    whole, first, second = trainer(Model()), trainer(Model()), trainer(Model())
    losses = losses_of(whole, 2)
    losses_of(first)
    first.save(tmp_path / "checkpoint.pt")
    second.restore(tmp_path / "checkpoint.pt")
    assert losses_of(second) == pytest.approx(losses[3:])


def test_under_lower_precision_embeddings_are_still_unit_float32_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    def lower(device: torch.device, *, trains: bool) -> AbstractContextManager[object]:
        return torch.autocast(device.type, dtype=torch.bfloat16)

    monkeypatch.setattr("vitrina.tuning.encoder.trainer.precision", lower)
    rows = embed_images(Model().eval(), torch.rand(4, 3, 2, 2))
    assert rows.dtype is torch.float32
    torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))
    losses = losses_of(trainer(Model()), 2)
    assert all(0 < loss < 10 for loss in losses)
