"""The history of a run: what each step lost and each epoch scored, and so when to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter

from training.tuning.examination import Score


@dataclass(slots=True)
class History:
    """``start`` is the untouched encoder's score; ``losses`` has each epoch's steps, ``scores`` each epoch's score."""

    start: Score
    losses: list[list[float]] = field(default_factory=list)
    scores: list[Score] = field(default_factory=list)

    @property
    def best(self) -> int | None:
        """The epoch, from 0, with the highest score, the first of equals; None where none beat the start."""
        highest = max(self.scores, key=lambda score: score.ndcg, default=self.start)
        return self.scores.index(highest) if highest.ndcg > self.start.ndcg else None

    def is_stale(self, patience: int) -> bool:
        """Whether the last ``patience`` epochs brought nothing better than what was before them, the start included."""
        reached = [self.start.ndcg, *(score.ndcg for score in self.scores)]
        return len(self.scores) >= patience and max(reached[-patience:]) <= max(reached[:-patience])

    def cut(self, n_epochs: int) -> None:
        """Forget what came after an epoch: a run that goes on from a checkpoint does it again."""
        del self.losses[n_epochs:], self.scores[n_epochs:]

    def write(self, path: Path) -> None:
        """Keep it as JSON, in one piece."""
        partial = path.with_suffix(".partial")
        partial.write_bytes(_ADAPTER.dump_json(self))
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> History:
        """Raises OSError or ValueError where there is none that can be read."""
        return _ADAPTER.validate_json(path.read_bytes())


_ADAPTER = TypeAdapter(History)
