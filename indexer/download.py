"""Fetching a catalog from the web to the disk, under the same rules as images: only public addresses, and bounded."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

import httpcore

from vitrina.indexer.fetch import MAX_REDIRECTS, REDIRECT_STATUSES, checked_url, shown_url
from vitrina.indexer.network import CheckedNetwork, IPAddress, Resolver, is_public, resolve, tls_context
from vitrina.indexer.uploads import FreeDisk, no_room, safe_name
from vitrina.search.types.errors import FetchError

if TYPE_CHECKING:
    import httpx

TOTAL_S = 3600.0
SILENCE_S = 30.0
"""How long a download may take, and how long the server may be silent."""

ENDINGS: Final[Mapping[str, str]] = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "application/json": ".json",
    "application/ld+json": ".jsonld",
    "application/x-ndjson": ".jsonl",
    "application/jsonl": ".jsonl",
    "application/xml": ".xml",
    "text/xml": ".xml",
    "application/rss+xml": ".xml",
    "application/atom+xml": ".xml",
    "application/zip": ".zip",
    "application/x-tar": ".tar",
    "application/vnd.apache.parquet": ".parquet",
    "text/html": ".html",
}
"""What a file of a media type is called, if neither its address nor its header gives it a name that tells."""

_HEADERS = (("User-Agent", "vitrina-indexer"), ("Accept", "*/*"), ("Accept-Encoding", "identity"))
_FILE_NAME = re.compile(r"""filename\*?=(?:UTF-8'')?"?([^";]+)"?""", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Download:
    """Where downloads go, and their bounds. ``resolver`` and ``address_allowed`` are for tests."""

    folder: Path
    max_bytes: int
    resolver: Resolver = resolve
    address_allowed: Callable[[IPAddress], bool] = is_public

    def fetch(self, url: str, name: str = "", on_bytes: Callable[[int], None] = lambda _: None) -> Path:
        """Write what is behind a URL into the folder, under ``name`` if that is given; returns the file.

        Redirects are followed, each checked as the first address is. ``on_bytes`` is told how many came so far, and may
        raise. Blocks. Raises FetchError for what is not public, not there, too large or too slow, and StorageError
        where the disk refuses.
        """
        network = CheckedNetwork(self.resolver, self.address_allowed)
        network.deadline.at = time.monotonic() + TOTAL_S
        try:
            with httpcore.ConnectionPool(ssl_context=tls_context(), network_backend=network) as pool:
                target = checked_url(url)
                for _ in range(MAX_REDIRECTS + 1):
                    found = self._get(pool, target, name, on_bytes)
                    if isinstance(found, Path):
                        return found
                    target = checked_url(found, base=target)
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            reason = str(error) or type(error).__name__
            raise FetchError(
                f"{shown_url(url)} could not be fetched: {reason}.", remedy="Try it again later."
            ) from error
        raise FetchError(
            f"{shown_url(url)} redirects more than {MAX_REDIRECTS} times.", remedy="Give the file's final address."
        )

    def _get(
        self, pool: httpcore.ConnectionPool, url: httpx.URL, name: str, on_bytes: Callable[[int], None]
    ) -> Path | str:
        """The file of one response, or where it redirects to."""
        request_url = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        with pool.stream(
            "GET",
            request_url,
            headers=[*_HEADERS, ("Host", url.netloc.decode("ascii"))],
            extensions={"timeout": dict.fromkeys(("connect", "read", "write", "pool"), SILENCE_S)},
        ) as response:
            headers = {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in response.headers}
            if response.status in REDIRECT_STATUSES and "location" in headers:
                return headers["location"]
            if response.status != 200:
                raise FetchError(f"{shown_url(url)} answered {response.status}.", remedy="Correct the address.")
            length = headers.get("content-length", "")
            if length.isdigit() and int(length) > self.max_bytes:
                raise self._too_large(url, f"{int(length):,} bytes")
            file = self.folder / (safe_name(name) if name else name_of(url, headers))
            self._write(url, file, response.iter_stream(), on_bytes)
            return file

    def _write(self, url: httpx.URL, file: Path, chunks: Iterable[bytes], on_bytes: Callable[[int], None]) -> None:
        n_bytes, disk = 0, FreeDisk(self.folder)
        try:
            with file.open("wb") as target:
                for chunk in chunks:
                    n_bytes += len(chunk)
                    if n_bytes > self.max_bytes:
                        raise self._too_large(url, "more")
                    disk.take(len(chunk))
                    target.write(chunk)
                    on_bytes(n_bytes)
        except OSError as error:
            raise no_room(error) from error

    def _too_large(self, url: httpx.URL, found: str) -> FetchError:
        return FetchError(
            f"{shown_url(url)} has {found}; the limit is {self.max_bytes:,} bytes.",
            remedy="Split the catalog, or raise VITRINA_MAX_IMPORT_BYTES.",
        )


def name_of(url: httpx.URL, headers: Mapping[str, str]) -> str:
    """What to call a fetched file: as the server does, or as its address ends, with an ending by its media type."""
    given = _FILE_NAME.search(headers.get("content-disposition", ""))
    name = safe_name(unquote(given[1]) if given else url.path.rstrip("/").rpartition("/")[2])
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return name if "." in name else name + ENDINGS.get(media_type, "")
