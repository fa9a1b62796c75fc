"""A tuning run: from an indexed catalog, its judgements and a vision-language model to a folder with a better one."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from typing import Protocol

import torch

from search.errors import StateError
from search.reranking.backends.transformers.loading import load_reranker
from search.reranking.backends.transformers.pictures import PictureMemory
from search.reranking.backends.transformers.reranker import CACHE_BYTES
from training.tuning import chart, course
from training.tuning.history import History
from training.tuning.lora import Adapters, load_peft
from training.tuning.outcome import check_outcome, outcome
from training.tuning.reranker import card
from training.tuning.reranker.base import Base
from training.tuning.reranker.corpus import Corpus
from training.tuning.reranker.examination import Examination, Score
from training.tuning.reranker.folder import write_model
from training.tuning.reranker.layers import adaptable
from training.tuning.reranker.looks import Looks
from training.tuning.reranker.plan import Plan
from training.tuning.reranker.trainer import Trainer
from training.tuning.towers import n_parameters
from training.tuning.workplace import Workplace

MEASURE = "Mean of balanced accuracy, AUC and nDCG@10"


class Watcher(course.Watcher[Score], Protocol):
    """Is told how a run goes on."""

    def on_start(self, tuning: Tuning) -> None:
        """The untouched model was measured; training begins, or goes on."""


class Tuning:
    """One run, prepared: ``tune`` trains, ``write`` makes the folder.

    ``base`` is changed where it is. Making one measures the untouched model, or finds the run in ``work`` to be
    resumed. Raises InputError where nothing can be measured, the model has nothing to adapt, or the run was another;
    StateError where one is in the way; and MissingDependencyError without PEFT.
    """

    def __init__(self, corpus: Corpus, base: Base, plan: Plan, work: Path, *, resume: bool = False) -> None:
        self.corpus, self.base, self.plan = corpus, base, plan
        questions = base.reranker.questions
        self.schedule = plan.schedule(questions.model)
        side_px = base.reranker.capabilities.picture_side_px
        looks = Looks(corpus.items, corpus.store, listings=plan.listings, side_px=side_px)
        self.examination = Examination(corpus.aside, corpus.strangers, looks, seed=plan.seed)
        self.work = Workplace(work, terms(corpus, base, plan), resume=resume)
        resumed = self.work.is_resumed
        self.history = self.work.read_history(Score) if resumed else History(self.examination.score(base.reranker))
        torch.manual_seed(plan.seed)
        names = adaptable(questions.model, image_tower=plan.image_tower)
        self.adapters = Adapters(questions.model, names, plan.lora_rank)
        self.n_trained = n_parameters(questions.model, trained=True)
        # features that were seen while being judged must not be trained with: torch forbids it
        own = replace(questions, memory=PictureMemory(0 if plan.image_tower else CACHE_BYTES))
        share = base.reranker.shares_pictures and not plan.image_tower
        self.course = course.Course(
            Trainer(own, self.adapters, corpus, looks, self.schedule, share=share),
            self.work,
            self.history,
            score=lambda: self.examination.score(base.reranker),
            weights=self.adapters.state,
        )

    def tune(self, watcher: Watcher) -> History[Score]:
        """Train until nothing gets better; see ``Course.run``. Blocks. Raises StorageError, and what the trainer
        raises."""
        watcher.on_start(self)
        self.course.run(self.schedule.n_epochs, self.plan.patience, watcher)
        return self.history

    def write(self, out: Path) -> Score:
        """Write the best epoch's model, its cards and its loss picture; returns what the folder, as a search will load
        it, was measured at. Blocks. The work folder is removed.

        Raises StateError where no epoch was better than the start, and StorageError where the disk refuses.
        """
        if self.history.best is None:
            raise StateError(
                f"No epoch beat the untouched reranker: {self.history.start.said}.",
                remedy="Keep it, or try a smaller --learning-rate, or more judged queries.",
            )
        self.adapters.load(self.course.best_weights())
        self.adapters.merge()
        questions = self.base.reranker.questions
        with outcome(out, "reranker") as folder:
            write_model(folder, questions.model, self.base.folder, questions.dialect)
            device = str(questions.model.device)
            loaded = load_reranker(str(folder), device=device, max_pixels=questions.max_pixels)
            after = self.examination.score(loaded)
            card.write(folder, self._account(after))
            self.draw(folder / card.CHART)
        self.work.remove()
        return after

    def draw(self, path: Path) -> None:
        """Draw the loss picture. Raises OSError."""
        chart.draw(self.history, path, MEASURE)

    def _account(self, after: Score) -> card.Account:
        return card.Account(
            plan=self.plan,
            schedule=self.schedule,
            base=self.base.reranker.identity,
            dialect=self.base.reranker.questions.dialect.name,
            max_pixels=self.base.reranker.questions.max_pixels,
            corpus=self.corpus,
            n_pairs=self.examination.n_pairs,
            ndcg_of_search=self.examination.ndcg_of_search,
            history=self.history,
            after=after,
        )


def check(out: Path) -> None:
    """What can be said before anything is read: as ``check_outcome``, and MissingDependencyError without what the extra
    ``train`` brings."""
    check_outcome(out)
    load_peft()


def terms(corpus: Corpus, base: Base, plan: Plan) -> dict[str, object]:
    """What a run must share with the one it goes on from."""
    told = "\n".join(f"{wish.claim}\t{wish.right}\t{wish.hard}" for wish in (*corpus.kept, *corpus.aside))
    digest = hashlib.sha256(told.encode()).hexdigest()
    return asdict(plan) | {"base": base.reranker.identity.fingerprint, "set of judgements": digest[:16]}
