"""Copies of encoders' folders inside a home, so that a home, or its backup, can search without anything else."""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Collection
from pathlib import Path

from vitrina.search.encoders.base import EncoderIdentity
from vitrina.search.encoders.open_clip import LOCAL_PREFIX, encoder_folder, fingerprint_of
from vitrina.search.types.errors import EncoderError, StorageError


class ModelStore:
    """One folder an encoder, named after its fingerprint. An encoder that open_clip downloads has none: it stays in
    open_clip's own cache."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def source_of(self, identity: EncoderIdentity) -> str:
        """The name to load an encoder by: that of its copy, or its own where there is none."""
        copy = self.folder / identity.key
        return f"{LOCAL_PREFIX}{copy}" if copy.is_dir() else identity.name

    def keep(self, identity: EncoderIdentity) -> None:
        """Copy an encoder's folder with all that lies in it, or bring its copy up to date.

        Does nothing where the folder is gone, or holds another encoder by now. Raises StorageError.
        """
        folder, copy = folder_of(identity), self.folder / identity.key
        if folder is None or folder == copy:
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
                shutil.rmtree(copy, ignore_errors=True)  # the next time tries again


def folder_of(identity: EncoderIdentity) -> Path | None:
    """The folder an encoder was loaded from, if it is there and unchanged."""
    try:
        folder = encoder_folder(identity.name)
    except EncoderError:
        return None
    return folder if folder is not None and fingerprint_of(folder) == identity.fingerprint else None


def copy_file(source: str, target: str) -> str:
    """Copy a file in one step for whoever reads ``target`` meanwhile; nothing where they are the same."""
    if os.path.exists(target) and filecmp.cmp(source, target):
        return target
    fresh = f"{target}.part"
    shutil.copy2(source, fresh)
    os.replace(fresh, target)
    return target
