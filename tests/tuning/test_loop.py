"""The averaged weights, and what stops a run."""

import copy
from collections.abc import Iterator

import pytest
import torch

from vitrina.search.types.errors import StateError
from vitrina.tuning.loop import Trainer, exponential_average


class LineTrainer(Trainer[float]):
    """Four steps an epoch, each with the gradient that its batch says."""

    def _batches(self) -> tuple[int, Iterator[float]]:
        return 4, iter([1.0, 2.0, float("nan"), 1.0][self.step :])

    def _backward(self, batch: float) -> float:
        for weight in self._model.parameters():
            weight.grad = torch.full_like(weight, batch)
        return batch

    def _schedule_step(self, n_epochs: float) -> None:
        self.done = n_epochs


def test_the_average_follows_the_weights_faster_at_first() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    expected = copy.deepcopy(model.weight.detach())
    average = exponential_average(model, 0.5)
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.add_(torch.randn(2, 3))
        decay = min(0.5, step / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
        average.update_parameters(model)
    torch.testing.assert_close(average.module.weight, expected)
    assert not average.module.weight.requires_grad


def test_a_loss_that_is_not_finite_stops_the_run() -> None:
    model = torch.nn.Linear(1, 1)
    trainer = LineTrainer(model, torch.optim.SGD(model.parameters(), lr=0.1))
    losses: list[float] = []
    with pytest.raises(StateError, match="finite"):
        trainer.run_epoch(lambda progress: losses.append(progress.loss))
    assert losses == [1.0, 2.0]
