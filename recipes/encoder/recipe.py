"""The recipe of the embedded encoder: from labelled images to an open_clip folder."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from recipes.encoder.corpus import CATALOG, CLOTHES, GROCERIES, LabelledRows, Say, repeat_factors
from recipes.encoder.evaluation import describe, evaluate
from recipes.encoder.facts import LabelCaptionWriter, Mixture, all_texts, train_vocabulary
from recipes.encoder.images import BUSY, POSED, Album, StoredImage, store
from recipes.encoder.labels import LabelHeads, LabelledProduct, LabelLossWeights, LabelObjective, LabelTable
from recipes.encoder.queries import OUT_OF_CATALOG_TRAINING
from vitrina.search.encoders.base import Size
from vitrina.search.encoders.open_clip import create_untrained, load_model, load_tokenizer
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.encoder.trainer import EncoderSchedule, EncoderTrainer
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.model_folder import (
    EncoderArchitecture,
    write_card,
    write_configuration,
    write_image_size,
    write_weights,
)

STEPS_A_LINE = 25

N_OUT_OF_CATALOG = 12
"""Texts a step that fit no image, so that what the shop does not sell lies far from everything it sells."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Some epochs of the run: the size of the images, the losses, and how often each shop's products are seen in an
    epoch at least, once where a shop is not named."""

    n_epochs: int
    size: Size
    mix: LabelLossWeights
    repeats: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cycle:
    """Phases over which the learning rate rises to ``learning_rate`` and falls to zero once."""

    learning_rate: float
    phases: tuple[Phase, ...]

    @property
    def n_epochs(self) -> int:
        """Over all phases."""
        return sum(phase.n_epochs for phase in self.phases)


ALIKE = LabelLossWeights(likeness=0.5)

LABELLED = LabelLossWeights(likeness=0.5, heads=3.0)

CYCLES = (
    Cycle(2e-3, (Phase(8, (48, 48), LabelLossWeights()), Phase(10, (80, 64), ALIKE, {GROCERIES: 4.0, CLOTHES: 4.0}))),
    Cycle(1.2e-3, (Phase(6, (80, 64), ALIKE, {GROCERIES: 2.0, CLOTHES: 4.0}),)),
    Cycle(1.5e-3, (Phase(14, (80, 64), LABELLED, {GROCERIES: 6.0, CATALOG: 12.0, CLOTHES: 4.0}),)),
    Cycle(1.5e-3, (Phase(12, (104, 84), LABELLED, {GROCERIES: 8.0, CATALOG: 40.0, CLOTHES: 4.0}),)),
)
"""Coarse shapes and colours first, on images that take 0.85 times as long (measured: 1.12 and 0.95 steps a second);
then four times as many photos of the two small shops, which are hard and only 12% of the rows. After the first cycle
the rows trained on were answered no better than those held out: a warm restart (SGDR, arXiv 1608.03983) goes on from
there, with fewer groceries, the one shop that was learnt by heart. The third weighs the labels more: a linear probe
read the article off the tower's features better than the captions did (P@10 0.79 and 0.71). The fourth uses larger
images: groceries differ in what 80 x 64 pixels do not show, and a third of their catalog's images did not find their
own name, though trained on."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """All that a run depends on beside its rows. Epochs and learning rates of the ``schedule`` come from the cycles."""

    architecture: EncoderArchitecture = field(default_factory=EncoderArchitecture)
    cycles: Sequence[Cycle] = CYCLES
    schedule: EncoderSchedule = field(default_factory=EncoderSchedule)

    @property
    def n_epochs(self) -> int:
        """Over all cycles."""
        return sum(cycle.n_epochs for cycle in self.cycles)


def make_encoder(
    rows: Sequence[LabelledRows],
    out: Path,
    work: Path,
    recipe: Recipe,
    *,
    resume: bool = False,
    start: Path | None = None,
    say: Say,
) -> None:
    """Train on ``rows`` less those held out, and write the open_clip folder ``out``; blocks for the whole run.

    ``work`` keeps the checkpoint and the model of the last epoch. Each epoch is measured on the held-out rows. With
    ``start``, the folder of an encoder that went through all cycles but the last, only that one is left.
    """
    run = _Run(rows, work, recipe, resume=resume, start=start, say=say)
    run.go_through_cycles()
    shutil.copytree(run.candidate, out, dirs_exist_ok=True)


class _Run:
    """One run of a recipe, with the folder of its latest model, ``candidate``."""

    def __init__(
        self, rows: Sequence[LabelledRows], work: Path, recipe: Recipe, *, resume: bool, start: Path | None, say: Say
    ) -> None:
        self.rows, self.recipe, self.say = rows, recipe, say
        self.candidate, self.checkpoint = work / "candidate", work / "checkpoint.pt"
        self.kept, self.held_out = zip(*(part.split() for part in rows), strict=True)
        self.products = [product for part in self.kept for product in part.products]
        architecture, schedule = recipe.architecture, recipe.schedule
        if start is not None:
            shutil.copytree(start, self.candidate, dirs_exist_ok=True, ignore=shutil.ignore_patterns("onnx"))
        elif not (resume and (self.candidate / "open_clip_config.json").is_file()):
            _write_untrained(self.candidate, self.products, architecture, schedule.seed)
        torch.manual_seed(schedule.seed)
        self.objective = LabelObjective(
            LabelLossWeights(), LabelHeads(LabelTable.of(self.products), architecture.dimension)
        )
        self.trainer = EncoderTrainer(
            create_untrained(self.candidate) if start is None else _trained(self.candidate),
            load_tokenizer(self.candidate),
            Album([_stored(part, architecture.image_size) for part in self.kept]),
            LabelCaptionWriter(
                self.products, Mixture(out_of_catalog=OUT_OF_CATALOG_TRAINING, n_out_of_catalog=N_OUT_OF_CATALOG)
            ),
            self.objective,
            size=architecture.image_size,
            schedule=schedule,
        )
        if start is not None:
            self.trainer.n_epochs_done = recipe.n_epochs - recipe.cycles[-1].n_epochs
        elif resume and self.checkpoint.is_file():
            self.trainer.restore(self.checkpoint)
        say(f"{len(self.products)} images to train on, {sum(len(part.products) for part in self.held_out)} held out")

    def go_through_cycles(self) -> None:
        trainer, n_epochs = self.trainer, self.recipe.n_epochs
        while trainer.n_epochs_done < n_epochs:
            phase, trainer.schedule = place(self.recipe.cycles, trainer.n_epochs_done, self.recipe.schedule)
            trainer.size, trainer.repeats = phase.size, repeats_of(self.kept, phase.repeats)
            self.objective.weights = phase.mix
            trainer.run_epoch(_reporter(self.say, n_epochs, trainer.n_epochs_done))
            trainer.save(self.checkpoint)
            self.write(phase.size)

    def write(self, size: Size) -> None:
        """Write the model, measure it on the held-out rows as the product would load it, and write its cards."""
        write_weights(self.candidate, self.trainer.averaged_model)
        # a tower measured at a size it has not seen loses half its precision: 0.20 for 0.38 after two epochs
        write_image_size(self.candidate, size)
        encoder = load_encoder(f"{LOCAL_PREFIX}{self.candidate}")
        reports = {part.source: evaluate(encoder, part) for part in self.held_out if part.products}
        for source, report in reports.items():
            self.say("\n".join([f"{source}: {report.n_rows} held-out rows", *report.lines()]))
        counts = {part.source: len(part.products) for part in self.rows}
        measured = {source: {"rows": report.n_rows, **report.figures} for source, report in reports.items()}
        card = {"trained_on": counts, "recipe": asdict(self.recipe), "set_aside": measured}
        write_card(self.candidate, card, describe(reports, counts, size))


def place(cycles: Sequence[Cycle], epoch: int, schedule: EncoderSchedule) -> tuple[Phase, EncoderSchedule]:
    """The phase that an epoch, counted from 0, belongs to, and the schedule of its cycle. Raises IndexError."""
    first_epoch = 0
    for cycle in cycles:
        phases = [phase for phase in cycle.phases for _ in range(phase.n_epochs)]
        if epoch < first_epoch + len(phases):
            rate = cycle.learning_rate
            of_cycle = replace(schedule, first_epoch=first_epoch, n_epochs=len(phases), learning_rate=rate)
            return phases[epoch - first_epoch], of_cycle
        first_epoch += len(phases)
    raise IndexError(f"epoch {epoch} of {first_epoch}")


def repeats_of(kept: Sequence[LabelledRows], repeats: Mapping[str, float]) -> torch.Tensor:
    """How often each product is seen in an epoch, its shop's ``repeats`` at least; float, shape (n products,)."""
    rare = repeat_factors([product for part in kept for product in part.products])
    least = [torch.full((len(part.products),), repeats.get(part.source, 1.0)) for part in kept]
    return torch.maximum(rare, torch.cat(least))


