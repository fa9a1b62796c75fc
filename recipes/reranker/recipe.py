"""The recipe: from labelled images to the folder of a vision-language model."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from recipes.encoder.corpus import LabelledRows, repeat_factors
from recipes.encoder.images import Album, store
from recipes.encoder.labels import LabelledProduct
from recipes.reranker.evaluation import Evaluator, evaluate, explaining
from recipes.reranker.grounding import Boxes
from recipes.reranker.model import (
    RerankerArchitecture,
    create_processor,
    create_untrained,
    describe,
    load,
    start_tower,
    write_model,
)
from recipes.reranker.packing import Packer
from recipes.reranker.statements import HardNegatives, Meanings
from recipes.reranker.tasks import TaskWriter
from recipes.reranker.template import VOCABULARY_SIZE, train_vocabulary
from recipes.reranker.trainer import Budget, RecipeSchedule, RecipeTrainer, Stage
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.loop import TrainingProgress
from vitrina.tuning.model_folder import write_card

STAGES = (Stage(0.08, 2e-3), Stage(0.47, 1.5e-3, tower_rate=3e-4), Stage(0.45, 1e-3, tower_rate=4e-4))
"""The decoder first learns to read the features of the encoder's tower, which gradients from a decoder that knows
nothing would spoil; then both learn. After that the rows trained on were answered hardly better than those held out
(colours 0.68 and 0.64): a warm restart (SGDR, arXiv 1608.03983) goes on from there."""

SCHEDULE = RecipeSchedule(STAGES)
BUDGET = Budget(n_epochs=11)

REPEATS: Mapping[str, float] = {"grocery-train": 1.5, "clothing-train": 1.5, "grocery-iconic-collages": 0.4}
"""How often a shop's products are seen in an epoch, once where it is not named."""

MEASURED_ROWS = 400
"""Rows of each shop that an epoch is measured on, all of them at the end: 1,500 take some minutes."""

STEPS_A_LINE = 25
STEPS_A_CHECKPOINT = 250

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class RecipeCorpus:
    """Labelled images, and the boxes in those that are drawn."""

    rows: Sequence[LabelledRows]
    boxes: Boxes = field(default_factory=dict)


def make_reranker(
    corpus: RecipeCorpus,
    encoder: Path,
    out: Path,
    work: Path,
    *,
    say: Say,
    architecture: RerankerArchitecture = RerankerArchitecture(),  # noqa: B008 - frozen
    vocabulary_size: int = VOCABULARY_SIZE,
    schedule: RecipeSchedule = SCHEDULE,
    budget: Budget = BUDGET,
    resume: bool = False,
    start: Path | None = None,
) -> None:
    """Train on the corpus less the held-out rows, from the image tower of the open_clip folder ``encoder``, and
    write the model's folder ``out``; blocks for the whole run.

    ``work`` keeps the checkpoint and the model of the last epoch. Each epoch is measured on the held-out rows. With
    ``start``, the folder of a model that went through all stages but the last, only that one is left.
    """
    kept, held_out = zip(*(part.split() for part in corpus.rows), strict=True)
    products = [product for part in kept for product in part.products]
    images = [image for part in kept for image in part.images]
    writer = TaskWriter(products, corpus.boxes)
    candidate = work / "candidate"
    checkpoint = work / "checkpoint.pt"
    goes_on = resume and checkpoint.is_file()
    if start is not None:
        schedule = replace(schedule, stages=(replace(schedule.stages[-1], share=1.0),))
    begun = candidate if goes_on else start
    model, processor = (
        load(begun) if begun else _untrained(writer, encoder, architecture, vocabulary_size, schedule.seed)
    )
    if not goes_on:
        write_model(candidate, model, processor)
    embedding = load_encoder(f"{LOCAL_PREFIX}{encoder}")
    trainer = RecipeTrainer(
        model,
        Packer(processor.tokenizer, architecture.n_image_tokens),
        products,
        [_shop(part) for part in kept for _ in part.products],
        Album([store(part.images, architecture.image_size) for part in kept]),
        writer,
        HardNegatives.embedded_by(embedding, images),
        Meanings.embedded_by(embedding, products),
        size=architecture.image_size,
        repeats=_repeats(kept, products),
        schedule=schedule,
        budget=budget,
    )
    if goes_on:
        trainer.restore(checkpoint)
    n_held_out = sum(len(part.products) for part in held_out)
    say(f"{len(products)} images to train on, {n_held_out} held out; {_n_parameters(model):,} parameters")
    report = _reporter(trainer, checkpoint, say)
    while not trainer.is_over:
        trainer.run_epoch(report)
        trainer.save(checkpoint)
        write_model(candidate, trainer.result(), processor)
        measured = held_out if trainer.is_over else [_some(part, MEASURED_ROWS) for part in held_out]
        _measure(candidate, measured, corpus, writer, architecture, schedule, say)
    shutil.copytree(candidate, out, dirs_exist_ok=True)


