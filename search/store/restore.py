"""Restoring backups: a store from one file, checked before it is put in place, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from pydantic import TypeAdapter, ValidationError

from vitrina.search.store.backup import (
    CHECKSUMS,
    FORMAT,
    HEADER,
    BackupHeader,
    ByteProgress,
    FileDigest,
    OnBytes,
    is_kept,
    sync_folder,
    translated,
)
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import newest_version
from vitrina.search.store.sqlite_file import SqliteFile
from vitrina.search.store.store import CATALOG_FILE
from vitrina.search.types.errors import InputError, NotFoundError, StateError, StorageError

MAX_JSON_BYTES = 64 << 20
MAX_FILES = 100_000
CHUNK_BYTES = 1 << 20

Member = tuple[tarfile.TarInfo, IO[bytes]]


def check_backup(path: Path, on_bytes: OnBytes = lambda *_: None) -> BackupHeader:
    """Read a whole backup and compare every checksum, without writing anything. Raises as ``restore`` does."""
    with members_of(path) as members:
        header = read_header(path, members)
        read_files(path, members, None, ByteProgress(on_bytes, path.stat().st_size))
    return header


def restore(path: Path, folder: Path, *, overwrite: bool = False, on_bytes: OnBytes = lambda *_: None) -> BackupHeader:
    """Make a store in ``folder`` from a backup, whole or not at all; an older one is upgraded. Blocks.

    Everything is written within the folder and checked before what is there is replaced, the catalog's file last: the
    folder, which may be a mounted disk, never has a catalog beside another's files. Services that have the old store
    open must be restarted. The restored catalog gets an identity of its own, so that nothing derived from the original
    is taken for a part of it.

    Raises InputError if the folder has something in it that is not to be overwritten, or if the backup is cut, changed
    or not one; StateError if a newer Vitrina made it; StorageError if the disk refuses.
    """
    if not overwrite and folder.exists() and entries(folder):
        raise InputError(
            f"{folder} is not empty.",
            remedy="Choose an empty folder with --store, or add --overwrite to replace what is there.",
        )
    with members_of(path) as members, translated(folder), ExitStack() as stack:
        header = read_header(path, members)
        if not folder.exists():
            folder.mkdir(parents=True)
            stack.callback(remove_if_empty, folder)
        check_room(path, folder)
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=folder, ignore_cleanup_errors=True) as temporary:
            fresh, replaced = Path(temporary) / "fresh", Path(temporary) / "replaced"
            fresh.mkdir()
            replaced.mkdir()
            read_files(path, members, fresh, ByteProgress(on_bytes, path.stat().st_size))
            open_restored(path, fresh)
            put_in_place(fresh, folder, replaced)
    return header


def entries(folder: Path) -> list[Path]:
    """What a folder has of a store, the catalog's file first; hidden files and what a disk brings are left out."""
    found = [path for path in folder.iterdir() if not path.name.startswith(".") and path.name != "lost+found"]
    return sorted(found, key=lambda path: (path.name != CATALOG_FILE, path.name))


def put_in_place(fresh: Path, folder: Path, replaced: Path) -> None:
    """Move what is in a folder away, the catalog's file first, and the new files in, that file last. If the disk
    refuses, everything is moved back."""
    away = [(path, replaced / path.name) for path in entries(folder)]
    into = [(path, folder / path.name) for path in reversed(entries(fresh))]
    with ExitStack() as undo:
        for source, target in [*away, *into]:
            source.rename(target)
            undo.callback(target.rename, source)
        undo.pop_all()
    sync_folder(folder)


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


@contextmanager
def members_of(path: Path) -> Iterator[Iterator[Member]]:
    """The archive's members in order, each a plain file with a harmless name that was not there before, and open."""
    try:
        with path.open("rb") as file, tarfile.open(fileobj=file, mode="r|") as archive:
            yield checked_members(path, archive)
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}.", remedy="Check the path.") from error
    except IsADirectoryError as error:
        raise InputError(f"{path} is a folder.", remedy="Give the file that vitrina backup wrote.") from error
    except PermissionError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", remedy="Check its permissions.") from error
    except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
        raise damaged(path, str(error) or "it is cut") from error


def checked_members(path: Path, archive: tarfile.TarFile) -> Iterator[Member]:
    known: set[str] = set()
    for member in archive:
        if member.type != tarfile.REGTYPE or member.sparse is not None:
            raise damaged(path, f"{member.name[:200]!r} is not a plain file")
        if not is_harmless(member.name):
            raise damaged(path, f"a file has the name {member.name[:200]!r}")
        if member.name.casefold() in known or len(known) > MAX_FILES:
            raise damaged(path, f"{member.name[:200]!r} is there twice, or there are more than {MAX_FILES:,} files")
        known.add(member.name.casefold())
        content = archive.extractfile(member)
        assert content is not None
        yield member, content


