"""The work folder of a run: its plan, its history, its checkpoints. What is in it lets a run go on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from search.errors import InputError, StateError, StorageError
from training.tuning.history import History, Score


class Workplace:
    """Makes the folder, or finds the unfinished run in it that is to be resumed.

    ``terms`` are what a run must share with the one it goes on from. Raises StateError where a run is in the way,
    InputError where it had other terms, StorageError where the folder cannot be made.
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
                f"The work folder {folder} cannot be made: {error.strerror}.", remedy="Choose another with --work."
            ) from error

    def _check(self, terms: Mapping[str, object]) -> None:
        before = json.loads(self._terms.read_text(encoding="utf-8"))
        for name, value in terms.items():
            if before.get(name) != value:
                raise InputError(
                    f"The run in {self.folder} had another {name}: {before.get(name)}, not {value}.",
                    remedy="Repeat the command as it was, with --resume, or remove the folder and begin anew.",
                )

    def read_history(self, kind: type[Score]) -> History[Score]:
        """The history up to the checkpoint, of scores of that kind. Raises StateError where it is damaged."""
        try:
            return History.read(self._history, kind)
        except (OSError, ValueError) as error:
            raise StateError(
                f"The run in {self.folder} cannot be resumed: {error}", remedy="Remove the folder and begin anew."
            ) from error

    def write_history(self, history: History[Score]) -> None:
        """Keep it. Raises OSError."""
        history.write(self._history)

    def discard_checkpoints(self) -> None:
        """A run that won nothing is over, and does not stand in the way of the next."""
        for path in (self.checkpoint, self.best):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """A finished run needs it no more."""
        shutil.rmtree(self.folder, ignore_errors=True)
