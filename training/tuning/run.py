"""A tuning run: from an indexed catalog and an encoder to a folder with a better one."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import torch

from search.calibration import write_calibration
from search.encoders.openclip import CARD_FILE, LOCAL_PREFIX, OpenClipEncoder, load_encoder
from search.errors import InputError, StateError, StorageError
from training.objective import Objective
from training.trainer import Progress, Trainer
from training.tuning import card, chart
from training.tuning.calibration import calibrate
from training.tuning.corpus import Corpus
from training.tuning.examination import Examination, Score
from training.tuning.folder import write_model
from training.tuning.history import History
from training.tuning.lora import Adapters, load_peft
from training.tuning.pictures import StorePictures
from training.tuning.plan import Plan
from training.tuning.towers import n_parameters, unfreeze
from training.tuning.workplace import Workplace


class Watcher(Protocol):
    """Is told how a run goes on."""

    def on_start(self, tuning: Tuning) -> None:
        """The untouched encoder was measured; training begins, or goes on."""

    def on_step(self, progress: Progress) -> None:
        """A step was made."""

    def on_epoch(self, history: History) -> None:
        """An epoch was made and measured."""


class Tuning:
    """One run, prepared: ``tune`` trains, ``write`` makes the folder.

    ``base`` is changed where it is; ``source`` is the name it was loaded by. Making one measures the untouched encoder,
    or finds the run in ``work`` to be resumed. Raises InputError where the rows set aside make no query or the run was
    another, StateError where one is in the way, and MissingDependencyError for LoRA without PEFT.
    """

    def __init__(
        self, corpus: Corpus, base: OpenClipEncoder, source: str, plan: Plan, work: Path, *, resume: bool = False
    ) -> None:
        self.corpus, self.base, self.source, self.plan = corpus, base, source, plan
        self.schedule = plan.schedule(base.model, len(corpus.rows.kept))
        self.examination = Examination(corpus.rows.aside, corpus.aside_captions, corpus.store, seed=plan.seed)
        terms = asdict(plan) | {"base": base.identity.fingerprint, "rows": len(corpus.rows.kept)}
        self.work = Workplace(work, terms, resume=resume)
        self.history = self.work.read_history() if self.work.is_resumed else History(self.examination.score(base))
        torch.manual_seed(plan.seed)
        unfreeze(base.model, plan.freeze)
        self.adapters = None if plan.lora_rank is None else Adapters(base.model, plan.lora_rank, plan.freeze)
        self.n_trained = n_parameters(base.model, trained=True)
        self.trainer = self._trainer()
        if self.work.is_resumed:
            self._restore()

    def tune(self, watcher: Watcher) -> History:
        """Train until nothing gets better; keep a checkpoint of every epoch and the best one's weights. Blocks.

        Where no epoch beat the start, the checkpoints are removed. Raises StorageError where the disk refuses; what was
        kept stays, and the run can be resumed.
        """
        watcher.on_start(self)
        while self.trainer.n_epochs_done < self.schedule.n_epochs and not self.history.is_stale(self.plan.patience):
            losses: list[float] = []

            def on_step(progress: Progress, losses: list[float] = losses) -> None:
                losses.append(progress.loss)
                watcher.on_step(progress)

            self.trainer.run_epoch(on_step)
            self.history.losses.append(losses)
            self.history.scores.append(self._score())
            self._keep()
            watcher.on_epoch(self.history)
        if self.history.best is None:
            self.work.discard_checkpoints()
        return self.history

    def write(self, out: Path) -> Score:
        """Write the best epoch's model, its calibration, its cards and its loss picture; returns what the folder, as
        others will load it, was measured at. Blocks. The work folder is removed.

        Raises StateError where no epoch was better than the start, and StorageError where the disk refuses.
        """
        if self.history.best is None:
            raise StateError(
                f"No epoch beat the untouched encoder's nDCG@10 of {self.history.start.ndcg:.3f}.",
                remedy="Keep the encoder, or try a smaller --learning-rate, --lora 8, or more rows.",
            )
        self.base.model.load_state_dict(torch.load(self.work.best, weights_only=True))
        if self.adapters is not None:
            self.adapters.merge()
        partial = out.with_name(f"{out.name}.partial")
        try:
            write_model(fresh(partial), self.base, self.source)
            after = self._finish(partial)
            partial.rename(out)
        except OSError as error:
            raise StorageError(
                f"The encoder cannot be written to {out}: {error.strerror or error}.",
                remedy="Make room there and finish with the same command and --resume.",
            ) from error
        self.work.remove()
        return after

    def draw(self, path: Path) -> None:
        """Draw the loss picture. Raises OSError."""
        chart.draw(self.history, path)

    def _trainer(self) -> Trainer:
        base, rows = self.base, self.corpus.rows.kept
        pictures = StorePictures(self.corpus.store, [row.image_ids for row in rows], base.preprocessing)
        return Trainer(
            base.model,
            base.tokenizer,
            pictures,
            self.corpus.writer(),
            Objective(self.plan.mix(base.model), heads=None).to(base.device),
            size=base.preprocessing.size,
            schedule=self.schedule,
            ahead=True,
        )

    def _restore(self) -> None:
        try:
            self.trainer.restore(self.work.checkpoint)
        except (OSError, RuntimeError, KeyError) as error:
            raise StateError(
                f"The checkpoint in {self.work.folder} cannot be read: {error}",
                remedy="Remove the folder and begin anew.",
            ) from error
        self.history.cut(self.trainer.n_epochs_done)

    def _score(self) -> Score:
        self.base.model.eval()
        with self.adapters.merged() if self.adapters is not None else nullcontext():
            return self.examination.score(self.base)

    def _keep(self) -> None:
        """The checkpoint comes last: a run goes on from it, and does again what came after it."""
        try:
            if self.history.best == len(self.history.scores) - 1:
                torch.save(self.base.model.state_dict(), self.work.best)
            self.work.write_history(self.history)
            self.trainer.save(self.work.checkpoint)
        except (OSError, RuntimeError) as error:  # torch raises the latter for a full disk
            raise StorageError(
                f"The checkpoint cannot be written to {self.work.folder}: {error}",
                remedy="Make room there and go on with --resume.",
            ) from error

    def _finish(self, folder: Path) -> Score:
        """Measure and calibrate the folder as others will load it, and describe it."""
        encoder = load_encoder(f"{LOCAL_PREFIX}{folder}", device=self.base.device.type)
        corpus, plan = self.corpus, self.plan
        after = self.examination.score(encoder)
        calibration = calibrate(
            encoder,
            corpus.rows.aside,
            corpus.aside_captions,
            corpus.store,
            facets=corpus.facets,
            seed=plan.seed,
        )
        account = card.Account(
            plan=plan,
            schedule=self.schedule,
            loss=plan.loss_of(self.base.model),
            base=self.base.identity,
            corpus=corpus,
            history=self.history,
            after=after,
            calibrated=[str(kind) for kind in calibration.curves],
        )
        card.write(folder, account)
        write_calibration(folder / CARD_FILE, calibration)
        self.draw(folder / card.CHART)
        return after


def check(plan: Plan, out: Path) -> None:
    """What can be said before anything is read: raise InputError where ``out`` is there already, and
    MissingDependencyError without what the extra ``train`` brings."""
    if out.exists():
        raise InputError(f"{out} is there already.", remedy="Choose another folder with --out, or remove that one.")
    chart.check_drawable()
    if plan.lora_rank is not None:
        load_peft()


def fresh(folder: Path) -> Path:
    """A folder's path, with what a run that was cut off may have left there removed."""
    shutil.rmtree(folder, ignore_errors=True)
    return folder