def _stored(part: LabelledRows, size: Size) -> StoredImage:
    """The images of a source, to be varied as suits it."""
    return store(part.images, size, large=POSED if part.source == CATALOG else BUSY)


def _trained(folder: Path) -> torch.nn.Module:
    """The model in an open_clip folder, to be trained further."""
    model, _, _ = load_model(f"{LOCAL_PREFIX}{folder}", torch.device("cpu"))
    trained: torch.nn.Module = model.requires_grad_(True)
    return trained


def _write_untrained(
    folder: Path, products: list[LabelledProduct], architecture: EncoderArchitecture, seed: int
) -> None:
    """Vocabulary and configuration, all that a model needs to begin."""
    texts = all_texts(products, random.Random(seed))
    size = train_vocabulary(texts, folder, context_length=architecture.context_length)
    write_configuration(folder, architecture, size)


def _reporter(say: Say, n_epochs: int, first_epoch: int) -> Callable[[TrainingProgress], None]:
    """A line every few steps with the loss, the rate and the time left."""
    begun = time.monotonic()

    def report(progress: TrainingProgress) -> None:
        if (progress.step + 1) % STEPS_A_LINE and progress.step + 1 < progress.n_steps:
            return
        done = (progress.epoch - first_epoch) * progress.n_steps + progress.step + 1
        left = (n_epochs - first_epoch) * progress.n_steps - done
        steps_a_second = done / (time.monotonic() - begun)
        say(
            f"epoch {progress.epoch + 1}/{n_epochs} step {progress.step + 1}/{progress.n_steps} "
            f"loss {progress.loss:.3f}  {steps_a_second:.2f} steps/s  {left / steps_a_second / 60:.0f} min left"
        )

    return report
