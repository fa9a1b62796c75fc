"""The loss picture: the loss of every step, and the score of every epoch beside that of the untouched model."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from search.errors import MissingDependencyError
from training.tuning.history import History, Score

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
    """Write the picture; the format is by the path's ending. ``measure`` names what the scores' values are.

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
    of_epochs.set(title=f"{measure} on what was set aside", xlabel="epoch", xticks=epochs[:: 1 + len(epochs) // 12])
    of_epochs.legend()
    for axes in (of_steps, of_epochs):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=120)
