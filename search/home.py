"""A home: the folder that holds one catalog with everything derived from it.

::

    catalog.db        the truth: items, pictures' names, embeddings
    pictures.db       the pictures, by the hash of their content
    views/            snapshots of the vector indexes; may be deleted at any time
    dead-letters/     rows that could not be indexed, one file a run
"""

from __future__ import annotations

from pathlib import Path

from search.catalog.catalog import Catalog
from search.encoders.base import Encoder
from search.engine import SearchEngine
from search.errors import EncoderError, NotFoundError, StorageError
from search.images.store import ImageStore
from search.view import View

CATALOG_FILE = "catalog.db"


class Home:
    """The catalog and its pictures; needs no encoder. Makes the folder where there is none.

    Raises StorageError where the folder cannot be made or the catalog cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dead_letters = folder / "dead-letters"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"The home folder {folder} cannot be made: {error.strerror}.",
                remedy="Choose another folder with --home or VITRINA_HOME.",
            ) from error
        self.catalog = Catalog(folder / CATALOG_FILE)
        self.images = ImageStore(folder / "pictures.db")

    @classmethod
    def existing(cls, folder: Path) -> Home:
        """A home that something was indexed into. Raises NotFoundError where there is none."""
        if not (folder / CATALOG_FILE).is_file():
            raise NotFoundError(
                f"Nothing is indexed in {folder}.",
                remedy="Index a catalog first, as in: vitrina index products.csv (or try: vitrina demo).",
            )
        return cls(folder)

    def open_space(self, encoder: Encoder) -> int:
        """The key of the live embedding space, which must be the encoder's; a new home takes the encoder as its own.

        Raises EncoderError where the catalog was embedded with another.
        """
        live = self.catalog.live_space()
        if live is not None and live.fingerprint != encoder.identity.fingerprint:
            raise EncoderError(
                f"The catalog in {self.folder} was embedded with the encoder {live.name!r} "
                f"({live.fingerprint[:12]}), not with {encoder.identity.name!r} ({encoder.identity.fingerprint[:12]}).",
                remedy=f"Go on with VITRINA_ENCODER={live.name}, or embed the catalog anew: vitrina rebuild --reembed.",
                details={"catalog": live.name, "given": encoder.identity.name},
            )
        return self.catalog.open_space(encoder.identity, live=True)

    def open_view(self, encoder: Encoder) -> View:
        """The vector indexes, caught up. Blocks while a large catalog is read. Raises EncoderError."""
        return View(self.catalog, encoder.identity, self.open_space(encoder), self.folder / "views")

    def open_engine(self, encoder: Encoder) -> SearchEngine:
        """Everything a query needs. Blocks and raises as ``open_view`` does."""
        return SearchEngine(self.catalog, encoder, self.open_view(encoder))

    def close(self) -> None:
        self.catalog.close()
        self.images.close()
