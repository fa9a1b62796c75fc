"""A PostgreSQL database: its connections, transactions, locks, and failures in words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from filelock import Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionError
from sqlalchemy.pool import ConnectionPoolEntry

from vitrina.search.store.sqlite_file import BUSY_TIMEOUT_S
from vitrina.search.types.errors import MissingDependencyError, StateError, StorageError

DRIVER = "postgresql+psycopg"
NAMES = ("postgresql", "postgres", DRIVER)

LOCKS = 0x56495452
"""The first half of the keys of Vitrina's advisory locks."""

CATALOG_LOCK, IMAGES_LOCK, IMPORT_LOCK, JOBS_LOCK, VECTORS_LOCK = range(1, 6)

POOL_SIZE, MAX_MORE = 5, 20
"""How many connections a process keeps, and opens while it needs more. A server takes 100 by default."""

KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3, "connect_timeout": 10}

SESSION = {
    "lock_timeout": f"{BUSY_TIMEOUT_S:.0f}s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""What the server is told of each session: the locks of a machine that vanished are free after a minute."""

READ_ONLY = "25006"

REMEDIES = {
    "28": "Check the user and the password in VITRINA_DATABASE.",
    "3D": "Create the database first, as in: createdb NAME.",
    "42501": "Give the role the right to create and change tables: it must own the database's schema.",
    "53100": "Free some space on the server and run the same command again; what was committed before is kept.",
    "53300": "Give the server more connections (max_connections), or run fewer processes.",
    "55P03": "Another process is writing; wait for it to finish and try again.",
    READ_ONLY: "It can be searched as it is; to change it, name the primary server in VITRINA_DATABASE.",
}
"""By SQLSTATE, or the class of it (postgresql.org/docs/current/errcodes-appendix.html)."""

UNREACHABLE = (
    "Check that the server runs and that VITRINA_DATABASE names it; what was committed before is kept, and a service "
    "goes on by itself once the server answers."
)


def parse_url(text: str) -> URL:
    """A database's address, for the driver that is used. Raises StateError where it is not PostgreSQL's."""
    try:
        url = make_url(text.strip())
    except ArgumentError:
        url = None
    if url is None or url.drivername not in NAMES:
        raise StateError(
            f"{'VITRINA_DATABASE' if url is None else url.drivername} is not the address of a PostgreSQL database.",
            remedy="Write it as postgresql://USER:PASSWORD@HOST/DATABASE, or leave it out to use SQLite.",
        )
    return url.set(drivername=DRIVER)


class PostgresDatabase:
    """A PostgreSQL database in which one process writes at a time, as in an SQLite file: writers wait for an advisory
    lock, so changes are committed in the order of their numbers. Readers never wait.

    Raises MissingDependencyError where the driver is not installed, StateError for another address, and StorageError.
    """

    def __init__(self, address: str | URL, lock: int = CATALOG_LOCK, engine: Engine | None = None) -> None:
        self.url = parse_url(address) if isinstance(address, str) else address
        self.engine = open_engine(self.url) if engine is None else engine
        self._lock = lock
        self._reading = self.engine.execution_options(isolation_level="REPEATABLE READ")
        self.is_read_only = self._refuses_writes()

    def beside(self, lock: int) -> PostgresDatabase:
        """The same database for other tables, whose writers have a lock of their own."""
        return PostgresDatabase(self.url, lock, self.engine)

    def _refuses_writes(self) -> bool:
        with self.translated(), self.engine.connect() as connection:
            return bool(connection.exec_driver_sql("SHOW transaction_read_only").scalar() == "on")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent snapshot of the database, however long it is read."""
        with self.translated(), self._reading.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self, *, wait_s: float | None = None) -> Iterator[Connection]:
        """One transaction that waits until it is the only writer, for ``wait_s`` if given; rolled back if anything
        raises."""
        if self.is_read_only:
            raise StorageError(f"The database {self} is read-only.", remedy=REMEDIES[READ_ONLY])
        with self.translated(), self.engine.connect() as connection, connection.begin():
            if wait_s is not None:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{wait_s * 1000:.0f}ms'")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCKS}, {self._lock})")
            yield connection

    def check_file(self) -> None:
        """It has none."""

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn the database's errors into StorageError."""
        try:
            yield
        except NoConnectionError as error:
            raise StorageError(
                f"All {POOL_SIZE + MAX_MORE} connections to the database {self} are in use.",
                remedy="Wait until less is asked at the same time, or run more processes.",
            ) from error
        except (DBAPIError, self.engine.dialect.loaded_dbapi.Error) as error:  # rows are copied by the driver itself
            raise storage_error(str(self), error) from error

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def __str__(self) -> str:
        return self.url.set(drivername="postgresql").render_as_string(hide_password=True)


class AdvisoryLock:
    """A lock that one process at a time has, whatever machine it runs on; free again when that process ends.

    It is used as ``filelock.FileLock`` is: ``acquire`` raises filelock.Timeout. A connection that breaks frees it.
    """

    def __init__(self, database: PostgresDatabase, lock: int) -> None:
        self._database = database
        self._key = f"{LOCKS}, {lock}"
        self._connection: Connection | None = None

    @property
    def is_locked(self) -> bool:
        """Whether this object has the lock, for which it asks the server."""
        if self._connection is None:
            return False
        try:
            self._connection.exec_driver_sql("SELECT 1")
        except DBAPIError:
            self.release()
        return self._connection is not None

    def acquire(self, timeout: float = -1) -> None:
        """Wait for the lock, for ``timeout`` seconds or, below 0, for as long as it takes."""
        until = time.monotonic() + timeout
        with self._database.translated():
            connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            try:
                while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({self._key})").scalar():
                    if timeout >= 0 and time.monotonic() >= until:
                        raise Timeout("import lock")
                    time.sleep(0.1)
            except BaseException:
                connection.close()
                raise
        self._connection = connection

    def release(self) -> None:
        """Free the lock. A server that was away meanwhile has freed it already."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(SQLAlchemyError):
                connection.exec_driver_sql(f"SELECT pg_advisory_unlock({self._key})")
            connection.close()


def open_engine(url: URL) -> Engine:
    """Connections to a server, checked each time before they are used, so that a restart costs no error afterwards."""
    options = " ".join([str(url.query.get("options", "")), *(f"-c {name}={held}" for name, held in SESSION.items())])
    try:
        engine = create_engine(
            url.difference_update_query(["options"]),
            connect_args={**KEEPALIVE, "application_name": "vitrina", "options": options.strip()},
            pool_size=POOL_SIZE,
            max_overflow=MAX_MORE,
            pool_pre_ping=True,
        )
    except ImportError as error:
        raise MissingDependencyError(
            "PostgreSQL needs the package psycopg, which is not installed.",
            remedy="Install it with: pip install 'vitrina[postgres]'.",
        ) from error
    event.listen(engine, "connect", prepare_connection)
    return engine


def prepare_connection(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    from psycopg.types.string import StrDumper

    class CleanText(StrDumper):
        """A NUL, which PostgreSQL's texts cannot hold, becomes U+FFFD: it is found as little."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd"))

    driver: Any = connection
    driver.adapters.register_dumper(str, CleanText)


def storage_error(name: str, error: Exception) -> StorageError:
    told = error.orig if isinstance(error, DBAPIError) else error
    reason = str(told).strip().split("\n")[0].removesuffix(".")
    state = str(getattr(told, "sqlstate", None) or "")
    is_lost = isinstance(error, DBAPIError) and error.connection_invalidated
    is_unreachable = is_lost or not state or state[:2] in ("08", "57")
    otherwise = UNREACHABLE if is_unreachable else "The server's log says more; nothing was changed."
    remedy = REMEDIES.get(state) or REMEDIES.get(state[:2]) or otherwise
    return StorageError(f"The database {name} cannot be used: {reason}.", remedy=remedy)
