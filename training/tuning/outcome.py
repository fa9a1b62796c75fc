"""The folder that a run ends in: checked before it begins, and put in place whole when it is done."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from search.errors import InputError, StorageError
from training.tuning.chart import check_drawable


def check_outcome(out: Path) -> None:
    """What can be said before anything is read: raise InputError where ``out`` is there already, and
    MissingDependencyError where its loss picture could not be drawn."""
    if out.exists():
        raise InputError(f"{out} is there already.", remedy="Choose another folder with --out, or remove that one.")
    check_drawable()


@contextmanager
def outcome(out: Path, what: str) -> Iterator[Path]:
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
            remedy="Make room there and finish with the same command and --resume.",
        ) from error


PARTIAL = ".partial"


def name_of(folder: Path) -> str:
    """The name that a folder has, or will have."""
    return folder.name.removesuffix(PARTIAL)
