"""``vitrina train``: its commands and the options they share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vitrina.api.cli.console import print_note

OutOption = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="The new model's folder.")]
StartOption = Annotated[
    str | None,
    typer.Option("--from", metavar="NAME", help="The model to start from; an encoder's default is the catalog's own."),
]
EpochsOption = Annotated[int, typer.Option("--epochs", min=1, help="The most times to see each row or query.")]
LearningRateOption = Annotated[
    float | None,
    typer.Option("--learning-rate", help="By default chosen from the model's size, and whether it is LoRA."),
]
HeldOutOption = Annotated[
    float, typer.Option("--held-out", metavar="SHARE", help="The share to measure on instead of training on it.")
]
PatienceOption = Annotated[int, typer.Option("--patience", min=1, help="Epochs without gain before training stops.")]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of every random choice in training.")]
ThreadsOption = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads.")]
LicenceOption = Annotated[
    str, typer.Option("--licence", metavar="TEXT", help="The data's licence, for the model card.")
]
RunDirectoryOption = Annotated[
    Path | None, typer.Option("--run-dir", metavar="FOLDER", help="Where checkpoints go; by default beside --out.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Continue after the last finished epoch.")]

CHART = "loss.png"

app = typer.Typer(name="train", no_args_is_help=True, help="Tune models on a catalog's own rows.")


def run_directory_for(out: Path, chosen: Path | None) -> Path:
    """Where a run keeps its checkpoints: the chosen folder, else one beside ``out``."""
    return chosen or out.with_name(f"{out.name}.work")


def limit_threads(n_threads: int | None) -> None:
    """Set how many CPU threads PyTorch uses; None leaves its default."""
    import torch

    if n_threads is not None:
        torch.set_num_threads(n_threads)


def show_no_gain(reached: str, chart: Path, remedy: str) -> None:
    """Print that no epoch improved on the start, what was reached, and what to try."""
    print_note(f"{reached} No model was written.")
    print_note(f"Try {remedy}. The chart of the losses: {chart}")
