"""A third-party package adds an encoder, a reranker, a source and a vector index; each is used like a built-in."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import make_image, png
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources import open_source
from vitrina.search.encoders.registry import load_encoder
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import IndexReplica
from vitrina.search.reranking.backends import RerankerOptions, open_by_name
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store, StoreOptions
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.errors import SourceError
from vitrina.search.types.query import Query, RerankOptions

MODULE = '''
import hashlib
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np

from vitrina.indexer.sources.base import TableRow
from vitrina.search.index.base import Matches
from vitrina.search.reranking.base import Capabilities, Scoring
from vitrina.search.types.item import EmbeddingRows
from vitrina.search.types.models import EncoderIdentity, RerankerIdentity

COLOURS = {"red": (1, 0, 0), "green": (0, 1, 0), "blue": (0, 0, 1)}


def unit(rows):
    rows = np.asarray(rows, np.float32).reshape(-1, 3) + 0.01
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class MeanColour:
    """An encoder of mean colours, and of the words that name them."""

    calibration = None

    def __init__(self, name):
        self.identity = EncoderIdentity(name, hashlib.sha256(b"mean colour").hexdigest(), 3)

    def prepare(self, image):
        return np.asarray(image, np.float32).transpose(2, 0, 1)

    def encode_pixels(self, batch):
        return unit([pixels.mean(axis=(1, 2)) / 255 for pixels in batch])

    def encode_images(self, images):
        return self.encode_pixels([self.prepare(image) for image in images])

    def encode_texts(self, texts):
        colours = [[COLOURS.get(word, (0, 0, 0)) for word in text.lower().split()] for text in texts]
        return unit([np.sum(words, axis=0) for words in colours])


def load_mean_colour(name, options):
    return MeanColour(options.known_as or name)


class NamedColours:
    """A reranker that says yes to the colour of an image."""

    capabilities = Capabilities(Scoring.LOGITS)
    fusion_weights = None

    def __init__(self, name):
        self.identity = RerankerIdentity(name, hashlib.sha256(b"named colours").hexdigest())

    def judge(self, candidates, statements, deadline):
        return np.array([[self.yes(each.pixels, statement) for statement in statements] for each in candidates])

    def yes(self, pixels, statement):
        named = [COLOURS[word] for word in statement.lower().split() if word in COLOURS]
        mean = np.asarray(pixels, np.float32).mean(axis=(0, 1)) / 255
        return 0.95 if named and float(mean @ named[0]) > 0.5 else 0.05

    def write(self, candidate, facts, deadline):
        return iter(())

    def locate(self, candidate, statement, deadline):
        return None


def open_named_colours(name, options):
    return nullcontext(NamedColours(name))


@dataclass(frozen=True)
class PipeTable:
    """Lines of sku|title|image, with relative paths."""

    path: object
    format = "ACME"
    columns = ("sku", "title", "image")
    n_rows = None
    notes = ("Read by the plug-in.",)

    def rows(self):
        for number, line in enumerate(self.path.read_text(encoding="utf-8").splitlines(), start=1):
            yield TableRow(f"{self.path.name}:{number}", dict(zip(self.columns, line.split("|"))))


class BruteForce:
    """A vector index that compares with every row."""

    made = 0

    def __init__(self, dimension):
        BruteForce.made += 1
        self.all = EmbeddingRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimension), np.float32))

    def __len__(self):
        return len(self.all)

    def apply(self, touched_items, rows):
        kept = self.select(~np.isin(self.all.item_ids, touched_items))
        self.all = EmbeddingRows(
            np.concatenate([kept.row_ids, rows.row_ids]),
            np.concatenate([kept.item_ids, rows.item_ids]),
            np.concatenate([kept.vectors, rows.vectors]),
        )

    def select(self, which):
        return EmbeddingRows(self.all.row_ids[which], self.all.item_ids[which], self.all.vectors[which])

    def search(self, query, k, *, within=None):
        rows = self.all if within is None else self.select(np.isin(self.all.item_ids, within))
        scores = rows.vectors @ query
        best = np.lexsort((rows.row_ids, -scores))[:k]
        return Matches(rows.row_ids[best], rows.item_ids[best], scores[best].astype(np.float32))

    def rows_of(self, item_ids):
        return self.select(np.isin(self.all.item_ids, item_ids))

    def sample(self, n):
        return self.all.vectors[np.linspace(0, len(self) - 1, min(n, len(self))).astype(int)]

    def rows(self):
        return self.all
'''

ENTRY_POINTS = """
[vitrina.encoders]
acme = acme_plugins:load_mean_colour

