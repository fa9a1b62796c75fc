"""Loading a picture's bytes, wherever its reference points."""

from __future__ import annotations

import stat
from pathlib import Path

from indexer.fetch import Fetcher
from indexer.record import ImageReference
from search.errors import ImageError


def load_image(reference: ImageReference, fetcher: Fetcher) -> bytes:
    """The bytes a reference stands for, at most ``fetcher.max_bytes`` of them, not yet decoded. Blocks.

    Raises ``ImageError`` for a file that is missing, too large or no file, ``FetchError`` for a URL that cannot be
    fetched.
    """
    if reference.url is not None:
        return fetcher.fetch(reference.url)
    if reference.path is not None:
        return _read(reference.path, fetcher.max_bytes)
    data = reference.data or b""
    _check_size(len(data), "The picture", fetcher.max_bytes)
    return data


def _read(path: Path, max_bytes: int) -> bytes:
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode):
            raise ImageError(f"{path} is no file.", remedy="Name a picture file.")
        _check_size(state.st_size, str(path), max_bytes)
        with path.open("rb") as file:
            return file.read(max_bytes)
    except FileNotFoundError as error:
        raise ImageError(
            f"The picture {path} does not exist.", remedy="Put it there, or correct its path in the catalog."
        ) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"The picture {path} cannot be read: {error}.", remedy="Check its permissions.") from error


def _check_size(n_bytes: int, name: str, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise ImageError(
            f"{name} has {n_bytes:,} bytes; the limit is {max_bytes:,}.",
            remedy="Shrink it; 1,024 pixels on the longer side are plenty.",
            details={"n_bytes": n_bytes, "max_bytes": max_bytes},
        )
