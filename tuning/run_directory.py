"""The directory of a run, with its history, checkpoints and loss chart, and the folder that it ends in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from pydantic import BaseModel, TypeAdapter

from vitrina.search.types.errors import InputError, MissingDependencyError, StateError, StorageError


class EpochMeasures(Protocol):
    """A model's figures on held-out data; a frozen dataclass of numbers."""

    @property
    def value(self) -> float:
        """The figure that epochs are compared by; higher is better."""

    @property
    def said(self) -> str:
        """The figures in a few words."""


Score = TypeVar("Score", bound=EpochMeasures)


@dataclass(slots=True)
class History(Generic[Score]):
    """``start`` is the untouched model's score; ``losses`` has each epoch's steps, ``scores`` each epoch's score."""

    start: Score
    losses: list[list[float]] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)

    @property
    def best(self) -> int | None:
        """The epoch, from 0, with the highest score, the first of equals; None where none beat the start."""
        highest = max(self.scores, key=lambda score: score.value, default=self.start)
        return self.scores.index(highest) if highest.value > self.start.value else None

    def is_stale(self, patience: int) -> bool:
        """Whether none of the last ``patience`` epochs beat what was before them, the start included."""
        reached = [self.start.value, *(score.value for score in self.scores)]
        return len(self.scores) >= patience and max(reached[-patience:]) <= max(reached[:-patience])

    def cut(self, n_epochs: int) -> None:
        """Forget what came after an epoch: a run that resumes from a checkpoint repeats it."""
        del self.losses[n_epochs:], self.scores[n_epochs:]

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path, kind: type[Score]) -> History[Score]:
        """Read one whose scores are of that kind. Raises OSError or ValueError if that fails."""
        kept = _Kept.model_validate_json(path.read_bytes())
        scores: TypeAdapter[Score] = TypeAdapter(kind)
        return cls(
            scores.validate_python(kept.start), kept.losses, [scores.validate_python(each) for each in kept.scores]
        )


class _Kept(BaseModel):
    """The JSON of a history."""

    start: dict[str, Any]
    losses: list[list[float]]
    scores: list[dict[str, Any]]


SMOOTHED_SHARE = 0.05
"""The part of a run over which the bold line averages."""


def check_drawable() -> None:
    """Raise MissingDependencyError where matplotlib is missing: better before the training than after it."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError(
            "Training draws its loss with the package matplotlib.", remedy="Install it: pip install 'vitrina[train]'"
        ) from error


def draw(history: History[Score], path: Path, measure: str) -> None:
    """Draw the chart; the file's ending gives the format. ``measure`` names what the scores' values are.

    Raises OSError where it cannot be written.
    """
    from matplotlib.figure import Figure

    losses = np.array([loss for epoch in history.losses for loss in epoch])
    steps = np.arange(1, len(losses) + 1)
    width = max(1, round(len(losses) * SMOOTHED_SHARE))
    figure = Figure(figsize=(10, 4), layout="constrained")
    of_steps, of_epochs = figure.subplots(1, 2)
    of_steps.plot(steps, losses, color="#b9c4d4", linewidth=0.8)
    of_steps.plot(steps[width - 1 :], np.convolve(losses, np.ones(width) / width, "valid"), color="#1f4e8c")
    of_steps.set(title="Loss", xlabel="step")
    epochs = np.arange(len(history.scores) + 1)
    reached = [history.start.value, *(score.value for score in history.scores)]
    of_epochs.axhline(history.start.value, color="#888888", linestyle="--", label="untouched")
    of_epochs.plot(epochs, reached, color="#1f4e8c", marker="o", label="tuned")
    if history.best is not None:
        at = history.best + 1
        of_epochs.plot([at], [reached[at]], color="#c8102e", marker="o", linestyle="", label="kept")
    of_epochs.set(title=f"{measure} on held-out data", xlabel="epoch", xticks=epochs[:: 1 + len(epochs) // 12])
    of_epochs.legend()
    for axes in (of_steps, of_epochs):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)


class RunDirectory:
    """Makes the folder, or finds the unfinished run in it to resume.

    ``terms`` must be the same when a run is resumed. Raises StateError if an unfinished run is in the way, InputError
    if it had other terms, StorageError if the folder cannot be made.
    """

    def __init__(self, folder: Path, terms: Mapping[str, object], *, resume: bool) -> None:
        self.folder = folder
        self.checkpoint = folder / "checkpoint.pt"
        self.best = folder / "best.pt"
        self._history = folder / "history.json"
        self._terms = folder / "terms.json"
        self.is_resumed = resume and self.checkpoint.is_file()
        if self.is_resumed:
            self._check(json.loads(json.dumps(terms)))
        elif self.checkpoint.is_file():
            raise StateError(
                f"An unfinished run lies in {folder}.", remedy="Go on with it: --resume. Or remove the folder."
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._terms.write_text(json.dumps(terms, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise StorageError(
                f"The work folder {folder} cannot be made: {error.strerror}.", remedy="Choose another with --run-dir."
            ) from error

    def _check(self, terms: Mapping[str, object]) -> None:
        before = json.loads(self._terms.read_text(encoding="utf-8"))
        for name, value in terms.items():
            if (known := before.get(name)) != value:
                raise InputError(
                    f"The run in {self.folder} had another {name}: {known}, not {value}.",
                    remedy="Repeat the command as it was, with --resume, or remove the folder and start again.",
                )

    def read_history(self, kind: type[Score]) -> History[Score]:
        """The history up to the checkpoint, of scores of that kind. Raises StateError if it is damaged."""
        try:
            return History.read(self._history, kind)
        except (OSError, ValueError) as error:
            raise StateError(
                f"The run in {self.folder} cannot be resumed: {error}", remedy="Remove the folder and start again."
            ) from error

    def write_history(self, history: History[Score]) -> None:
        """Write the history. Raises OSError."""
        history.write(self._history)

    def discard_checkpoints(self) -> None:
        """Remove the checkpoints of a run without gain, so that they are not in the way of the next."""
        for path in (self.checkpoint, self.best):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder of a finished run."""
        shutil.rmtree(self.folder, ignore_errors=True)


def check_output(out: Path) -> None:
    """Check before anything is read: raises InputError if ``out`` exists already, and MissingDependencyError if the
    chart could not be drawn."""
    if out.exists():
        raise InputError(f"{out} is there already.", remedy="Choose another folder with --out, or remove that one.")
    check_drawable()


@contextmanager
def output_folder(out: Path, what: str) -> Iterator[Path]:
    """A path beside ``out`` to write ``what`` to, with nothing there yet; moved to ``out`` in the end.

    Raises StorageError where the disk refuses.
    """
    partial = out.with_name(f"{out.name}{PARTIAL}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        partial.rename(out)
    except OSError as error:
        raise StorageError(
            f"The {what} cannot be written to {out}: {error.strerror or error}.",
            remedy="Free some space there and finish with the same command and --resume.",
        ) from error


PARTIAL = ".partial"


def name_of(folder: Path) -> str:
    """The name that a folder has, or will have once it is finished."""
    return folder.name.removesuffix(PARTIAL)