[vitrina.rerankers]
acme = acme_plugins:open_named_colours

[vitrina.sources]
acme = acme_plugins:PipeTable

[vitrina.indexes]
acme = acme_plugins:BruteForce
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The package, as pip would install it: a module, and its metadata beside it."""
    site = tmp_path / "site-packages"
    info = site / "acme_plugins-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "acme_plugins.py").write_text(MODULE, encoding="utf-8")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plugins\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(ENTRY_POINTS, encoding="utf-8")
    monkeypatch.syspath_prepend(str(site))
    yield site
    sys.modules.pop("acme_plugins", None)


@pytest.fixture
def catalog(tmp_path: Path) -> Path:
    """A catalog in the package's own format: a red, a green and a blue item."""
    for colour in ("red", "green", "blue"):
        (tmp_path / f"{colour}.png").write_bytes(png(make_image(colour)))
    path = tmp_path / "shop.acme"
    path.write_text("1|A shirt|red.png\n2|A mug|green.png\n3|A vase|blue.png\n", encoding="utf-8")
    return path


def test_without_the_package_nothing_of_it_is_there(catalog: Path) -> None:
    with pytest.raises(SourceError, match="no catalog format"):
        open_source(str(catalog))


def test_a_package_adds_an_encoder_a_source_and_a_vector_index(package: Path, catalog: Path, tmp_path: Path) -> None:
    encoder = load_encoder("acme")
    source = open_source(str(catalog))
    assert source.dialect == "catalog table (ACME)"
    assert source.notes == ("Read by the plug-in.",)
    store = Store(tmp_path / "store", StoreOptions(vector_index="acme"))
    with Fetcher() as fetcher:
        assert Indexer(store, encoder, fetcher).run(source).n_added == 3
    engine = SearchEngine.open(store, encoder)
    assert type(engine.replica.indexes["image"]).__name__ == "BruteForce"
    assert [hit.stored.item.sku for hit in engine.search(Query("green", limit=1)).hits] == ["2"]
    assert [hit.stored.item.sku for hit in engine.search(Query(images=(make_image("blue"),), limit=1)).hits] == ["3"]
    store.close()


def test_a_package_adds_a_reranker(package: Path, catalog: Path, tmp_path: Path) -> None:
    encoder, store = load_encoder("acme"), Store(tmp_path / "store")
    with Fetcher() as fetcher:
        Indexer(store, encoder, fetcher).run(open_source(str(catalog)))
    with open_by_name("acme", RerankerOptions()) as reranker, RerankPipeline.open(store, reranker) as pipeline:
        engine = SearchEngine.open(store, encoder).with_reranker(pipeline)
        answer = engine.search(Query("blue"), RerankOptions(deadline_ms=30_000))
    assert answer.rerank_status is RerankStatus.RERANKED
    assert answer.hits[0].stored.item.sku == "3"
    assert reranker.identity.name == "acme"
    store.close()


def test_a_plugins_index_comes_back_from_its_snapshot(package: Path, catalog: Path, tmp_path: Path) -> None:
    store, encoder = Store(tmp_path / "store", StoreOptions(vector_index="acme")), load_encoder("acme")
    with Fetcher() as fetcher:
        indexer = Indexer(store, encoder, fetcher)
        indexer.run(open_source(str(catalog)))
    replica = IndexReplica.open(store, encoder.identity, indexer.index_version)
    assert len(replica) == 6
    ids = np.array([store.catalog.item("1").id])
    np.testing.assert_allclose(
        replica.indexes["image"].rows_of(ids).vectors, encoder.encode_images([make_image("red")]), atol=1e-6
    )
    store.close()