def _untrained(
    writer: TaskWriter, encoder: Path, architecture: RerankerArchitecture, vocabulary_size: int, seed: int
) -> tuple[Any, Any]:
    """A model that has learnt nothing but what its tower's encoder has, and its processor."""
    tokenizer = train_vocabulary(writer.texts(random.Random(seed)), vocabulary_size)
    torch.manual_seed(seed)
    model, processor = create_untrained(architecture, tokenizer), create_processor(architecture, tokenizer)
    start_tower(model, encoder)
    return model, processor


def _measure(
    folder: Path,
    held_out: Sequence[LabelledRows],
    corpus: RecipeCorpus,
    writer: TaskWriter,
    architecture: RerankerArchitecture,
    schedule: RecipeSchedule,
    say: Say,
) -> None:
    """Measure the folder as a user would load it, and write its cards."""
    evaluator = Evaluator(*load(folder))
    reports = {
        part.source: evaluate(evaluator, part, boxes=corpus.boxes if part.source == "boutique" else None)
        for part in held_out
        if part.products
    }
    explanations = explaining(evaluator, writer.lexicon)
    for source, report in reports.items():
        say("\n".join([f"{source}: {report.n_rows} held-out rows", *report.lines()]))
    say("\n".join(f"{name:<40}{value:.3f}" for name, value in explanations.items()))
    counts = {part.source: len(part.products) for part in corpus.rows}
    measured = {source: {"rows": report.n_rows, **report.figures} for source, report in reports.items()}
    card = {"trained_on": counts, "schedule": asdict(schedule), "set_aside": measured, "explanations": explanations}
    write_card(folder, card, describe(reports, explanations, counts, architecture))


def _some(rows: LabelledRows, n: int) -> LabelledRows:
    """At most n of the rows, from all over the file."""
    step = max(1, -(-len(rows.products) // n))
    return replace(rows, products=rows.products[::step], images=rows.images[::step])


def _repeats(kept: Sequence[LabelledRows], products: Sequence[LabelledProduct]) -> torch.Tensor:
    """How often each product is seen in an epoch; float, shape (n products,)."""
    of_shops = [torch.full((len(part.products),), REPEATS.get(part.source, 1.0)) for part in kept]
    return torch.cat(of_shops) * repeat_factors(products)


def _shop(rows: LabelledRows) -> str:
    """``grocery`` for each file of the grocery shop: they share their labels."""
    return rows.source.partition("-")[0]


def _n_parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _reporter(trainer: RecipeTrainer, checkpoint: Path, say: Say) -> Callable[[TrainingProgress], None]:
    """A line every few steps with the loss, the speed and the time left; and a checkpoint now and then."""
    losses: list[float] = []
    since = trainer.seconds

    def report(progress: TrainingProgress) -> None:
        nonlocal since
        losses.append(progress.loss)
        step = progress.step + 1
        if step % STEPS_A_CHECKPOINT == 0:
            trainer.save(checkpoint)
        if step % STEPS_A_LINE and step < progress.n_steps:
            return
        n_images, n_tokens = trainer.batch_shape
        seconds = max(1e-9, progress.seconds - since)
        left = progress.seconds * (1 - progress.done) / max(1e-9, progress.done)
        say(
            f"epoch {progress.epoch + 1} step {step}/{progress.n_steps} loss {sum(losses) / len(losses):.3f}  "
            f"{len(losses) * n_images / seconds:.0f} images/s  {n_tokens} tokens  {left / 60:.0f} min left"
        )
        losses.clear()
        since = progress.seconds

    return report
