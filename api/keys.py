"""API keys: who may ask, and for what. The store keeps only their hashes."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Collection
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from vitrina.api.rate_limits import RateText
from vitrina.search.types.errors import InputError, NotFoundError, StorageError

KEYS_FILE = "keys.json"
"""In the store's folder, readable by its owner alone."""

PREFIX = "vitrina"
"""What every key begins with, so that scanners find one that was published by mistake."""

SECRET_BYTES = 32
"""A random secret of 256 bits cannot be guessed, so one SHA-256 protects it; slow hashes are for passwords."""


class KeyScope(StrEnum):
    """What a key may do: read and search; change the catalog; everything."""

    SEARCH = "search"
    WRITE = "write"
    ADMIN = "admin"


class ServiceKey(BaseModel):
    """A key as it is kept: everything about it but its secret."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    scopes: frozenset[KeyScope]
    digest: str
    created_at: datetime
    revoked_at: datetime | None = None
    rate_limit: RateText | None = None

    def allows(self, scope: KeyScope) -> bool:
        """Whether the key may do what needs a scope."""
        return scope in self.scopes or KeyScope.ADMIN in self.scopes


_FILE = TypeAdapter(tuple[ServiceKey, ...])


class KeyFile:
    """The keys of a store, in a file of its own. What another process changes is seen at the next look.

    Every method raises StorageError where the file cannot be read or written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / KEYS_FILE
        self._read_at: tuple[int, int, int] | None = None
        self._keys: tuple[ServiceKey, ...] = ()

    def all_keys(self) -> tuple[ServiceKey, ...]:
        """All keys, those that were revoked, too, the oldest first. Reads the file only if it changed."""
        try:
            found = self.path.stat()
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if version != self._read_at:
                self._keys = _FILE.validate_json(self.path.read_bytes())
                self._read_at = version
        except FileNotFoundError:
            self._keys, self._read_at = (), None
        except (OSError, ValidationError) as error:
            raise StorageError(
                f"The API keys in {self.path} cannot be read.",
                remedy="Check the file's permissions, or restore it from a backup; without it, make new keys.",
            ) from error
        return self._keys

    def find(self, secret: str) -> ServiceKey | None:
        """The key, revoked or not, that a text is the secret of. Compares with all of them in constant time."""
        digest, found = digest_of(secret), None
        for key in self.all_keys():
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def add(self, name: str, scopes: Collection[KeyScope], rate_limit: str | None = None) -> tuple[ServiceKey, str]:
        """Make a key; returns its secret, which nothing else ever shows. Raises InputError for a name that is taken."""
        name = name.strip()
        if not name or not name.isprintable() or len(name) > 100:
            raise InputError(f"A key cannot be called {name[:100]!r}.", remedy="Name it after who uses it: website.")
        key_id = secrets.token_hex(4)
        secret = f"{PREFIX}_{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"
        key = ServiceKey(
            id=key_id,
            name=name,
            scopes=frozenset(scopes),
            digest=digest_of(secret),
            created_at=datetime.now(UTC),
            rate_limit=rate_limit,
        )

        def added(keys: tuple[ServiceKey, ...]) -> tuple[ServiceKey, ...]:
            if any(each.name == name and each.revoked_at is None for each in keys):
                raise InputError(f"There is a key {name!r} already.", remedy="Revoke it first, or choose another name.")
            return (*keys, key)

        self._change(added)
        return key, secret

    def revoke(self, name_or_id: str) -> ServiceKey:
        """Revoke a key, from the next request on. Raises NotFoundError."""
        revoked: list[ServiceKey] = []

        def without(keys: tuple[ServiceKey, ...]) -> tuple[ServiceKey, ...]:
            changed = []
            for key in keys:
                if name_or_id in (key.id, key.name) and key.revoked_at is None:
                    key = key.model_copy(update={"revoked_at": datetime.now(UTC)})
                    revoked.append(key)
                changed.append(key)
            if not revoked:
                raise not_to_revoke(name_or_id, keys)
            return tuple(changed)

        self._change(without)
        return revoked[0]

    def _change(self, change: Callable[[tuple[ServiceKey, ...]], tuple[ServiceKey, ...]]) -> None:
        """Write the file anew, whole, one process at a time."""
        fresh = self.path.with_name(f"{KEYS_FILE}.part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path.with_name("keys.lock")):
                content = _FILE.dump_json(change(self.all_keys()), indent=2)
                fresh.unlink(missing_ok=True)
                with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.replace(fresh, self.path)
        except OSError as error:
            raise StorageError(
                f"The API keys in {self.path} cannot be written: {error.strerror or error}.",
                remedy="Check the folder's permissions.",
            ) from error


def not_to_revoke(name_or_id: str, keys: Collection[ServiceKey]) -> NotFoundError:
    """Why there is nothing to revoke: the key was revoked before, or there is none."""
    if any(name_or_id in (key.id, key.name) for key in keys):
        return NotFoundError(f"The key {name_or_id!r} was revoked before.", remedy="It is refused; nothing is to do.")
    return NotFoundError(f"There is no key {name_or_id!r}.", remedy="vitrina keys list shows them.")


def digest_of(secret: str) -> str:
    """What is kept of a secret: its SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()
