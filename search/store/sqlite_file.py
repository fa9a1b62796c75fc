"""A SQLite file: its connections, transactions, and failures in words."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from vitrina.search.types.errors import StorageError

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another process's transaction before it gives up."""

IF_DAMAGED = (
    "The file is damaged: restore it from a backup and delete the folder snapshots beside it, "
    "or choose a new --store and index again."
)


IF_NOT_COPIED = "Check the space that is left on the disk; the database itself is as it was."


class SqliteFile:
    """A database file in WAL mode: many readers, one writer at a time, each transaction atomic. A file that must not be
    written, or that lies in a folder or on a disk where nothing may be, can be read.

    ``if_damaged`` is the remedy to name if the file can no longer be read.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S, if_damaged: str = IF_DAMAGED) -> None:
        self.path = path
        self.is_read_only = path.is_file() and not is_writable(path)
        arguments = {"timeout": busy_timeout_s, "uri": self.is_read_only}
        self.engine = create_engine(
            f"sqlite:///{read_only(path) if self.is_read_only else path}", connect_args=arguments
        )
        self._if_damaged = if_damaged
        self._busy_timeout_s = busy_timeout_s
        event.listen(self.engine, "connect", prepare_to_read if self.is_read_only else prepare_connection)
        event.listen(self.engine, "begin", begin)
        self._opened: tuple[int, int] | None = None
        event.listen(self.engine, "do_connect", self._check_before_connecting)
        event.listen(self.engine, "connect", self._note_file)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot of the database, however long it is read."""
        with self.translated(), self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, wait_s: float | None = None) -> Iterator[Connection]:
        """One transaction that takes the write lock at once, or waits for it, for ``wait_s`` if given; rolled back if
        anything raises."""
        with self.translated(), self.engine.connect() as connection:
            connection = connection.execution_options(writes=True)
            set_busy_timeout(connection, self._busy_timeout_s if wait_s is None else wait_s)
            with connection.begin():
                self.check_file()
                yield connection

    def _note_file(self, *_: object) -> None:
        self._opened = self._opened or file_id(self.path)

    def _check_before_connecting(self, *_: object) -> None:
        self.check_file()

    def check_file(self) -> None:
        """Raise StorageError unless the file is the one that was opened first: what is written into one that was
        deleted, or that another was put in the place of, is lost."""
        if self._opened is not None and file_id(self.path) != self._opened:
            raise StorageError(
                f"The database {self.path} was deleted or replaced while it was in use.",
                remedy="Put it back, or restore it from a backup, and start what uses it again.",
            )

    def copy_to(self, path: Path) -> None:
        """Write a copy of one consistent state to a file, in place of what is there, while others read and write.
        Raises StorageError if the database is damaged."""
        path.unlink(missing_ok=True)
        with self.read() as connection, closing(sqlite3.connect(path)) as copy:
            source = connection.connection.driver_connection
            assert isinstance(source, sqlite3.Connection)
            connection.exec_driver_sql("SELECT count(*) FROM sqlite_master")  # the state is that of the first read
            try:
                source.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")
                found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
            except sqlite3.Error as error:
                raise StorageError(
                    f"The database {self.path} cannot be copied: {error}.", remedy=IF_NOT_COPIED
                ) from error
            if found != "ok":
                raise StorageError(f"The database {self.path} is damaged: {found}.", remedy=self._if_damaged)

    def has_programs(self) -> bool:
        """Whether it has triggers or views, which run when tables are written or read."""
        programs = "SELECT count(*) FROM sqlite_master WHERE type IN ('trigger', 'view')"
        with self.read() as connection:
            return bool(connection.exec_driver_sql(programs).scalar())

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's errors into StorageError."""
        try:
            yield
        except DatabaseError as error:
            raise storage_error(self.path, error, self._if_damaged) from error

    def close(self) -> None:
        """Close every connection; the last to close a file merges its log into it."""
        self.engine.dispose()


def file_id(path: Path) -> tuple[int, int] | None:
    """What tells a file from another of the same name; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_writable(path: Path) -> bool:
    """Whether a database may be written: SQLite needs to make files beside it for that."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def read_only(path: Path) -> str:
    """The address of a file that is only read. Without a log beside it nothing can change it, so it is not locked."""
    log_file = path.with_name(f"{path.name}-wal")
    has_log = log_file.is_file() and log_file.stat().st_size > 0
    return f"file:{quote(str(path.absolute()))}?mode=ro{'' if has_log else '&immutable=1'}&uri=true"


def prepare_to_read(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None
    connection.execute("PRAGMA cache_size = -16384")


def prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    assert isinstance(connection, sqlite3.Connection)
    # Autocommit: sqlite3's own transaction handling neither covers reads nor can begin immediately.
    connection.isolation_level = None
    # With WAL, NORMAL loses no commit to a killed process and damages nothing on power loss (sqlite.org/wal.html).
    use_wal(connection)
    for pragma in ("synchronous = NORMAL", "foreign_keys = ON", "cache_size = -16384"):
        connection.execute(f"PRAGMA {pragma}")


def set_busy_timeout(connection: Connection, seconds: float) -> None:
    """Let a connection wait that long for another process's transaction, until it is told otherwise."""
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")


def use_wal(connection: sqlite3.Connection) -> None:
    """Put a file into WAL mode, in which it stays. Waits while another connection does the same, for which SQLite's own
    timeout does not count."""
    until = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def storage_error(path: Path, error: DatabaseError, if_damaged: str) -> StorageError:
    reason = str(error.orig)
    if "full" in reason:
        remedy = "Free some space and run the same command again; what was committed before is kept."
    elif "locked" in reason:
        remedy = "Another process is writing; wait for it to finish and try again."
    elif "readonly" in reason:
        remedy = "It can be searched as it is; to change it, make the file and its folder writable, or copy them."
    elif isinstance(error, OperationalError):
        remedy = "Check that the folder exists and that you may write to it."
    else:
        remedy = if_damaged
    return StorageError(f"The database {path} cannot be used: {reason}.", remedy=remedy)
