"""The history of a run: what each step lost and each epoch scored, and so when to stop."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, TypeAdapter


class Measured(Protocol):
    """What a model reached on what was set aside; a frozen dataclass of numbers."""

    @property
    def value(self) -> float:
        """What epochs are compared by, higher is better."""

    @property
    def said(self) -> str:
        """The figures in a few words."""


Score = TypeVar("Score", bound=Measured)


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
        """Whether the last ``patience`` epochs brought nothing better than what was before them, the start included."""
        reached = [self.start.value, *(score.value for score in self.scores)]
        return len(self.scores) >= patience and max(reached[-patience:]) <= max(reached[:-patience])

    def cut(self, n_epochs: int) -> None:
        """Forget what came after an epoch: a run that goes on from a checkpoint does it again."""
        del self.losses[n_epochs:], self.scores[n_epochs:]

    def write(self, path: Path) -> None:
        """Keep it as JSON, in one piece."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self)), encoding="utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path, kind: type[Score]) -> History[Score]:
        """One whose scores are of that kind. Raises OSError or ValueError where there is none that can be read."""
        kept = _Kept.model_validate_json(path.read_bytes())
        scores: TypeAdapter[Score] = TypeAdapter(kind)
        return cls(
            scores.validate_python(kept.start), kept.losses, [scores.validate_python(each) for each in kept.scores]
        )


class _Kept(BaseModel):
    """A history as it stands in its file."""

    start: dict[str, Any]
    losses: list[list[float]]
    scores: list[dict[str, Any]]
