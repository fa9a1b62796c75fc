"""Another encoder takes over a whole catalog, and nothing is lost on the way."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import numpy as np
import pytest

from indexer.fetch import Fetcher
from indexer.pipeline import Indexer
from indexer.reembedding import reembed
from search.errors import EncoderError, NotFoundError
from search.home import Home
from search.query import Query
from tests.fakes import FakeEncoder, MemorySource, make_record, picture

OTHER = FakeEncoder("other", seed=9, dimension=20)


@pytest.fixture(scope="module")
def fetcher() -> Iterator[Fetcher]:
    with Fetcher() as fetcher:
        yield fetcher


@pytest.fixture
def indexer(home: Home, encoder: FakeEncoder, fetcher: Fetcher) -> Indexer:
    indexer = Indexer(home, encoder, fetcher)
    pictures = [[picture("red", noise=at % 20), picture("blue", noise=at % 20)][: at % 3] for at in range(140)]
    indexer.run(MemorySource([make_record(f"{at}", f"shirt {at}", pictures=pictures[at]) for at in range(140)]))
    return indexer


def assert_speaks(home: Home, encoder: FakeEncoder) -> None:
    """Every item's rows are this encoder's vectors of its pictures and its words."""
    view = home.open_view(encoder)
    for stored in home.catalog.all_items():
        text = view.indexes["text"].rows_of(np.array([stored.id])).vectors
        np.testing.assert_allclose(text, encoder.encode_texts([stored.item.title]), atol=1e-5)
        assert len(view.indexes["image"].rows_of(np.array([stored.id]))) == len(stored.image_ids)


def test_another_encoder_takes_over(home: Home, indexer: Indexer) -> None:
    seen: list[tuple[int, int]] = []
    before = home.catalog.counts()
    assert reembed(home, OTHER, lambda done, total: seen.append((done, total))) == 140
    assert seen == [(128, 140), (140, 140)]
    assert home.catalog.live_space() == OTHER.identity
    assert home.catalog.counts() == before
    assert_speaks(home, OTHER)
    answer = home.open_engine(OTHER).search(Query("shirt 50", images=(picture("red", noise=10),)))
    assert answer.hits[0].stored.item.sku == "50"
    assert answer.encoder == "other"


def test_the_old_encoder_is_refused_from_then_on(home: Home, indexer: Indexer, encoder: FakeEncoder) -> None:
    view = home.open_view(encoder)
    reembed(home, OTHER)
    with pytest.raises(EncoderError, match="'other'"):
        home.open_engine(encoder)
    with pytest.raises(EncoderError, match="'other'"):
        indexer.put(make_record("new", "boots"))
    with pytest.raises(EncoderError, match="'other'"):
        view.catch_up()
    assert home.catalog.counts()["items"] == 140


def test_rows_are_not_indexed_again_after_a_take_over(home: Home, indexer: Indexer) -> None:
    reembed(home, OTHER)
    done = Indexer(home, OTHER, indexer.preparer.fetcher).run(MemorySource([make_record("0", "shirt 0")]))
    assert (done.n_added, done.n_updated, done.n_unchanged) == (0, 0, 1)


def test_what_is_indexed_and_deleted_meanwhile_is_not_lost(home: Home, indexer: Indexer, encoder: FakeEncoder) -> None:
    n_calls = 0

    def interfere(done: int, total: int) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            indexer.put(make_record("1", "boots 1", pictures=[picture("green", noise=1)]))
        elif n_calls == 2:
            home.catalog.delete(["2", "139"])
        elif n_calls == 3:
            indexer.put(make_record("new", "late boots"))

    reembed(home, OTHER, interfere)
    assert n_calls >= 4
    assert home.catalog.item("1").item.title == "boots 1"
    assert home.catalog.counts()["items"] == 139
    assert_speaks(home, OTHER)


def test_an_interrupted_take_over_leaves_the_old_encoder_and_can_be_repeated(
    home: Home, indexer: Indexer, encoder: FakeEncoder
) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(home, OTHER, interrupt)
    assert home.catalog.live_space() == encoder.identity
    assert_speaks(home, encoder)
    reembed(home, OTHER)
    assert_speaks(home, OTHER)


def test_embedding_anew_with_the_same_encoder_mends_its_vectors(
    home: Home, indexer: Indexer, encoder: FakeEncoder
) -> None:
    broken = np.full((1, encoder.identity.dimension), 0.5, np.float32)
    item_id = home.catalog.item("3").id
    home.catalog.add_vectors(indexer.space_id, {item_id: {"image": broken, "text": broken}})
    assert reembed(home, encoder) == 140
    assert_speaks(home, encoder)


def test_back_and_forth_between_encoders(home: Home, indexer: Indexer, encoder: FakeEncoder) -> None:
    home.open_view(encoder).save(force=True)
    reembed(home, OTHER)
    home.open_view(OTHER).save(force=True)
    Indexer(home, OTHER, indexer.preparer.fetcher).put(make_record("5", "boots"))
    home.catalog.delete(["6"])
    reembed(home, encoder)
    assert_speaks(home, encoder)
    assert len(home.open_view(encoder)) == home.catalog.counts()["vectors"]


def test_a_picture_lost_from_the_store_is_named(home: Home, indexer: Indexer, encoder: FakeEncoder) -> None:
    with closing(sqlite3.connect(home.folder / "pictures.db", isolation_level=None)) as pictures:
        pictures.execute("DELETE FROM pictures WHERE id = ?", home.catalog.item("1").image_ids[:1])
    with pytest.raises(NotFoundError):
        reembed(home, OTHER)
    assert home.catalog.live_space() == encoder.identity


def test_an_empty_catalog(home: Home) -> None:
    assert reembed(home, OTHER) == 0
    assert home.catalog.live_space() == OTHER.identity
