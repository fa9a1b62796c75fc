"""A tuning run: from an indexed catalog and an encoder to a folder with a better one."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import torch

from vitrina.search.encoders.base import CARD_FILE
from vitrina.search.encoders.open_clip import OpenClipEncoder
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.calibration import write_calibration
from vitrina.search.types.errors import StateError
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning import loop, run_directory
from vitrina.tuning.encoder import card
from vitrina.tuning.encoder.calibration import calibrate
from vitrina.tuning.encoder.corpus import EncoderCorpus, EncoderPlan, StoreImages
from vitrina.tuning.encoder.trainer import ContrastiveObjective, EncoderTrainer
from vitrina.tuning.encoder.validation import EncoderScore, EncoderValidation
from vitrina.tuning.lora import adapt, load_peft, n_parameters, unfreeze
from vitrina.tuning.model_folder import write_model
from vitrina.tuning.run_directory import History, RunDirectory, check_output, output_folder


class EncoderCallback(loop.LoopCallback[EncoderScore], Protocol):
    """Is called as a run goes on."""

    def on_start(self, tuning: EncoderTuning) -> None:
        """The untouched encoder was measured; training begins, or goes on."""


class EncoderTuning:
    """One run, prepared: ``tune`` trains, ``write`` makes the folder.

    ``base`` is changed where it is; ``source`` is the name it was loaded by. Making one measures the untouched encoder,
    or finds the run in ``work`` to be resumed. Raises InputError where the held-out rows make no query or the run was
    another, StateError where one is in the way, and MissingDependencyError for LoRA without PEFT.
    """

    def __init__(
        self,
        corpus: EncoderCorpus,
        base: OpenClipEncoder,
        source: str,
        plan: EncoderPlan,
        work: Path,
        *,
        resume: bool = False,
    ) -> None:
        self.corpus, self.base, self.source, self.plan = corpus, base, source, plan
        self.schedule = plan.schedule(base.model, len(corpus.rows.kept))
        self.validation = EncoderValidation(
            corpus.rows.held_out, corpus.held_out_captions, corpus.store, seed=plan.seed
        )
        terms = asdict(plan) | {"base": base.identity.fingerprint, "rows": len(corpus.rows.kept)}
        self.work = RunDirectory(work, terms, resume=resume)
        resumed = self.work.is_resumed
        self.history = self.work.read_history(EncoderScore) if resumed else History(self.validation.score(base))
        torch.manual_seed(plan.seed)
        unfreeze(base.model, plan.freeze)
        self.adapters = None if plan.lora_rank is None else adapt(base.model, plan.lora_rank, plan.freeze)
        self.n_trained = n_parameters(base.model, trained=True)
        self.loop = loop.TrainingLoop(
            self._trainer(), self.work, self.history, score=self._score, weights=base.model.state_dict
        )

    def tune(self, callback: EncoderCallback) -> History[EncoderScore]:
        """Train until there is no more gain; see ``TrainingLoop.run``. Blocks. Raises StorageError."""
        callback.on_start(self)
        self.loop.run(self.schedule.n_epochs, self.plan.patience, callback)
        return self.history

    def write(self, out: Path) -> EncoderScore:
        """Write the model of the best epoch, its calibration, its cards and its loss image; returns what the folder, as
        others will load it, was measured at. Blocks. The work folder is removed.

        Raises StateError if no epoch was better than the start, and StorageError if the folder cannot be written.
        """
        if self.history.best is None:
            raise StateError(
                f"No epoch beat the untouched encoder's nDCG@10 of {self.history.start.ndcg:.3f}.",
                remedy="Keep the encoder, or try a smaller --learning-rate, --lora 8, or more rows.",
            )
        self.base.model.load_state_dict(self.loop.best_weights())
        if self.adapters is not None:
            self.adapters.merge()
        with output_folder(out, "encoder") as folder:
            write_model(folder, self.base, self.source)
            after = self._finish(folder)
        self.work.remove()
        return after

    def draw(self, path: Path) -> None:
        """Draw the loss image. Raises OSError."""
        run_directory.draw(self.history, path, "nDCG@10")

    def _trainer(self) -> EncoderTrainer:
        base, rows = self.base, self.corpus.rows.kept
        images = StoreImages(self.corpus.store, [row.image_ids for row in rows], base.preprocessing)
        return EncoderTrainer(
            base.model,
            base.tokenizer,
            images,
            self.corpus.writer(),
            ContrastiveObjective(self.plan.loss_weights(base.model)).to(base.device),
            size=base.preprocessing.size,
            schedule=self.schedule,
            prefetch=True,
        )

    def _score(self) -> EncoderScore:
        self.base.model.eval()
        with self.adapters.merged() if self.adapters is not None else nullcontext():
            return self.validation.score(self.base)

    def _finish(self, folder: Path) -> EncoderScore:
        """Measure and calibrate the folder as others will load it, and describe it."""
        encoder = load_encoder(f"{LOCAL_PREFIX}{folder}", device=self.base.device.type)
        corpus, plan = self.corpus, self.plan
        after = self.validation.score(encoder)
        calibration = calibrate(
            encoder,
            corpus.rows.held_out,
            corpus.held_out_captions,
            corpus.store,
            facets=corpus.facets,
            seed=plan.seed,
        )
        account = card.EncoderAccount(
            plan=plan,
            schedule=self.schedule,
            loss=plan.loss_of(self.base.model),
            base=self.base.identity,
            corpus=corpus,
            history=self.history,
            after=after,
            calibrated=[str(kind) for kind in {**calibration.curves, **calibration.of_images}],
        )
        card.write(folder, account)
        write_calibration(folder / CARD_FILE, calibration)
        self.draw(folder / card.CHART)
        return after


def check(plan: EncoderPlan, out: Path) -> None:
    """What can be said before anything is read: as ``check_output``, and MissingDependencyError for LoRA without what
    the extra ``train`` brings."""
    check_output(out)
    if plan.lora_rank is not None:
        load_peft()
