"""The plan of a run: what was asked for, and what follows from it for a given model and catalog."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from vitrina.tuning import Loss, TunedTower
from vitrina.tuning.encoder.trainer import EncoderSchedule
from vitrina.tuning.loop import LEARNING_RATES, check_numbers
from vitrina.tuning.lora import is_small
from vitrina.tuning.losses import LossWeights

STEPS_AN_EPOCH = 8
LARGEST_BATCH, SMALLEST_BATCH = 128, 32
"""A batch is 128 rows, or less where an epoch would have fewer than 8 steps: a contrastive loss wants many rows to tell
apart, and a small catalog still needs steps. On a shop that the encoder knew well, batches of 16 lost nDCG@10 (0.683 to
0.661 in three epochs at 3e-4), and batches of 32 gained (0.779 to 0.797 in six, with another part held out)."""

MIN_PART = 8
"""Rows of a batch that one core works on at least."""


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """How to tune. None takes what suits the model and the catalog. ``licence`` is the data's, for the card.

    Raises InputError for numbers that cannot be.
    """

    captions: tuple[str, ...] = ()
    loss: Loss | None = None
    freeze: TunedTower | None = None
    lora_rank: int | None = None
    n_epochs: int = 10
    batch_size: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    held_out: float = 0.1
    patience: int = 3
    licence: str = ""

    def __post_init__(self) -> None:
        check_numbers("rows", self.held_out, self.learning_rate)

    def loss_of(self, model: torch.nn.Module) -> Loss:
        """The loss asked for, or the one that the model was trained with: SigLIP's have a bias."""
        return self.loss or (Loss.CLIP if getattr(model, "logit_bias", None) is None else Loss.SIGLIP)

    def loss_weights(self, model: torch.nn.Module) -> LossWeights:
        """The weights of the losses that this comes to."""
        sigmoid = self.loss_of(model) is Loss.SIGLIP
        return LossWeights(softmax=float(not sigmoid), sigmoid=float(sigmoid))

    def schedule(self, model: torch.nn.Module, n_rows: int) -> EncoderSchedule:
        """The run's schedule for a model and the number of rows to train on.

        Batch norms keep their statistics: over 225 boutique rows, in batches of 64, the embedded encoder's nDCG@10 fell
        from 0.768 to 0.685 in five epochs with those of the batches, and rose to 0.784 with its own.
        """
        small = is_small(model)
        batch_size = min(self.batch_size or batch_size_for(n_rows), n_rows)
        alone = self.lora_rank is not None or not small or next(model.parameters()).device.type != "cpu"
        return EncoderSchedule(
            n_epochs=self.n_epochs,
            batch_size=batch_size,
            learning_rate=self.learning_rate or LEARNING_RATES[small, self.lora_rank is not None],
            warmup=0.1,
            average_decay=None,
            keep_statistics=True,
            n_parts=1 if alone else max(1, min(torch.get_num_threads(), batch_size // MIN_PART)),
            seed=self.seed,
        )


def batch_size_for(n_rows: int) -> int:
    """The largest power of 2 that leaves enough steps an epoch, within bounds."""
    size = LARGEST_BATCH
    while size > SMALLEST_BATCH and n_rows < size * STEPS_AN_EPOCH:
        size //= 2
    return size
