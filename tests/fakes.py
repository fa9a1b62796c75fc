"""Stand-ins that behave: an encoder without a model, pictures, items, and sources that live in memory."""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from vitrina.indexer.sources.base import ImageReference, Record, Rejection
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import EncodedText
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.database import Database
from vitrina.search.store.store import Store
from vitrina.search.types.calibration import Calibration, Curve, QueryKind, Signal
from vitrina.search.types.item import AttributeValue, IndexedItem, Item, Variant
from vitrina.search.types.models import EncoderIdentity, Pixels, Vectors

DIMENSION = 32
SIDE_PX = 6
COLOURS = {
    "red": (210, 30, 40),
    "green": (20, 160, 60),
    "blue": (30, 60, 200),
    "yellow": (235, 215, 40),
    "black": (10, 10, 10),
    "white": (250, 250, 250),
}


@cache
def blank_catalog() -> bytes:
    """The file of a new catalog, made by its migrations once: they take longer than most tests."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.db"
        Catalog(path).close()
        return path.read_bytes()


def new_catalog(path: Path) -> Catalog:
    path.write_bytes(blank_catalog())
    return Catalog(path)


def path_of(catalog: Catalog) -> Path:
    """The SQLite file of a catalog."""
    assert isinstance(catalog.database, Database)
    return catalog.database.path


def open_replica(store: Store, encoder: Encoder) -> IndexReplica:
    """The replica of the active index version, which becomes the encoder's in a new store."""
    return IndexReplica.open(store, encoder.identity, open_index_version(store, encoder))


CALIBRATION = Calibration(
    {
        QueryKind.TEXT: Curve(
            -6.0,
            {Signal.TEXT_TO_IMAGE: 10.0, Signal.ALL_WORDS: 7.0, Signal.WHOLE_VALUE: 1.0, Signal.NAME: 1.0},
            no_match_confidence=0.3,
        ),
        QueryKind.IMAGE: Curve(-20.0, {Signal.IMAGE_TO_IMAGE: 22.0}, no_match_confidence=0.3),
    },
    source="set by hand",
)
"""Sure of a picture whose colour is named, of an item with every word, and of a picture much like the one shown."""


class FakeEncoder:
    """Pictures by a fixed random projection of their thumbnail, texts by the sum of their words' vectors.

    A colour's name lies near pictures of that colour, as in a trained encoder; any other word has a random direction
    of its own. Encoders of different seeds have different spaces.
    """

    def __init__(
        self,
        name: str = "fake",
        *,
        seed: int = 0,
        dimension: int = DIMENSION,
        calibration: Calibration | None = None,
    ) -> None:
        fingerprint = hashlib.sha256(f"{name} {seed} {dimension}".encode()).hexdigest()
        self._identity = EncoderIdentity(name, fingerprint, dimension)
        self._calibration = calibration
        self._projection = np.random.default_rng(seed).normal(size=(3 * SIDE_PX * SIDE_PX + 1, dimension))
        self.n_images = 0
        self.n_texts = 0
        self._colours = {word: self.encode_images([make_image(word)])[0] for word in COLOURS}

    @property
    def identity(self) -> EncoderIdentity:
        return self._identity

    @property
    def calibration(self) -> Calibration | None:
        return self._calibration

    def prepare(self, image: Image.Image) -> Pixels:
        small = image.convert("RGB").resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX)
        return np.asarray(small, np.float32).transpose(2, 0, 1) / 127.5 - 1.0  # (3, side, side)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        self.n_images += len(batch)
        if not batch:
            return self._none()
        flat = np.stack([np.append(pixels.reshape(-1), 0.1) for pixels in batch])
        return unit(flat @ self._projection)

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        return self.encode_pixels([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        self.n_texts += len(texts)
        if not texts:
            return self._none()
        return unit(np.stack([sum((self._word(word) for word in words_of(text)), self._word("")) for text in texts]))

    @cache  # noqa: B019 - encoders live as long as the tests
    def _word(self, word: str) -> Vectors:
        digest = hashlib.sha256(f"{self._identity.fingerprint} {word}".encode("utf-8", "backslashreplace")).digest()
        own = np.random.default_rng(int.from_bytes(digest[:8], "big")).normal(size=self._identity.dimension)
        own *= 0.3 / np.linalg.norm(own)
        return np.asarray(self._colours[word] + own if word in self._colours else own * 3, np.float32)

    def _none(self) -> Vectors:
        return np.empty((0, self._identity.dimension), np.float32)


MEANINGS = {"sofa": "couch", "crimson": "red"}


class PieceFake(FakeEncoder):
    """A fake whose word pieces are words, of which it knows some that mean the same."""

    def encode_pieces(self, texts: Sequence[str]) -> list[EncodedText]:
        found = []
        for text, vector in zip(texts, self.encode_texts(texts), strict=True):
            words = [MEANINGS.get(word, word) for word in words_of(text)]
            pieces = unit(np.stack([self._word(word) for word in words])) if words else self._none()
            found.append(EncodedText(vector, pieces, np.full(len(words), 1 / max(len(words), 1), np.float32)))
        return found


def words_of(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def unit(rows: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def make_image(colour: str, *, noise: int | None = None, size: tuple[int, int] = (24, 24)) -> Image.Image:
    """A plain picture of one colour; ``noise`` seeds a grain that makes it one of its kind."""
    pixels = np.full((size[1], size[0], 3), COLOURS[colour], np.int16)
    if noise is not None:
        pixels += np.random.default_rng(noise).integers(-40, 40, size=(size[1], size[0], 1), dtype=np.int16)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def make_entry(
    encoder: FakeEncoder,
    sku: str,
    title: str = "",
    *,
    description: str = "",
    images: Sequence[Image.Image] = (),
    text: str | None = None,
    price_cents: int | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    variants: Sequence[Variant] = (),
) -> IndexedItem:
    """An entry as the indexer would make it; ``text`` is what is embedded, the title if left out, nothing if empty."""
    words, attributes = title if text is None else text, attributes or {}
    currency = "EUR" if price_cents is not None else None
    return IndexedItem(
        item=Item(sku, title, description, attributes, price_cents, currency, variants=tuple(variants)),
        content_hash=hashlib.sha256(repr((sku, title, description, attributes, price_cents)).encode()).hexdigest(),
        image_ids=tuple(hashlib.sha256(png(image)).hexdigest()[:32] for image in images),
        vectors={
            "image": encoder.encode_images(images),
            "text": encoder.encode_texts([words] if words else []),
        },
    )


def make_record(
    sku: str,
    title: str = "",
    *,
    images: Sequence[Image.Image | bytes] = (),
    origin: str | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    variants: Sequence[Variant] = (),
) -> Record:
    """A row whose pictures travel as bytes; bytes given are taken as they are, broken or not."""
    data = [shown if isinstance(shown, bytes) else png(shown) for shown in images]
    references = tuple(ImageReference(data=each) for each in data)
    item = Item(sku, title, attributes=attributes or {}, variants=tuple(variants))
    return Record(origin or f"memory:{sku}", item, references)


@dataclass
class MemorySource:
    """A source whose rows are in memory; an exception among them is raised in its place."""

    given: Sequence[Record | Rejection | Exception]
    name: str = "memory"
    dialect: str = "rows in memory"
    fields: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int | None:
        return len(self.given)

    def rows(self) -> Iterator[Record | Rejection]:
        for row in self.given:
            if isinstance(row, Exception):
                raise row
            yield row