def is_harmless(name: str) -> bool:
    """Whether a name stays in its folder on every system, and a backup has such files."""
    parts = name.split("/")
    is_plain = all(part.strip(". ") and len(part) <= 200 and part.isprintable() for part in parts)
    return is_plain and len(parts) <= 8 and not set(name) & set('\\:*?"<>|') and is_kept(name)


def read_header(path: Path, members: Iterator[Member]) -> BackupHeader:
    """What a backup says that it holds. Raises InputError if it is none, StateError if a newer Vitrina wrote it."""
    member, content = next(members, (None, None))
    if member is None or content is None or member.name != HEADER:
        raise InputError(f"{path} is not a backup of Vitrina.", remedy="Give a file that vitrina backup wrote.")
    written = read_json(path, member, content)
    said = written if isinstance(written, Mapping) else {}
    is_newer = isinstance(said.get("format"), int) and said["format"] > FORMAT
    if is_newer or str(said.get("schema")) > newest_version():
        raise StateError(
            f"{path} was written by a newer Vitrina ({str(said.get('vitrina'))[:40]}).",
            remedy="Install that version or a later one.",
        )
    try:
        return TypeAdapter(BackupHeader).validate_python(written)
    except ValidationError as error:
        raise damaged(path, f"{HEADER} is wrong") from error


def read_files(path: Path, members: Iterator[Member], folder: Path | None, progress: ByteProgress) -> None:
    """Read every file, and write it below ``folder`` if there is one. Raises InputError unless all are there, as they
    were."""
    found: dict[str, FileDigest] = {}
    for member, content in members:
        if member.name == CHECKSUMS:
            check_same(path, read_json(path, member, content), found)
            if next(members, None) is not None:
                raise damaged(path, "something follows the checksums")
            return
        found[member.name] = read_file(content, None if folder is None else folder / member.name, progress)
    raise damaged(path, "its end is missing")


def check_same(path: Path, written: object, found: Mapping[str, FileDigest]) -> None:
    """Raise InputError unless the files are those of the checksums."""
    try:
        expected = TypeAdapter(dict[str, FileDigest]).validate_python(written)
    except ValidationError as error:
        raise damaged(path, f"{CHECKSUMS} is wrong") from error
    changed = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
    if changed:
        raise damaged(path, f"{min(changed)!r} is not what was backed up")
    if CATALOG_FILE not in found:
        raise damaged(path, "it has no catalog")


def read_file(content: IO[bytes], target: Path | None, progress: ByteProgress) -> FileDigest:
    """Read a file, and write it if there is a place for it."""
    sha256, n_bytes = hashlib.sha256(), 0
    if target is not None:
        target.parent.mkdir(parents=True, exist_ok=True)
    with open(os.devnull if target is None else target, "wb") as file:
        while chunk := content.read(CHUNK_BYTES):
            n_bytes += len(chunk)
            sha256.update(chunk)
            file.write(chunk)
            progress.add(len(chunk))
        if target is not None:
            file.flush()
            os.fsync(file.fileno())
    return FileDigest(n_bytes, sha256.hexdigest())


def read_json(path: Path, member: tarfile.TarInfo, content: IO[bytes]) -> Any:
    if member.size > MAX_JSON_BYTES:
        raise damaged(path, f"{member.name} has {member.size:,} bytes")
    try:
        return json.loads(content.read())
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"{member.name} is not JSON") from error


def open_restored(path: Path, folder: Path) -> None:
    """Open the restored catalog once, which upgrades it, and give it an identity of its own. Raises InputError for a
    database that would run code of its own."""
    for database in folder.rglob("*.db"):
        if database.stat().st_size == 0:  # SQLite would make a new one of it
            raise damaged(path, f"{database.name} is empty")
        with closing(SqliteFile(database)) as file:
            if file.has_programs():
                raise damaged(path, f"{database.name} has triggers or views, which no database of Vitrina has")
    with closing(Catalog(folder / CATALOG_FILE)) as catalog:
        catalog.become_another()


def check_room(path: Path, folder: Path) -> None:
    """Raise StorageError if the files will not fit."""
    needed, free = path.stat().st_size, shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"The backup needs {needed / 1e6:,.0f} MB, and {folder} has {free / 1e6:,.0f} MB left.",
            remedy="Free some space, or restore to another disk with --store.",
        )


def damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path} is not a whole backup: {reason}.", remedy="Use another backup; nothing was restored from this one."
    )
