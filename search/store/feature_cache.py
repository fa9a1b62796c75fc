"""The feature cache: what a model computed from each image, kept on disk for later processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Column, LargeBinary, MetaData, String, Table, insert, select

from vitrina.search.store.sqlite_file import SqliteFile
from vitrina.search.types.errors import StorageError
from vitrina.search.types.models import RerankerIdentity

BUSY_TIMEOUT_S = 1.0
"""A search should not wait long for a cache."""

IF_DAMAGED = "The file is damaged: delete it. Searching and indexing fill it again."

feature_metadata = MetaData()

feature_table = Table(
    "features",
    feature_metadata,
    Column("key", String(128), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)


class FeatureCache:
    """One model's features of images in one SQLite file: bytes by key.

    The file is created with the first entry, and may be deleted while nothing uses it. Every method may be called
    from several threads and processes at once, with some hundreds of keys at most; every method blocks, and raises
    StorageError for a full disk, a damaged file, or one that another process has locked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = SqliteFile(path, busy_timeout_s=BUSY_TIMEOUT_S, if_damaged=IF_DAMAGED)
        self._is_made = False

    def close(self) -> None:
        """Close every connection; the cache may be used again."""
        self._file.close()

    def get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """The entries of these keys, read in one query; keys without an entry are left out."""
        if not keys or not self._finds_table():
            return {}
        with self._file.read() as connection:
            rows = connection.execute(select(feature_table).where(feature_table.c.key.in_(keys)))
            return {str(key): bytes(data) for key, data in rows}

    def missing(self, keys: Sequence[str]) -> list[str]:
        """The keys that have no entry, each once, in their order."""
        if not keys or not self._finds_table():
            return list(dict.fromkeys(keys))
        with self._file.read() as connection:
            known = set(connection.scalars(select(feature_table.c.key).where(feature_table.c.key.in_(keys))))
        return [key for key in dict.fromkeys(keys) if key not in known]

    def put(self, rows: Mapping[str, bytes]) -> None:
        """Store entries, in place of older ones, all of them or none."""
        if not rows:
            return
        if not self._is_made:
            self._make()
        with self._file.write() as connection:
            named = [{"key": key, "data": data} for key, data in rows.items()]
            connection.execute(insert(feature_table).prefix_with("OR REPLACE"), named)

    def _finds_table(self) -> bool:
        """Whether anything was ever stored; checks the disk until it was."""
        if not self._is_made and self.path.is_file():
            with self._file.read() as connection:
                self._is_made = connection.dialect.has_table(connection, feature_table.name)
        return self._is_made

    def _make(self) -> None:
        try:
            self.path.parent.mkdir(exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The folder {self.path.parent} cannot be made: {error.strerror}.",
                remedy="Check that the store exists and that you may write to it.",
            ) from error
        with self._file.write() as connection:
            feature_metadata.create_all(connection)
        self._is_made = True


def features_file(folder: Path, identity: RerankerIdentity) -> Path:
    """The file of a model's features in a folder: no two models share one."""
    return folder / f"{identity.key}.db"


def discard_other_features(folder: Path, identity: RerankerIdentity) -> None:
    """Delete the files of every other model. Raises StorageError."""
    own = features_file(folder, identity).name
    try:
        for path in folder.glob("*.db*"):  # a file in use has a log beside it
            if not path.name.startswith(own):
                path.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(
            f"The features of other rerankers cannot be deleted from {folder}: {error.strerror}.",
            remedy="Delete them by hand, or leave them: they only take up space.",
        ) from error
