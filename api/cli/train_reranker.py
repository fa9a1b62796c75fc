"""``vitrina train reranker``."""

from __future__ import annotations

from pathlib import Path

import torch
from rich.table import Table

from vitrina.api.cli.console import errors, output, progress_bar
from vitrina.api.cli.train import TrainingBar, say
from vitrina.api.cli.train_encoder import CHART, TrainOptions
from vitrina.api.settings import Settings, encoder_for
from vitrina.evaluation.judgements import JudgedQuery, read_judgements
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.tuning.reranker.corpus import RerankerCorpus, read_corpus
from vitrina.tuning.reranker.plan import RerankerPlan, find_base, load_base
from vitrina.tuning.reranker.run import RerankerTuning, check
from vitrina.tuning.reranker.validation import RerankerScore


def train_reranker(
    settings: Settings, plan: RerankerPlan, asked: TrainOptions, judgements: Path, queries: Path | None
) -> bool:
    """Tune a reranker on judged queries and write it; returns whether it beat the one that it began as."""
    out = asked.out
    check(out)
    judged = read_judgements(judgements, queries)
    found = find_base(asked.start)
    store = Store.existing(settings.store)
    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    corpus = gather(store, settings, judged, plan)
    with errors.status("Loading and measuring the reranker"):
        device = settings.reranker_device or settings.device
        base = load_base(found, plan, device, settings.reranker_max_pixels)
        tuning = RerankerTuning(corpus, base, plan, asked.work_folder, resume=asked.resume)
    with RerankerBar(tuning.schedule.n_epochs) as bar:
        history = tuning.tune(bar)
    is_better = history.best is not None
    if is_better:
        with errors.status("Writing and measuring the new reranker"):
            after = tuning.write(out)
        show_gain(history.start, after)
        output.print(f"The reranker, its card and its loss picture: {out}", highlight=False, soft_wrap=True)
        output.print(f"Have the search use it: VITRINA_RERANKER={out}", highlight=False, soft_wrap=True)
    else:
        show_no_gain(tuning)
    store.close()
    return is_better


def gather(store: Store, settings: Settings, judged: list[JudgedQuery], plan: RerankerPlan) -> RerankerCorpus:
    """Ask the catalog's search every judged query; the encoder is gone before the reranker comes."""
    with errors.status("Loading the encoder"):
        engine = SearchEngine.open(store, encoder_for(store, settings))
    with progress_bar() as bar:
        task = bar.add_task("Searching", total=len(judged))
        corpus = read_corpus(store, engine, judged, plan, lambda done: bar.update(task, completed=done))
        bar.update(task, completed=len(judged))
    for note in corpus.notes:
        say(note)
    return corpus


class RerankerBar(TrainingBar):
    """Says what is trained on what, too."""

    def on_start(self, tuning: RerankerTuning) -> None:
        """Say what is trained on what."""
        corpus, schedule, n_pairs = tuning.corpus, tuning.schedule, tuning.validation.n_pairs
        say(f"{len(corpus.kept):,} queries to train on, {len(corpus.held_out):,} set aside with {n_pairs:,} pairs")
        how = f"batches of {schedule.batch_size} pairs, learning rate {schedule.learning_rate:g}"
        say(f"{tuning.n_trained:,} numbers to train, {how}, on {tuning.base.reranker.questions.model.device}")
        say(f"Untouched: {tuning.history.start.said}")


def show_gain(before: RerankerScore, after: RerankerScore) -> None:
    """Print each measure before and after."""
    table = Table(title="On the queries set aside", title_justify="left", box=None, pad_edge=False)
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


def show_no_gain(tuning: RerankerTuning) -> None:
    """Say that nothing was won, and leave the loss picture."""
    best = max(tuning.history.scores, key=lambda score: score.value)
    image = tuning.work.folder / CHART
    tuning.draw(image)
    say(f"No epoch beat the untouched reranker: {tuning.history.start.said}. At best: {best.said}. None was written.")
    say(f"Try a smaller --learning-rate, or more judged queries. The losses as a picture: {image}")
