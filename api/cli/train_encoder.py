"""``vitrina train encoder``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.table import Table

from vitrina.api.cli.console import errors, output
from vitrina.api.cli.train import TrainingBar, say
from vitrina.api.settings import Settings
from vitrina.search.encoders.open_clip import OpenClipEncoder, load_encoder
from vitrina.search.encoders.registry import load_catalog_encoder
from vitrina.search.encoders.runtime import Runtime
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError
from vitrina.tuning.encoder.corpus import read_corpus
from vitrina.tuning.encoder.plan import EncoderPlan
from vitrina.tuning.encoder.run import EncoderTuning, check
from vitrina.tuning.encoder.validation import EncoderScore

CHART = "loss.png"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Where a run begins and where it goes, as it was typed."""

    out: Path
    start: str | None = None
    work: Path | None = None
    resume: bool = False
    threads: int | None = None

    @property
    def work_folder(self) -> Path:
        """Where checkpoints go."""
        return self.work or self.out.with_name(f"{self.out.name}.work")


def train_encoder(settings: Settings, plan: EncoderPlan, asked: TrainOptions) -> bool:
    """Tune an encoder on the catalog's rows and write it; returns whether it beat the one that it began as."""
    out = asked.out
    check(plan, out)
    store = Store.existing(settings.store)
    if asked.threads is not None:
        torch.set_num_threads(asked.threads)
    with errors.status("Reading the catalog"):
        corpus = read_corpus(store, plan)
    with errors.status("Loading and measuring the encoder"):
        base, source = load_base(store, settings, asked.start)
        tuning = EncoderTuning(corpus, base, source, plan, asked.work_folder, resume=asked.resume)
    with EncoderBar(tuning.schedule.n_epochs) as bar:
        history = tuning.tune(bar)
    is_better = history.best is not None
    if is_better:
        with errors.status("Measuring and calibrating the new encoder"):
            after = tuning.write(out)
        show_gain(history.start, after)
        output.print(f"The encoder, its card and its loss picture: {out}", highlight=False, soft_wrap=True)
        output.print(f"Go over to it: vitrina encoder use {out}", highlight=False, soft_wrap=True)
    else:
        show_no_gain(tuning)
    store.close()
    return is_better


def load_base(store: Store, settings: Settings, name: str | None) -> tuple[OpenClipEncoder, str]:
    """The encoder to start from, by default the catalog's, and the name it was loaded by. Raises EncoderError."""
    load = partial(load_encoder, device=settings.device, runtime=Runtime.TORCH)
    encoder = load_catalog_encoder(store, load, name or settings.encoder)
    if not isinstance(encoder, OpenClipEncoder):
        raise EncoderError(
            f"The encoder {encoder.identity.name} cannot be tuned: it is no open_clip model.",
            remedy="Name the model that it was made from with --from.",
        )
    return encoder, store.models.source_of(encoder.identity)


class EncoderBar(TrainingBar):
    """Says what is trained on what, too."""

    def on_start(self, tuning: EncoderTuning) -> None:
        """Say what is trained on what."""
        rows, schedule, n_queries = tuning.corpus.rows, tuning.schedule, len(tuning.validation.queries)
        say(f"{len(rows.kept):,} rows to train on, {len(rows.held_out):,} set aside for {n_queries:,} queries")
        if rows.n_twins:
            say(f"{rows.n_twins:,} rows left out: they share a picture with one set aside")
        say(f"Captions: {', '.join(tuning.corpus.templates)}")
        how = f"batches of {schedule.batch_size}, learning rate {schedule.learning_rate:g}, on {tuning.base.device}"
        say(f"{tuning.n_trained:,} numbers to train, {how}")
        say(f"Untouched: {tuning.history.start.said}")


def show_gain(before: EncoderScore, after: EncoderScore) -> None:
    """Print nDCG@10 before and after, by template."""
    table = Table(title="nDCG@10 on the rows set aside", title_justify="left", box=None, pad_edge=False)
    table.add_column("queries", no_wrap=True)
    for column in ("number", "before", "after"):
        table.add_column(column, justify="right")
    n_queries = sum(after.n_queries.values())
    table.add_row("mean over templates", f"{n_queries:,}", f"{before.ndcg:.3f}", f"[bold]{after.ndcg:.3f}[/]")
    for template, value in after.by_template.items():
        was = before.by_template[template]
        table.add_row(template, f"{after.n_queries[template]:,}", f"{was:.3f}", f"{value:.3f}")
    output.print(table)


def show_no_gain(tuning: EncoderTuning) -> None:
    """Say that nothing was won, and leave the loss picture."""
    history = tuning.history
    best = max(score.ndcg for score in history.scores)
    image = tuning.work.folder / CHART
    tuning.draw(image)
    say(f"No epoch beat the untouched encoder: nDCG@10 {history.start.ndcg:.3f}, at best {best:.3f}. None was written.")
    say(f"Try a smaller --learning-rate, --lora 8, or more rows. The losses as a picture: {image}")
