"""A tuning run: from an indexed catalog, its judgements and a vision-language model to a folder with a better one."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol

import torch

from vitrina.search.reranking.backends.transformers.chat import PromptDialect
from vitrina.search.reranking.backends.transformers.image_features import FeatureMemory
from vitrina.search.reranking.backends.transformers.loading import load_reranker, without_progress_bars
from vitrina.search.reranking.backends.transformers.reranker import CACHE_BYTES
from vitrina.search.reranking.fusion import CARD_FILE
from vitrina.search.types.errors import StateError
from vitrina.tuning import loop, run_directory
from vitrina.tuning.lora import Adapters, adaptable_layers, load_peft, n_parameters
from vitrina.tuning.reranker import card
from vitrina.tuning.reranker.corpus import CandidateCache, RerankerCorpus
from vitrina.tuning.reranker.plan import BaseModel, RerankerPlan
from vitrina.tuning.reranker.trainer import RerankerTrainer
from vitrina.tuning.reranker.validation import RerankerScore, RerankerValidation
from vitrina.tuning.run_directory import History, RunDirectory, check_output, output_folder

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
