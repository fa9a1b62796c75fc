"""Backups: a whole store in one file, made while others search and index, and brought back whole or not at all.

The file is a tar. Its first member says what it is, its last has the SHA-256 of every other; between them are copies of
the store's files, the databases each as of one moment. The catalog is copied first: what it names, such as images, was
written before it and is never deleted, so later copies of the other files have it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import IO

from vitrina.search.store.database import schema_version
from vitrina.search.store.sqlite_file import SqliteFile
from vitrina.search.store.store import CATALOG_FILE, Store
from vitrina.search.types.errors import InputError, StateError, StorageError

FORMAT = 1
"""Raised where an older Vitrina could not read the file."""

HEADER, CHECKSUMS = "vitrina-backup.json", "vitrina-checksums.json"

DERIVED = {"snapshots", "uploads", "views"}
"""Folders of a store that are made again from the catalog, or hold what an import over HTTP is reading."""

TEMPORARY = (".lock", ".new", ".part", "-journal", "-shm", "-wal")
"""Ends of names of files that live as long as the process that uses them."""

OnBytes = Callable[[int, int], None]
"""Called with the number of bytes done and the total."""


@dataclass(frozen=True, slots=True)
class BackupHeader:
    """What a backup holds: ``schema`` is the catalog's revision, ``sequence`` its last change, ``made_at`` in seconds
    since 1970, ``n_bytes`` the size of all files."""

    format: int
    vitrina: str
    schema: str
    sequence: int
    n_items: int
    made_at: float
    n_bytes: int = 0


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The size and the SHA-256 (hex) of a file in a backup."""

    n_bytes: int
    sha256: str


class ByteProgress:
    """Counts bytes for the caller."""

    def __init__(self, on_bytes: OnBytes, n_total: int) -> None:
        self.on_bytes = on_bytes
        self.n_total = n_total
        self.n_done = 0

    def add(self, n_bytes: int) -> None:
        self.n_done += n_bytes
        self.on_bytes(min(self.n_done, self.n_total), self.n_total)


def back_up(store: Store, path: Path, *, overwrite: bool = False, on_bytes: OnBytes = lambda *_: None) -> BackupHeader:
    """Write a store to one file, which appears whole or not at all, readable by its owner only. Blocks; services may
    search and index meanwhile, and what they commit after the start may be missing.

    Raises InputError if the file exists and is not to be overwritten, StorageError if it cannot be written or a
    database is damaged, StateError where the catalog is in PostgreSQL.
    """
    if not isinstance(store.catalog.database, SqliteFile):
        raise StateError(
            "The catalog is in a PostgreSQL database, which this command cannot copy.",
            remedy="Use the server's own tools, such as pg_dump, and copy the store's folder beside it.",
        )
    if path.exists() and not overwrite:
        raise InputError(f"{path} exists.", remedy="Choose another file, or add --overwrite.")
    with translated(path), tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.absolute().parent) as folder:
        unfinished = Path(folder) / "backup"
        with unfinished.open("xb") as file:
            os.chmod(unfinished, 0o600)
            header = _write(store, file, Path(folder) / "copy.db", on_bytes)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
        sync_folder(path.absolute().parent)
    return header


def _write(store: Store, file: IO[bytes], copy: Path, on_bytes: OnBytes) -> BackupHeader:
    """Write the whole archive; ``copy`` is where a database is copied to before it is added."""
    checksums: dict[str, FileDigest] = {}
    active = store.catalog.active_encoder()
    own_encoder = None if active is None else f"encoders/{active.key}/"
    has_own = own_encoder is not None and (store.folder / own_encoder).is_dir()
    catalog = store.catalog.database
    assert isinstance(catalog, SqliteFile)
    catalog.copy_to(copy)
    header = _header(copy, sum(path.stat().st_size for _, path in _files(store.folder)))
    progress = ByteProgress(on_bytes, header.n_bytes)
    with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        _add_json(archive, HEADER, asdict(header))
        checksums[CATALOG_FILE] = _add(archive, CATALOG_FILE, copy, progress)
        for name, path in _files(store.folder):
            if name == CATALOG_FILE:
                continue
            with suppress(FileNotFoundError):  # dropped meanwhile, by another process
                checksums[name] = _add_current(archive, name, path, copy, progress)
        if has_own and own_encoder is not None and not any(name.startswith(own_encoder) for name in checksums):
            raise StateError("The encoder was changed while the backup was made.", remedy="Run the same command again.")
        _add_json(archive, CHECKSUMS, {name: asdict(each) for name, each in sorted(checksums.items())})
    return header


def _header(catalog: Path, n_bytes: int) -> BackupHeader:
    """What is in a copy of a catalog."""
    file = SqliteFile(catalog)
    try:
        with file.read() as connection:
            sequence = connection.exec_driver_sql("SELECT sequence FROM clock").scalar_one()
            n_items = connection.exec_driver_sql("SELECT count(*) FROM items").scalar_one()
        schema = schema_version(file.engine) or ""
    finally:
        file.close()
    return BackupHeader(FORMAT, version("vitrina"), schema, int(sequence), int(n_items), time.time(), n_bytes)


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """The files of a store that a backup has, by their names in it."""
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(set(folders) - DERIVED) if Path(parent) == folder else sorted(folders)
        for name in sorted(names):
            path = Path(parent) / name
            inside = path.relative_to(folder).as_posix()
            if is_kept(inside) and path.is_file():
                yield inside, path


def is_kept(name: str) -> bool:
    """Whether a file belongs to a store and is neither derived nor temporary."""
    parts = PurePosixPath(name).parts
    is_lasting = not name.endswith(TEMPORARY) and not any(part.startswith(".") for part in parts)
    return is_lasting and bool(parts) and parts[0] not in DERIVED


def _add_current(archive: tarfile.TarFile, name: str, path: Path, copy: Path, progress: ByteProgress) -> FileDigest:
    """Add a file as it is now; of a database, one consistent state."""
    if not name.endswith(".db"):
        return _add(archive, name, path, progress)
    file = SqliteFile(path)
    try:
        file.copy_to(copy)
    finally:
        file.close()
    return _add(archive, name, copy, progress)


def _add(archive: tarfile.TarFile, name: str, path: Path, progress: ByteProgress) -> FileDigest:
    """Add a file under a name."""
    with path.open("rb") as file:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = os.fstat(file.fileno()).st_size, 0o600, int(time.time())
        reader = _Reader(file, member.size, progress)
        archive.addfile(member, reader)  # type: ignore[arg-type]  # it only reads
    return FileDigest(member.size, reader.sha256.hexdigest())


def _add_json(archive: tarfile.TarFile, name: str, value: object) -> None:
    data = json.dumps(value, indent=1).encode()
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o600
    archive.addfile(member, io.BytesIO(data))


class _Reader:
    """A file that is hashed while it is read; one that shrinks meanwhile is an error."""

    def __init__(self, file: IO[bytes], n_bytes: int, progress: ByteProgress) -> None:
        self._file = file
        self._n_left = n_bytes
        self._progress = progress
        self.sha256 = hashlib.sha256()

    def read(self, n_bytes: int) -> bytes:
        data = self._file.read(min(n_bytes, self._n_left))
        self._n_left -= len(data)
        self.sha256.update(data)
        self._progress.add(len(data))
        return data


def sync_folder(folder: Path) -> None:
    """Let a rename outlive a power failure."""
    with suppress(OSError):  # not every system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written: {error.strerror or error}.",
            remedy="Check the folder's permissions and the space that is left; nothing was changed.",
        ) from error
