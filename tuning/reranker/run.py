"""The trainer: yes and no about pairs, through the very prompts that a search asks with; resumable after any epoch."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from vitrina.search.encoders.open_clip import precision
from vitrina.search.reranking.backends.dialects import PromptDialect
from vitrina.search.reranking.backends.transformers.image_features import FeatureMemory
from vitrina.search.reranking.backends.transformers.loading import load_reranker, without_progress_bars
from vitrina.search.reranking.backends.transformers.prompted_model import PromptedModel
from vitrina.search.reranking.backends.transformers.reranker import CACHE_BYTES
from vitrina.search.reranking.base import RerankCandidate
from vitrina.search.reranking.fusion import CARD_FILE
from vitrina.search.types.errors import StateError
from vitrina.tuning import loop, run_directory
from vitrina.tuning.loop import BETAS, Trainer, warmup_cosine
from vitrina.tuning.lora import Adapters, adaptable_layers, load_peft, n_parameters
from vitrina.tuning.reranker import card
from vitrina.tuning.reranker.corpus import CandidateCache, QueryItemPair, RerankerCorpus, pairs_of
from vitrina.tuning.reranker.plan import BaseModel, RerankerPlan, RerankerSchedule
from vitrina.tuning.reranker.validation import RerankerScore, RerankerValidation
from vitrina.tuning.run_directory import History, RunDirectory, check_output, output_folder

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
        with precision(self._questions.model.device, trains=True):
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


COPIED = ("*.json", "*.jinja", "*.txt", "*.model", "LICENSE*", "NOTICE*")
"""Tokenizer, processor, templates, generation settings and licences stay as they are."""

ITS_OWN = ("config.json", CARD_FILE)
"""What the new folder has of its own; so has it the index of its weights."""


def write_model(folder: Path, model: Any, base: Path, dialect: PromptDialect) -> None:
    """Write the model, whose adapters are merged, in its own precision; the rest comes from the folder ``base``.

    Its card only names the dialect that the model was tuned in, until the full card replaces it. Raises OSError.
    """
    folder.mkdir(parents=True)
    with without_progress_bars():
        model.save_pretrained(folder)
    for pattern in COPIED:
        for path in base.rglob(pattern):
            if path.name not in ITS_OWN and not path.name.endswith(".index.json"):
                target = folder / path.relative_to(base)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
    (folder / CARD_FILE).write_text(json.dumps({"dialect": dialect.name}) + "\n", encoding="utf-8")


MEASURE = "Mean of balanced accuracy, AUC and nDCG@10"


class RerankerCallback(loop.LoopCallback[RerankerScore], Protocol):
    """Is called as a run goes on."""

    def on_start(self, tuning: RerankerTuning) -> None:
        """The untouched model was measured; training begins, or goes on."""


class RerankerTuning:
    """One run, prepared: ``tune`` trains, ``write`` makes the folder.

    ``base`` is changed where it is. Making one measures the untouched model, or finds the run in ``work`` to be
    resumed. Raises InputError where nothing can be measured, the model has nothing to adapt, or the run was another;
    StateError where one is in the way; and MissingDependencyError without PEFT.
    """

    def __init__(
        self, corpus: RerankerCorpus, base: BaseModel, plan: RerankerPlan, work: Path, *, resume: bool = False
    ) -> None:
        self.corpus, self.base, self.plan = corpus, base, plan
        questions = base.reranker.prompted_model
        self.schedule = plan.schedule(questions.model)
        side_px = base.reranker.capabilities.image_side_px
        candidates = CandidateCache(corpus.items, corpus.store, listings=plan.listings, side_px=side_px)
        self.validation = RerankerValidation(corpus.held_out, corpus.random_negatives, candidates, seed=plan.seed)
        self.work = RunDirectory(work, terms(corpus, base, plan), resume=resume)
        resumed = self.work.is_resumed
        self.history = (
            self.work.read_history(RerankerScore) if resumed else History(self.validation.score(base.reranker))
        )
        torch.manual_seed(plan.seed)
        names = adaptable_layers(questions.model, image_tower=plan.image_tower)
        self.adapters = Adapters(questions.model, names, plan.lora_rank)
        self.n_trained = n_parameters(questions.model, trained=True)
        # features that were seen while being judged must not be trained with: torch forbids it
        own = replace(questions, memory=FeatureMemory(0 if plan.image_tower else CACHE_BYTES))
        share = base.reranker.shares_images and not plan.image_tower
        self.loop = loop.TrainingLoop(
            RerankerTrainer(own, self.adapters, corpus, candidates, self.schedule, share=share),
            self.work,
            self.history,
            score=lambda: self.validation.score(base.reranker),
            weights=self.adapters.state_dict,
        )

    def tune(self, callback: RerankerCallback) -> History[RerankerScore]:
        """Train until there is no more gain; see ``TrainingLoop.run``. Blocks. Raises StorageError, and StateError
        as the trainer does."""
        callback.on_start(self)
        self.loop.run(self.schedule.n_epochs, self.plan.patience, callback)
        return self.history

    def write(self, out: Path) -> RerankerScore:
        """Write the model of the best epoch, its cards and its chart; returns the score of the folder as a search will
        load it. Blocks. The run directory is removed.

        Raises StateError if no epoch was better than the start, and StorageError if the folder cannot be written.
        """
        if self.history.best is None:
            raise StateError(
                f"No epoch beat the untouched reranker: {self.history.start.said}.",
                remedy="Keep it, or try a smaller --learning-rate, or more judged queries.",
            )
        self.adapters.load_state_dict(self.loop.best_weights())
        self.adapters.merge()
        questions = self.base.reranker.prompted_model
        with output_folder(out, "reranker") as folder:
            write_model(folder, questions.model, self.base.folder, questions.dialect)
            device = str(questions.model.device)
            loaded = load_reranker(str(folder), device=device, max_pixels=questions.max_pixels)
            after = self.validation.score(loaded)
            card.write(folder, self._account(after))
            self.draw(folder / card.CHART)
        self.work.remove()
        return after

    def draw(self, path: Path) -> None:
        """Draw the loss image. Raises OSError."""
        run_directory.draw(self.history, path, MEASURE)

    def _account(self, after: RerankerScore) -> card.RerankerAccount:
        return card.RerankerAccount(
            plan=self.plan,
            schedule=self.schedule,
            base=self.base.reranker.identity,
            dialect=self.base.reranker.prompted_model.dialect.name,
            max_pixels=self.base.reranker.prompted_model.max_pixels,
            corpus=self.corpus,
            n_pairs=self.validation.n_pairs,
            ndcg_of_search=self.validation.ndcg_of_search,
            history=self.history,
            after=after,
        )


def check(out: Path) -> None:
    """What can be said before anything is read: as ``check_output``, and MissingDependencyError without what the extra
    ``train`` brings."""
    check_output(out)
    load_peft()


def terms(corpus: RerankerCorpus, base: BaseModel, plan: RerankerPlan) -> dict[str, object]:
    """What a run must share with the one it goes on from."""
    lines = "\n".join(
        f"{query.statement}\t{query.relevant}\t{query.hard_negatives}" for query in (*corpus.kept, *corpus.held_out)
    )
    digest = hashlib.sha256(lines.encode()).hexdigest()
    return asdict(plan) | {"base": base.reranker.identity.fingerprint, "set of judgements": digest[:16]}
