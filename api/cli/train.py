"""``vitrina train``: its commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import typer
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn

from vitrina.api.cli.console import RateColumn, StoreOption, errors, settings_for
from vitrina.tuning import Loss, TunedTower
from vitrina.tuning.loop import TrainingProgress as Step
from vitrina.tuning.run_directory import History, Score


class TrainingBar:
    """A progress bar with the loss, the steps a second and the time left; a line for every epoch's score."""

    def __init__(self, n_epochs: int) -> None:
        self._n_epochs = n_epochs
        self._task: TaskID | None = None
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[loss]}"),
            RateColumn("steps"),
            TimeRemainingColumn(),
            console=errors,
        )

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def on_step(self, progress: Step) -> None:
        """Move the bar."""
        said, loss = f"Epoch {progress.epoch + 1}/{self._n_epochs}", f"loss {progress.loss:.3f}"
        total, done = self._n_epochs * progress.n_steps, progress.epoch * progress.n_steps + progress.step
        if self._task is None:
            self._task = self._bar.add_task(said, total=total, completed=done, loss=loss)
        self._bar.update(self._task, completed=done + 1, description=said, loss=loss)

    def on_epoch(self, history: History[Score]) -> None:
        """Say what the epoch reached."""
        epoch, score, losses = len(history.scores), history.scores[-1], history.losses[-1]
        kept = ", the best so far" if history.best == epoch - 1 else ""
        say(f"Epoch {epoch}: loss {sum(losses) / len(losses):.3f}, {score.said}{kept}")


def say(line: str) -> None:
    """A line above the bar, as it is."""
    errors.print(line, highlight=False, markup=False, soft_wrap=True)


app = typer.Typer(name="train", no_args_is_help=True, help="Tune models on a catalog's own rows.")

LearningRateOption = Annotated[
    float | None, typer.Option("--learning-rate", help="By the model's size, and LoRA or not, if left out.")
]
PatienceOption = Annotated[int, typer.Option("--patience", min=1, help="Epochs without gain before it stops.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")]
LicenceOption = Annotated[str, typer.Option("--licence", metavar="TEXT", help="The data's, for the model card.")]
WorkOption = Annotated[
    Path | None, typer.Option("--work", metavar="FOLDER", help="Where checkpoints go; beside --out if left out.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")]


@app.command()
def encoder(
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the new encoder goes.")],
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="The encoder to begin with; the catalog's own if left out."),
    ] = None,
    captions: Annotated[
        list[str] | None,
        typer.Option("--caption", metavar="TEMPLATE", help="As in '{colour} {article} for {gender}'; may be repeated."),
    ] = None,
    loss: Annotated[
        Loss | None, typer.Option("--loss", help="The one that the model was trained with if left out.")
    ] = None,
    freeze: Annotated[
        TunedTower | None, typer.Option("--freeze", help="Leave this half of the model as it is.")
    ] = None,
    lora: Annotated[
        int | None, typer.Option("--lora", metavar="RANK", min=1, help="Train low-rank adapters, then merge them.")
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Times to see each row, at most.")] = 10,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=2, help="Rows a step; by the number of rows if left out.")
    ] = None,
    learning_rate: LearningRateOption = None,
    held_out: Annotated[
        float, typer.Option("--set-aside", metavar="SHARE", help="Rows to measure with, not to train on.")
    ] = 0.1,
    patience: PatienceOption = 3,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the batches, captions and crops.")] = 0,
    threads: ThreadsOption = None,
    licence: LicenceOption = "",
    work: WorkOption = None,
    resume: ResumeOption = False,
    store: StoreOption = None,
) -> None:
    """Tune an encoder on the catalog's pictures and words, measured after every epoch on rows set aside. Exits with 1
    where nothing was won."""
    from vitrina.api.cli.train_encoder import TrainOptions, train_encoder
    from vitrina.tuning.encoder.plan import EncoderPlan

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
    if not train_encoder(settings_for(store), plan, TrainOptions(out, start, work, resume, threads)):
        raise typer.Exit(1)


@app.command()
def reranker(
    judgements: Annotated[
        Path, typer.Option("--judgements", metavar="FILE", help="JSON lines or TREC qrels, as vitrina eval reads them.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the new reranker goes.")],
    queries: Annotated[
        Path | None, typer.Option("--queries", metavar="FILE", help="The texts of TREC qrels: qid<TAB>text.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", help="The model to begin with, a folder or a name on the hub."),
    ] = None,
    lora: Annotated[int, typer.Option("--lora", metavar="RANK", min=1, help="The rank of the adapters.")] = 16,
    image_tower: Annotated[
        bool, typer.Option("--image-tower", help="Adapt what sees the pictures, too; slower.")
    ] = False,
    listings: Annotated[
        bool, typer.Option("--listings", help="Show the catalog's text beside the picture; the search does not.")
    ] = False,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="Times to see each query, at most.")] = 5,
    batch_size: Annotated[int, typer.Option("--batch-size", min=2, help="Pairs a step.")] = 32,
    rows_at_once: Annotated[
        int | None, typer.Option("--rows-at-once", min=1, help="Pairs in memory at a time; their gradients add up.")
    ] = None,
    learning_rate: LearningRateOption = None,
    held_out: Annotated[
        float, typer.Option("--set-aside", metavar="SHARE", help="Queries to measure with, not to train on.")
    ] = 0.2,
    patience: PatienceOption = 2,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the pairs and the adapters.")] = 0,
    threads: ThreadsOption = None,
    licence: LicenceOption = "",
    work: WorkOption = None,
    resume: ResumeOption = False,
    store: StoreOption = None,
) -> None:
    """Tune a vision-language model on judged queries, measured after every epoch on queries set aside. Exits with 1
    where nothing was won."""
    from vitrina.api.cli.train_encoder import TrainOptions
    from vitrina.api.cli.train_reranker import train_reranker
    from vitrina.tuning.reranker.plan import RerankerPlan

    plan = RerankerPlan(
        lora_rank=lora,
        image_tower=image_tower,
        listings=listings,
        n_epochs=epochs,
        batch_size=batch_size,
        n_rows=rows_at_once,
        learning_rate=learning_rate,
        seed=seed,
        held_out=held_out,
        patience=patience,
        licence=licence,
    )
    asked = TrainOptions(out, start, work, resume, threads)
    if not train_reranker(settings_for(store), plan, asked, judgements, queries):
        raise typer.Exit(1)
