"""``vitrina train encoder``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from vitrina.api.cli.console import StoreOption, errors, output, print_line, print_note, settings_for
from vitrina.api.cli.train import (
    CHART,
    EpochsOption,
    HeldOutOption,
    LearningRateOption,
    LicenceOption,
    OutOption,
    PatienceOption,
    ResumeOption,
    RunDirectoryOption,
    SeedOption,
    StartOption,
    ThreadsOption,
    TrainingBar,
    limit_threads,
    run_directory_for,
    show_no_gain,
)
from vitrina.search.types.errors import EncoderError
from vitrina.tuning import Loss, TunedTower

if TYPE_CHECKING:
    from pathlib import Path

    from vitrina.api.settings import Settings
    from vitrina.search.encoders.open_clip import OpenClipEncoder
    from vitrina.search.store.store import Store
    from vitrina.tuning.encoder.run import EncoderTuning
    from vitrina.tuning.encoder.validation import EncoderScore

CaptionsOption = Annotated[
    list[str] | None,
    typer.Option("--caption", metavar="TEMPLATE", help="As in '{colour} {article} for {gender}'. Repeatable."),
]
LossOption = Annotated[Loss | None, typer.Option("--loss", help="By default the one that the model was trained with.")]
FreezeOption = Annotated[TunedTower | None, typer.Option("--freeze", help="Leave this tower of the model unchanged.")]
LoraOption = Annotated[
    int | None,
    typer.Option("--lora", metavar="RANK", min=1, help="Train low-rank adapters and merge them into the weights."),
]
BatchSizeOption = Annotated[
    int | None, typer.Option("--batch-size", min=2, help="Rows per step; by default chosen from the number of rows.")
]


def train_encoder(
    out: OutOption,
    start: StartOption = None,
    captions: CaptionsOption = None,
    loss: LossOption = None,
    freeze: FreezeOption = None,
    lora: LoraOption = None,
    epochs: EpochsOption = 10,
    batch_size: BatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    held_out: HeldOutOption = 0.1,
    patience: PatienceOption = 3,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    licence: LicenceOption = "",
    run_directory: RunDirectoryOption = None,
    resume: ResumeOption = False,
    folder: StoreOption = None,
) -> None:
    """Tune an encoder on the catalog's images and texts.

    Every epoch is measured on held-out rows. Exits with 1 if none improved on the encoder it started from.
    """
    from vitrina.api.settings import existing_store
    from vitrina.search.encoders.compute import require_models

    require_models("torch", "open_clip")
    from vitrina.tuning.encoder.corpus import EncoderPlan, read_corpus
    from vitrina.tuning.encoder.run import EncoderTuning, check

    plan = EncoderPlan(
        captions=tuple(captions or ()),
        loss=loss,
        freeze=freeze,
        lora_rank=lora,
        n_epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        held_out=held_out,
        patience=patience,
        licence=licence,
    )
    settings = settings_for(folder)
    check(plan, out)
    with closing(existing_store(settings)) as store:
        limit_threads(threads)
        with errors.status("Reading the catalog"):
            corpus = read_corpus(store, plan)
        with errors.status("Loading and measuring the encoder"):
            base, source = load_base(store, settings, start)
            tuning = EncoderTuning(corpus, base, source, plan, run_directory_for(out, run_directory), resume=resume)
        tune(tuning, out)
    print_line(f"The encoder, its card and the chart of its losses: {out}")
    print_line(f"Switch to it: vitrina encoder use {out}")


def tune(tuning: EncoderTuning, out: Path) -> None:
    """Train, write the best encoder, and print what was gained; ends the command with 1 if there was no gain."""
    with EncoderBar(tuning.schedule.n_epochs) as bar:
        history = tuning.tune(bar)
    if history.best is None:
        show_best(tuning)
        raise typer.Exit(1)
    with errors.status("Measuring and calibrating the new encoder"):
        after = tuning.write(out)
    show_gain(history.start, after)


def load_base(store: Store, settings: Settings, name: str | None) -> tuple[OpenClipEncoder, str]:
    """The encoder to start from, by default the catalog's, and the name it was loaded by. Raises EncoderError."""
    from functools import partial

    from vitrina.search.encoders.base import Runtime
    from vitrina.search.encoders.open_clip import OpenClipEncoder
    from vitrina.search.encoders.registry import load_catalog_encoder, load_encoder

    load = partial(load_encoder, device=settings.device, runtime=Runtime.TORCH, exact=True)
    encoder = load_catalog_encoder(store, load, name or settings.encoder)
    if not isinstance(encoder, OpenClipEncoder):
        raise EncoderError(
            f"The encoder {encoder.identity.name} cannot be tuned: it is not an open_clip model.",
            remedy="Name the model that it was made from with --from.",
        )
    return encoder, store.models.source_of(encoder.identity)


class EncoderBar(TrainingBar):
    """Prints what is trained on what before the first epoch."""

    def on_start(self, tuning: EncoderTuning) -> None:
        """Print the numbers of rows and parameters, the schedule, and the score before training."""
        rows, schedule, n_queries = tuning.corpus.rows, tuning.schedule, len(tuning.validation.queries)
        print_note(f"{len(rows.kept):,} rows to train on, {len(rows.held_out):,} held out for {n_queries:,} queries")
        if rows.n_twins:
            print_note(f"{rows.n_twins:,} rows left out because they share an image with a held-out row")
        print_note(f"Captions: {', '.join(tuning.corpus.templates)}")
        how = f"batches of {schedule.batch_size}, learning rate {schedule.learning_rate:g}, on {tuning.base.device}"
        print_note(f"{tuning.n_trained:,} parameters to train, {how}")
        print_note(f"Before training: {tuning.history.start.said}")


def show_gain(before: EncoderScore, after: EncoderScore) -> None:
    """Print nDCG@10 before and after, by template."""
    table = Table(title="nDCG@10 on the held-out rows", title_justify="left", box=None, pad_edge=False)
    table.add_column("queries", no_wrap=True)
    for column in ("number", "before", "after"):
        table.add_column(column, justify="right")
    n_queries = sum(after.n_queries.values())
    table.add_row("mean over templates", f"{n_queries:,}", f"{before.ndcg:.3f}", f"[bold]{after.ndcg:.3f}[/]")
    for template, value in after.by_template.items():
        was = before.by_template[template]
        table.add_row(template, f"{after.n_queries[template]:,}", f"{was:.3f}", f"{value:.3f}")
    output.print(table)


def show_best(tuning: EncoderTuning) -> None:
    """Print the best score that was reached, and draw the chart of the losses."""
    history = tuning.history
    best = max(score.ndcg for score in history.scores)
    chart = tuning.work.folder / CHART
    tuning.draw(chart)
    show_no_gain(
        f"No epoch improved on the encoder as it was: nDCG@10 {history.start.ndcg:.3f}, at best {best:.3f}.",
        chart,
        "a smaller --learning-rate, --lora 8, or more rows",
    )
