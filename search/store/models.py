"""Copies of encoders' folders in a store, so that it, or a backup of it, can search without anything else."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from vitrina.search.types.errors import StorageError
from vitrina.search.types.models import LOCAL_PREFIX, EncoderIdentity


class ModelStore:
    """One folder for each encoder, named after its fingerprint. Encoders that open_clip downloads are not copied: they
    stay in open_clip's own cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source_of(self, identity: EncoderIdentity) -> str:
        """The name to load an encoder by: that of its copy, or its own if there is none."""
        copy = self.folder / identity.key
        return f"{LOCAL_PREFIX}{copy}" if copy.is_dir() else identity.name

    def keep(self, identity: EncoderIdentity, folder: Path) -> None:
        """Copy the encoder's ``folder`` with everything in it, or bring its copy up to date. Raises StorageError."""
        copy = self.folder / identity.key
        if folder == copy:
            return
        try:
            shutil.copytree(folder, copy, copy_function=copy_file, dirs_exist_ok=True)
        except OSError as error:  # shutil.Error, for several files, is one too
            raise StorageError(
                f"The encoder in {folder} cannot be copied to {copy}: {error.strerror or error}.",
                remedy="Free some space and run the same command again.",
            ) from error

    def discard_others(self, known: Collection[EncoderIdentity]) -> None:
        """Remove the copies of every encoder but these."""
        for copy in self.folder.glob("*"):
            if copy.name not in {identity.key for identity in known}:
                shutil.rmtree(copy, ignore_errors=True)  # the next call tries again


def copy_file(source: str, target: str) -> str:
    """Copy a file so that concurrent readers of ``target`` see the old or the new one, whole; skips equal files."""
    if os.path.exists(target) and filecmp.cmp(source, target):
        return target
    fresh = f"{target}.part"
    shutil.copy2(source, fresh)
    os.replace(fresh, target)
    return target
