"""The trainer: yes and no about pairs, through the very prompts that a search asks with; resumable after any epoch."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from vitrina.search.encoders.open_clip import precision
from vitrina.search.reranking.backends.transformers.prompted_model import PromptedModel
from vitrina.search.reranking.base import RerankCandidate
from vitrina.search.types.errors import StateError
from vitrina.tuning.loop import BETAS, Trainer, warmup_cosine
from vitrina.tuning.lora import Adapters
from vitrina.tuning.reranker.corpus import CandidateCache, QueryItemPair, RerankerCorpus, pairs_of
from vitrina.tuning.reranker.plan import RerankerSchedule

Shown = tuple[QueryItemPair, RerankCandidate]


class RerankerTrainer(Trainer[Sequence[Shown]]):
    """Trains ``adapters`` on the corpus's pairs, on the model's own device.

    The loss is binary cross-entropy on the log-odds of yes, where the answer begins. With ``share`` each image's
    features are computed once and kept, which suits an image tower that stays as it is.
    """

    def __init__(
        self,
        questions: PromptedModel,
        adapters: Adapters,
        corpus: RerankerCorpus,
        candidates: CandidateCache,
        schedule: RerankerSchedule,
        *,
        share: bool,
    ) -> None:
        weights = [weight for weight in questions.model.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=schedule.learning_rate, betas=BETAS, weight_decay=0.0)
        super().__init__(questions.model, optimizer, prefetch=True)
        self._questions, self._adapters = questions, adapters
        self._answers = questions.dialect.answers(questions.chat.tokenizer)
        self._corpus, self._candidates, self._schedule, self._share = corpus, candidates, schedule, share

    def _parts(self) -> list[tuple[str, Any]]:
        return [("adapters", self._adapters), ("optimizer", self._optimizer)]

    def _batches(self) -> tuple[int, Iterator[Sequence[Shown]]]:
        """Pairs of every query; an epoch is only resumed at its beginning."""
        rng = random.Random(self._schedule.seed * 1000 + self.n_epochs_done)
        pairs = pairs_of(self._corpus.kept, self._corpus.random_negatives, rng)
        size = self._schedule.batch_size
        starts = range(0, len(pairs), size)
        return len(starts), (self._shown(pairs[start : start + size]) for start in starts)

    def _shown(self, pairs: Sequence[QueryItemPair]) -> list[Shown]:
        candidates = self._candidates.of([pair.sku for pair in pairs])
        return [(pair, candidate) for pair, candidate in zip(pairs, candidates, strict=True) if candidate is not None]

    def _backward(self, batch: Sequence[Shown]) -> float:
        total = 0.0
        try:
            for part in parts(batch, self._schedule.n_rows):
                loss = self._loss(part) / len(batch)
                torch.autograd.backward(loss)
                total += float(loss.detach())
        except torch.OutOfMemoryError as error:
            raise StateError(
                f"The GPU's memory does not suffice for {self._schedule.n_rows} rows at a time.",
                remedy="Give a smaller --micro-batch-size, and go on with --resume; or choose a smaller model.",
            ) from error
        return total

    def _loss(self, part: Sequence[Shown]) -> torch.Tensor:
        """Summed over the pairs."""
        with precision(self._questions.model.device):
            logits = self._questions.logits(
                [candidate for _, candidate in part], [pair.statement for pair, _ in part], share=self._share
            )
        truth = torch.tensor([float(pair.is_relevant) for pair, _ in part], device=logits.device)
        return binary_cross_entropy_with_logits(self._answers.logit(logits), truth, reduction="sum")

    def _schedule_step(self, n_epochs: float) -> None:
        factor = warmup_cosine(n_epochs / self._schedule.n_epochs, self._schedule.warmup)
        for group in self._optimizer.param_groups:
            group["lr"] = self._schedule.learning_rate * factor


def parts(batch: Sequence[Shown], n_rows: int) -> Iterator[Sequence[Shown]]:
    """What goes through the model together: so many rows, with and without an image apart."""
    with_image = [shown for shown in batch if shown[1].image is not None]
    without_image = [shown for shown in batch if shown[1].image is None]
    return chain.from_iterable(
        (rows[start : start + n_rows] for start in range(0, len(rows), n_rows)) for rows in (with_image, without_image)
    )
