"""The plan of a run: what was asked for, and what follows from it for a given model."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from training.tuning.plan import LEARNING_RATES, check_numbers
from training.tuning.towers import is_small


@dataclass(frozen=True, slots=True)
class Schedule:
    """How long and how fast. The learning rate rises over ``warmup`` of the epochs and falls to zero along a cosine.

    A step is ``batch_size`` pairs, of which ``n_rows`` at a time go through the model: their gradients add up.
    """

    n_epochs: int
    batch_size: int
    n_rows: int
    learning_rate: float
    warmup: float
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to tune. None takes what suits the model. ``licence`` is the data's, for the card.

    The image tower and what projects its features stay as they are unless ``image_tower``. With ``listings`` the model
    reads the catalog's text beside the picture; the search shows it none. Raises InputError for numbers that cannot be.
    """

    lora_rank: int = 16
    image_tower: bool = False
    listings: bool = False
    n_epochs: int = 5
    batch_size: int = 32
    n_rows: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    set_aside: float = 0.2
    patience: int = 2
    licence: str = ""

    def __post_init__(self) -> None:
        check_numbers("queries", self.set_aside, self.learning_rate)

    def schedule(self, model: torch.nn.Module) -> Schedule:
        """The run's schedule for a model on its device.

        On a GPU 8 rows at a time: with 196 image tokens and 100 of words they fit beside a model of 8 billion in 80 GB
        by our arithmetic; none was at hand to try it.
        """
        on_gpu = next(model.parameters()).device.type == "cuda"
        batch_size = self.batch_size + self.batch_size % 2  # yes and no come in twos
        return Schedule(
            n_epochs=self.n_epochs,
            batch_size=batch_size,
            n_rows=min(batch_size, self.n_rows or (8 if on_gpu or not is_small(model) else batch_size)),
            learning_rate=self.learning_rate or LEARNING_RATES[is_small(model), True],
            warmup=0.1,
            seed=self.seed,
        )
