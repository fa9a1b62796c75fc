"""The trainer: yes and no about pairs, through the very prompts that a search asks with; resumable after any epoch."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from vitrina.search.encoders.open_clip import precision
from vitrina.search.reranking.backends.transformers.questions import ModelInputs
from vitrina.search.reranking.base import RerankCandidate
from vitrina.search.types.errors import StateError
from vitrina.tuning.encoder.trainer import TrainingProgress, rise_and_fall
from vitrina.tuning.lora import Adapters
from vitrina.tuning.parallel import prefetch_one
from vitrina.tuning.reranker.corpus import CandidateCache, QueryItemPair, RerankerCorpus, epoch_of
from vitrina.tuning.reranker.plan import RerankerSchedule

MAX_NORM = 1.0
"""Gradients are cut to this length."""

Shown = tuple[QueryItemPair, RerankCandidate]


class RerankerTrainer:
    """Trains ``adapters`` on the corpus's pairs, on the model's own device.

    The loss is binary cross-entropy on the log-odds of yes, where the answer begins. With ``share`` each picture's
    features are computed once and kept, which suits an image tower that stays as it is.
    """

    def __init__(
        self,
        questions: ModelInputs,
        adapters: Adapters,
        corpus: RerankerCorpus,
        candidates: CandidateCache,
        schedule: RerankerSchedule,
        *,
        share: bool,
    ) -> None:
        self._questions, self._adapters = questions, adapters
        self._answers = questions.dialect.answers(questions.chat.tokenizer)
        self._corpus, self._candidates, self._schedule, self._share = corpus, candidates, schedule, share
        self._weights = [weight for weight in questions.model.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(
            self._weights, lr=schedule.learning_rate, betas=(0.9, 0.98), weight_decay=0.0
        )
        self.n_epochs_done = 0

    def run_epoch(self, on_step: Callable[[TrainingProgress], None]) -> None:
        """See pairs of every wish. Which ones depends on the seed and the epoch alone. Blocks.

        Raises StateError where the loss is no number any more, or memory does not suffice.
        """
        rng = random.Random(self._schedule.seed * 1000 + self.n_epochs_done)
        pairs = epoch_of(self._corpus.kept, self._corpus.random_negatives, rng)
        size = self._schedule.batch_size
        starts = range(0, len(pairs), size)
        for step, batch in enumerate(prefetch_one(self._shown(pairs[start : start + size]) for start in starts)):
            self._set_learning_rate(self.n_epochs_done + step / len(starts))
            on_step(TrainingProgress(self.n_epochs_done, step, len(starts), self._step(batch)))
        self.n_epochs_done += 1

    def save(self, path: Path) -> None:
        """Write a checkpoint in one piece: to a file beside it first, then renamed over it."""
        partial = path.with_suffix(".partial")
        state = {"adapters": self._adapters.state(), "optimizer": self._optimizer.state_dict()}
        torch.save(state | {"n_epochs_done": self.n_epochs_done}, partial)
        partial.replace(path)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint. Raises OSError, RuntimeError or KeyError where it is missing or of another model."""
        state: dict[str, Any] = torch.load(path, weights_only=True, map_location=self._questions.model.device)
        self._adapters.load(state["adapters"])
        self._optimizer.load_state_dict(state["optimizer"])
        self.n_epochs_done = int(state["n_epochs_done"])

    def _shown(self, pairs: Sequence[QueryItemPair]) -> list[Shown]:
        candidates = self._candidates.of([pair.sku for pair in pairs])
        return [(pair, candidate) for pair, candidate in zip(pairs, candidates, strict=True) if candidate is not None]

    def _step(self, batch: Sequence[Shown]) -> float:
        self._optimizer.zero_grad(set_to_none=True)
        total = 0.0
        try:
            for part in parts(batch, self._schedule.n_rows):
                loss = self._loss(part) / len(batch)
                torch.autograd.backward(loss)
                total += float(loss.detach())
        except torch.OutOfMemoryError as error:
            raise StateError(
                f"The GPU's memory does not suffice for {self._schedule.n_rows} rows at a time.",
                remedy="Give a smaller --rows-at-once, and go on with --resume; or choose a smaller model.",
            ) from error
        norm = torch.nn.utils.clip_grad_norm_(self._weights, MAX_NORM)
        if not torch.isfinite(norm):
            raise StateError("The loss is no number any more.", remedy="Begin anew with a smaller --learning-rate.")
        self._optimizer.step()
        return total

    def _loss(self, part: Sequence[Shown]) -> torch.Tensor:
        """Summed over the pairs."""
        with precision(self._questions.model.device):
            logits = self._questions.logits(
                [candidate for _, candidate in part], [pair.statement for pair, _ in part], share=self._share
            )
        truth = torch.tensor([float(pair.is_right) for pair, _ in part], device=logits.device)
        return binary_cross_entropy_with_logits(self._answers.logit(logits), truth, reduction="sum")

    def _set_learning_rate(self, n_epochs: float) -> None:
        """``n_epochs`` is how much of the schedule is done, a part of an epoch counted as such."""
        factor = rise_and_fall(n_epochs / self._schedule.n_epochs, self._schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.learning_rate * factor


def parts(batch: Sequence[Shown], n_rows: int) -> Iterator[Sequence[Shown]]:
    """What goes through the model together: so many rows, with and without a picture apart."""
    seen = [shown for shown in batch if shown[1].image is not None]
    unseen = [shown for shown in batch if shown[1].image is None]
    return chain.from_iterable(
        (rows[start : start + n_rows] for start in range(0, len(rows), n_rows)) for rows in (seen, unseen)
    )
