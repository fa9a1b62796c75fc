"""Another encoder takes over a whole catalog, and nothing is lost on the way."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import count

import numpy as np
import pytest

from tests.fakes import FakeEncoder, MemorySource, make_record, picture
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.re_embedding import Reembedding, reembed
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, EncoderReplacedError
from vitrina.search.types.item import MODALITIES
from vitrina.search.types.query import Query

OTHER = FakeEncoder("other", seed=9, dimension=20)


@pytest.fixture(scope="module")
def fetcher() -> Iterator[Fetcher]:
    with Fetcher() as fetcher:
        yield fetcher


@pytest.fixture
def indexer(home: Store, encoder: FakeEncoder, fetcher: Fetcher) -> Indexer:
    indexer = Indexer(home, encoder, fetcher)
    pictures = [[picture("red", noise=at % 20), picture("blue", noise=at % 20)][: at % 3] for at in range(140)]
    indexer.run(MemorySource([make_record(f"{at}", f"shirt {at}", pictures=pictures[at]) for at in range(140)]))
    return indexer


def assert_speaks(home: Store, encoder: FakeEncoder) -> None:
    """Every item's rows are this encoder's vectors of its pictures and its words."""
    view = home.open_view(encoder)
    for stored in home.catalog.all_items():
        text = view.indexes["text"].rows_of(np.array([stored.id])).vectors
        np.testing.assert_allclose(text, encoder.encode_texts([stored.item.title]), atol=1e-5)
        assert len(view.indexes["image"].rows_of(np.array([stored.id]))) == len(stored.image_ids)


def test_another_encoder_takes_over(home: Store, indexer: Indexer) -> None:
    seen: list[tuple[int, int]] = []
    before = home.catalog.counts()
    done = reembed(home, OTHER, lambda done, total: seen.append((done, total)))
    assert done == Reembedding(140, 0, None)
    assert seen == [(140, 140)]
    assert home.catalog.live_space() == OTHER.identity
    assert home.catalog.counts() == before
    assert_speaks(home, OTHER)
    answer = home.open_engine(OTHER).search(Query("shirt 50", images=(picture("red", noise=10),)))
    assert answer.hits[0].stored.item.sku == "50"
    assert answer.encoder == "other"


def test_the_old_encoder_is_refused_from_then_on(home: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    view = home.open_view(encoder)
    reembed(home, OTHER)
    with pytest.raises(EncoderError, match="'other'"):
        home.open_engine(encoder)
    with pytest.raises(EncoderReplacedError, match="'other'"):
        indexer.put(make_record("new", "boots"))
    assert view.catch_up()  # its space is kept
    assert len(view) == home.catalog.counts()["vectors"]
    assert home.catalog.counts()["items"] == 140


def test_rows_are_not_indexed_again_after_a_take_over(home: Store, indexer: Indexer) -> None:
    reembed(home, OTHER)
    done = Indexer(home, OTHER, indexer.preparer.fetcher).run(MemorySource([make_record("0", "shirt 0")]))
    assert (done.n_added, done.n_updated, done.n_unchanged) == (0, 0, 1)


def test_what_is_indexed_and_deleted_meanwhile_is_not_lost(
    home: Store, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.indexer.re_embedding.BATCH_ROWS", 70)
    n_calls = 0

    def interfere(done: int, total: int) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            indexer.put(make_record("1", "boots 1", pictures=[picture("green", noise=1)]))
        elif n_calls == 2:
            home.catalog.delete(["2", "139"])
            indexer.put(make_record("new", "late boots"))

    reembed(home, OTHER, interfere)
    assert n_calls >= 2
    assert home.catalog.item("1").item.title == "boots 1"
    assert home.catalog.counts()["items"] == 139
    assert_speaks(home, OTHER)


def test_items_put_all_the_while_are_all_in_the_space_that_answers(
    home: Store, indexer: Indexer, encoder: FakeEncoder, fetcher: Fetcher
) -> None:
    """Writers race with the switch: a commit is embedded by the switch, or refused and made with the new encoder."""
    failures: list[BaseException] = []

    def put_until_refused(number: int) -> None:
        try:
            for at in count():
                record = make_record(f"{number}-{at % 40}", f"boots {at}", pictures=[picture("green", noise=at % 20)])
                try:
                    indexer.put(record)
                except EncoderReplacedError:
                    Indexer(home, OTHER, fetcher).put(record)
                    return
                time.sleep(0.005)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=put_until_refused, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    reembed(home, OTHER)
    for thread in threads:
        thread.join()
    assert failures == []
    assert home.catalog.live_space() == OTHER.identity
    assert_speaks(home, OTHER)


def test_a_run_that_was_stopped_goes_on_where_it_was(
    home: Store, indexer: Indexer, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.indexer.re_embedding.BATCH_ROWS", 30)
    for start in range(200, 260, 20):
        indexer.run(MemorySource([make_record(f"{at}", f"shirt {at}") for at in range(start, start + 20)]))

    def interrupt(done: int, total: int) -> None:
        if done >= 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(home, OTHER, interrupt)
    assert home.catalog.live_space() == encoder.identity
    assert_speaks(home, encoder)
    indexer.put(make_record("3", "boots"))
    again: list[int] = []
    assert reembed(home, OTHER, lambda done, total: again.append(done)).n_items == 61
    assert again == [169, 199, 200]
    assert_speaks(home, OTHER)


def test_the_live_encoder_is_left_alone_unless_asked_to_embed_anew(
    home: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    broken = np.full((1, encoder.identity.dimension), 0.5, np.float32)
    home.catalog.fill(indexer.space_id, [(home.catalog.item("3"), {"image": broken, "text": broken})])
    assert reembed(home, encoder).n_items == 0
    assert reembed(home, encoder, anew=True).n_items == 140
    assert_speaks(home, encoder)


def test_back_and_forth_embeds_only_what_changed(home: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    home.open_view(encoder).save(force=True)
    reembed(home, OTHER)
    Indexer(home, OTHER, indexer.preparer.fetcher).put(make_record("5", "boots"))
    home.catalog.delete(["6"])
    assert reembed(home, encoder).n_items == 1
    assert_speaks(home, encoder)
    assert len(home.open_view(encoder)) == home.catalog.counts()["vectors"]
    assert reembed(home, OTHER).n_items == 0


def test_snapshots_of_spaces_that_were_dropped_are_removed(home: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    snapshots = {home.open_view(encoder).path}
    for other in (OTHER, FakeEncoder("third", seed=3)):
        reembed(home, other)
        snapshots.add(home.open_view(other).path)
    assert len(snapshots) == 3
    assert set(home.views.iterdir()) == snapshots - {home.views / f"{encoder.identity.key}.snapshot"}


def test_pictures_gone_or_damaged_are_reported_and_come_back_with_the_next_run(
    home: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    gone, damaged = home.catalog.item("5").image_ids[0], home.catalog.item("7").image_ids[0]
    assert len(home.catalog.item("5").image_ids) == 2
    with closing(sqlite3.connect(home.folder / "pictures.db", isolation_level=None)) as pictures:
        pictures.execute("DELETE FROM pictures WHERE id = ?", (gone,))
        pictures.execute("UPDATE pictures SET data = x'0102' WHERE id = ?", (damaged,))
    holding = [stored for stored in home.catalog.all_items() if {gone, damaged} & set(stored.image_ids)]
    done = reembed(home, OTHER)
    assert done.n_items == 140
    assert done.n_lost_pictures == len(holding)
    assert done.dead_letters is not None
    letters = [json.loads(line) for line in done.dead_letters.read_text(encoding="utf-8").splitlines()]
    assert {letter["sku"] for letter in letters} == {stored.item.sku for stored in holding}
    assert all(letter["reason"] and "again" in letter["remedy"] for letter in letters)
    view, five = home.open_view(OTHER), np.array([home.catalog.item("5").id])
    assert [len(view.indexes[modality].rows_of(five)) for modality in MODALITIES] == [1, 1]
    pictures_of_five = [picture("red", noise=5), picture("blue", noise=5)]
    again = Indexer(home, OTHER, indexer.preparer.fetcher).run(
        MemorySource([make_record("5", "shirt 5", pictures=pictures_of_five), make_record("0", "shirt 0")])
    )
    assert (again.n_updated, again.n_unchanged) == (1, 1)
    view.catch_up()
    assert [len(view.indexes[modality].rows_of(five)) for modality in MODALITIES] == [2, 1]


def test_an_empty_catalog(home: Store) -> None:
    assert reembed(home, OTHER).n_items == 0
    assert home.catalog.live_space() == OTHER.identity
