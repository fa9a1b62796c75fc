"""Images in object storage: S3, or whatever else fsspec reaches, by the address of a folder there."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from vitrina.search.types.errors import MissingDependencyError, StateError, StorageError


class ObjectStorage:
    """Objects below one address, such as ``s3://bucket/folder``, each under a name of hexadecimal digits.

    Credentials and the server's address are found as the storage's own library finds them; for S3 these are
    ``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL_S3`` and the others of botocore. Every method blocks, may be called from
    several threads, and raises StorageError. Raises MissingDependencyError where a package is missing, StateError for
    an address that fsspec does not know.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        try:
            import fsspec

            with self._translated():
                self._files, self._folder = fsspec.url_to_fs(self.address)
        except ImportError as error:
            raise MissingDependencyError(
                f"{self.address} needs a package that is not installed: {error}.",
                remedy="Install it with: pip install 'vitrina[s3]'.",
            ) from error
        except ValueError as error:
            raise StateError(
                f"{self.address} is not an address that images can be stored at: {error}.",
                remedy="Write VITRINA_IMAGES as s3://BUCKET/FOLDER, or leave it out.",
            ) from error

    def write(self, objects: Mapping[str, bytes]) -> None:
        """Store objects, in place of those that are there; several at the same time where the storage allows."""
        if objects:
            with self._translated():
                self._files.pipe({self._path(name): data for name, data in objects.items()})

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Objects by name, without those that are not there; several at the same time where the storage allows."""
        if not names:
            return {}
        paths = {self._path(name): name for name in names}
        with self._translated():
            found: dict[str, bytes | Exception] = self._files.cat(list(paths), on_error="return")
            for error in found.values():
                if isinstance(error, Exception) and not isinstance(error, FileNotFoundError):
                    raise error
        return {paths[path]: data for path, data in found.items() if isinstance(data, bytes)}

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name[:2]}/{name}"

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except failures() as error:
            raise StorageError(
                f"The images at {self.address} cannot be reached: {error}.",
                remedy="Check the address, the credentials and the network, and that the bucket exists.",
            ) from error


def failures() -> tuple[type[Exception], ...]:
    """What a storage raises that cannot be reached: botocore has a tree of its own."""
    botocore: Any = sys.modules.get("botocore.exceptions")
    return (OSError,) if botocore is None else (OSError, botocore.BotoCoreError, botocore.ClientError)
