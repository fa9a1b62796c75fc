"""``vitrina train reranker``."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from vitrina.api.cli.console import (
    JudgementsOption,
    QueriesOption,
    StoreOption,
    errors,
    output,
    print_line,
    print_note,
    progress,
    settings_for,
)
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

if TYPE_CHECKING:
    from pathlib import Path

    from vitrina.api.settings import Settings
    from vitrina.evaluation.judgements import JudgedQuery
    from vitrina.search.store.store import Store
    from vitrina.tuning.reranker.corpus import RerankerCorpus
    from vitrina.tuning.reranker.plan import RerankerPlan
    from vitrina.tuning.reranker.run import RerankerTuning
    from vitrina.tuning.reranker.validation import RerankerScore

LoraOption = Annotated[int, typer.Option("--lora", metavar="RANK", min=1, help="The rank of the adapters.")]
ImageTowerOption = Annotated[bool, typer.Option("--image-tower", help="Adapt the image tower, too; slower.")]
ListingsOption = Annotated[
    bool, typer.Option("--listings", help="Show the catalog's text beside the image; the search does not.")
]
BatchSizeOption = Annotated[int, typer.Option("--batch-size", min=2, help="Pairs per step.")]
MicroBatchSizeOption = Annotated[
    int | None,
    typer.Option("--micro-batch-size", min=1, help="Pairs in memory at a time; their gradients are accumulated."),
]


def train_reranker(
    judgements: JudgementsOption,
    out: OutOption,
    queries: QueriesOption = None,
    start: StartOption = None,
    lora: LoraOption = 16,
    image_tower: ImageTowerOption = False,
    listings: ListingsOption = False,
    epochs: EpochsOption = 5,
    batch_size: BatchSizeOption = 32,
    micro_batch_size: MicroBatchSizeOption = None,
    learning_rate: LearningRateOption = None,
    held_out: HeldOutOption = 0.2,
    patience: PatienceOption = 2,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    licence: LicenceOption = "",
    run_directory: RunDirectoryOption = None,
    resume: ResumeOption = False,
    folder: StoreOption = None,
) -> None:
    """Tune a vision-language model on judged queries.

    Every epoch is measured on held-out queries. Exits with 1 if none improved on the model it started from.
    """
    from vitrina.api.settings import existing_store
    from vitrina.evaluation.judgements import read_judgements
    from vitrina.search.encoders.compute import require_models

    require_models("torch", "transformers")
    from vitrina.tuning.reranker.plan import RerankerPlan, find_base, load_base
    from vitrina.tuning.reranker.run import RerankerTuning, check

    plan = RerankerPlan(
        lora_rank=lora,
        image_tower=image_tower,
        listings=listings,
        n_epochs=epochs,
        batch_size=batch_size,
        n_rows=micro_batch_size,
        learning_rate=learning_rate,
        seed=seed,
        held_out=held_out,
        patience=patience,
        licence=licence,
    )
    check(out)
    settings, judged, found = settings_for(folder), read_judgements(judgements, queries), find_base(start)
    with closing(existing_store(settings)) as store:
        limit_threads(threads)
        corpus = gather(store, settings, judged, plan)
        with errors.status("Loading and measuring the reranker"):
            base = load_base(found, plan, settings.reranker_device or settings.device, settings.reranker_max_pixels)
            tuning = RerankerTuning(corpus, base, plan, run_directory_for(out, run_directory), resume=resume)
        tune(tuning, out)
    print_line(f"The reranker, its card and the chart of its losses: {out}")
    print_line(f"Use it in searches: VITRINA_RERANKER={out}")


def tune(tuning: RerankerTuning, out: Path) -> None:
    """Train, write the best reranker, and print what was gained; ends the command with 1 if there was no gain."""
    with RerankerBar(tuning.schedule.n_epochs) as bar:
        history = tuning.tune(bar)
    if history.best is None:
        show_best(tuning)
        raise typer.Exit(1)
    with errors.status("Writing and measuring the new reranker"):
        after = tuning.write(out)
    show_gain(history.start, after)


def gather(store: Store, settings: Settings, judged: list[JudgedQuery], plan: RerankerPlan) -> RerankerCorpus:
    """Ask the catalog's search every judged query. The encoder is released before the reranker is loaded."""
    from vitrina.api.settings import encoder_for
    from vitrina.search.engine import SearchEngine
    from vitrina.tuning.reranker.corpus import read_corpus

    with errors.status("Loading the encoder"):
        engine = SearchEngine.open(store, encoder_for(store, settings))
    with progress("Searching", len(judged)) as on_progress:
        corpus = read_corpus(store, engine, judged, plan, on_progress)
        on_progress(len(judged))
    for note in corpus.notes:
        print_note(note)
    return corpus


class RerankerBar(TrainingBar):
    """Prints what is trained on what before the first epoch."""

    def on_start(self, tuning: RerankerTuning) -> None:
        """Print the numbers of queries and parameters, the schedule, and the score before training."""
        corpus, schedule, n_pairs = tuning.corpus, tuning.schedule, tuning.validation.n_pairs
        print_note(
            f"{len(corpus.kept):,} queries to train on, {len(corpus.held_out):,} held out with {n_pairs:,} pairs"
        )
        how = f"batches of {schedule.batch_size} pairs, learning rate {schedule.learning_rate:g}"
        device = tuning.base.reranker.prompted_model.model.device
        print_note(f"{tuning.n_trained:,} parameters to train, {how}, on {device}")
        print_note(f"Before training: {tuning.history.start.said}")


def show_gain(before: RerankerScore, after: RerankerScore) -> None:
    """Print each measure before and after."""
    table = Table(title="On the held-out queries", title_justify="left", box=None, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    for column in ("before", "after"):
        table.add_column(column, justify="right")
    for name, was, now in (
        ("balanced accuracy", before.balanced_accuracy, after.balanced_accuracy),
        ("AUC", before.auc, after.auc),
        ("nDCG@10, reranked", before.ndcg, after.ndcg),
    ):
        table.add_row(name, f"{was:.3f}", f"[bold]{now:.3f}[/]")
    output.print(table)


def show_best(tuning: RerankerTuning) -> None:
    """Print the best score that was reached, and draw the chart of the losses."""
    best = max(tuning.history.scores, key=lambda score: score.value)
    chart = tuning.work.folder / CHART
    tuning.draw(chart)
    show_no_gain(
        f"No epoch improved on the reranker as it was: {tuning.history.start.said}. At best: {best.said}.",
        chart,
        "a smaller --learning-rate, or more judged queries",
    )
