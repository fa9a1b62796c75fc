"""Images that were fetched from the web: which stored image is behind an address, and by what its server tells whether
it has changed."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from sqlalchemy import Column, Float, ForeignKey, String, Table, delete, select

from vitrina.search.store.images import ImageStore, metadata
from vitrina.search.store.sql import insert_rows

web_images = Table(
    "web_images",
    metadata,
    Column("url_digest", String(64), primary_key=True),
    Column("picture_id", String(32), ForeignKey("pictures.id"), nullable=False),
    Column("etag", String(200), nullable=False),
    Column("last_modified", String(200), nullable=False),
    Column("fresh_until", Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class WebImage:
    """What was last behind a URL: the stored image, the validators that the server sent, and the time, in seconds since
    1970, until which it says that nothing changes."""

    url: str
    image_id: str
    etag: str
    last_modified: str
    fresh_until: float


class WebImages:
    """The images of an image store that were fetched from the web, by their addresses, kept beside them.

    Safe to use from several threads and processes. Every method blocks and may raise StorageError.
    """

    def __init__(self, store: ImageStore) -> None:
        self._store = store
        self._is_made = False

    def known(self, urls: Collection[str]) -> dict[str, WebImage]:
        """Those of the URLs that were fetched before, at most some hundreds."""
        by_digest = {digest_of(url): url for url in urls}
        if not by_digest or not self._finds_table():
            return {}
        with self._store.file.read() as connection:
            rows = connection.execute(select(web_images).where(web_images.c.url_digest.in_(by_digest))).all()
        found = (
            WebImage(by_digest[row.url_digest], row.picture_id, row.etag, row.last_modified, row.fresh_until)
            for row in rows
        )
        return {each.url: each for each in found}

    def put_all(self, found: Iterable[WebImage]) -> None:
        """Keep what was found behind URLs, in place of what was known of them. The images must be stored already."""
        rows = {
            digest_of(each.url): {
                "url_digest": digest_of(each.url),
                "picture_id": each.image_id,
                "etag": each.etag,
                "last_modified": each.last_modified,
                "fresh_until": each.fresh_until,
            }
            for each in found
        }
        if rows:
            if not self._finds_table():
                with self._store.file.write() as connection:
                    metadata.create_all(connection)
            with self._store.file.write() as connection:
                connection.execute(delete(web_images).where(web_images.c.url_digest.in_(rows)))
                insert_rows(connection, web_images, list(rows.values()))

    def _finds_table(self) -> bool:
        """Whether the table is there: a store of an older version has none, and may be one that is only read."""
        if not self._is_made:
            with self._store.file.read() as connection:
                self._is_made = connection.dialect.has_table(connection, web_images.name)
        return self._is_made


def digest_of(url: str) -> str:
    """SHA-256 (hex): addresses may be long, and secret in part."""
    return hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()
