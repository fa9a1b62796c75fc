"""Re-embedding a whole catalog with another encoder, and nothing is lost on the way."""

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

from tests.fakes import FakeEncoder, MemorySource, PieceFake, make_image, make_record, open_replica
from vitrina.indexer.backfill import reembed
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.progress import Progress
from vitrina.search.engine import SearchEngine
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
def indexer(store: Store, encoder: FakeEncoder, fetcher: Fetcher) -> Indexer:
    indexer = Indexer(store, encoder, fetcher)
    images = [[make_image("red", noise=at % 20), make_image("blue", noise=at % 20)][: at % 3] for at in range(140)]
    indexer.run(MemorySource([make_record(f"{at}", f"shirt {at}", images=images[at]) for at in range(140)]))
    return indexer


def assert_speaks(store: Store, encoder: FakeEncoder) -> None:
    """Every item's rows are this encoder's vectors of its images and its text."""
    replica = open_replica(store, encoder)
    for stored in store.catalog.all_items():
        text = replica.indexes["text"].rows_of(np.array([stored.id])).vectors
        np.testing.assert_allclose(text, encoder.encode_texts([stored.item.title]), atol=1e-5)
        assert len(replica.indexes["image"].rows_of(np.array([stored.id]))) == len(stored.image_ids)


def test_another_encoder_becomes_active(store: Store, indexer: Indexer) -> None:
    progress: list[Progress] = []
    before = store.catalog.counts()
    done = reembed(store, OTHER, progress.append)
    assert (done.n_done, done.n_failed_images, done.dead_letters) == (140, 0, None)
    assert [(each.n_done, each.n_total) for each in progress] == [(140, 140)]
    assert store.catalog.active_encoder() == OTHER.identity
    assert store.catalog.counts() == before
    assert_speaks(store, OTHER)
    answer = SearchEngine.open(store, OTHER).search(Query("shirt 50", images=(make_image("red", noise=10),)))
    assert answer.hits[0].stored.item.sku == "50"
    assert answer.encoder == "other"


def test_word_pieces_are_indexed_and_backfilled(store: Store, indexer: Indexer) -> None:
    encoder = PieceFake("pieces")
    reembed(store, encoder)
    Indexer(store, encoder, indexer.preparer.fetcher).put(make_record("new", "crimson sofa"))
    version = store.catalog.open_index_version(encoder.identity, active=True)
    titles = {stored.id: stored.item.title for stored in store.catalog.all_items()}
    with store.catalog.reading() as reader:
        found = reader.pieces(version, list(titles), encoder.identity.dimension)
    assert found.keys() == titles.keys()
    for item_id, title in titles.items():
        np.testing.assert_array_equal(found[item_id], encoder.encode_pieces([title])[0].stored_pieces)


def test_the_old_encoder_is_refused_from_then_on(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    replica = open_replica(store, encoder)
    reembed(store, OTHER)
    with pytest.raises(EncoderError, match="'other'"):
        SearchEngine.open(store, encoder)
    with pytest.raises(EncoderReplacedError, match="'other'"):
        indexer.put(make_record("new", "boots"))
    assert replica.catch_up()  # its version is kept
    assert len(replica) == store.catalog.count("vectors")
    assert store.catalog.count("items") == 140


def test_rows_are_not_indexed_again_after_a_promotion(store: Store, indexer: Indexer) -> None:
    reembed(store, OTHER)
    done = Indexer(store, OTHER, indexer.preparer.fetcher).run(MemorySource([make_record("0", "shirt 0")]))
    assert (done.n_added, done.n_updated, done.n_unchanged) == (0, 0, 1)


def test_what_is_indexed_and_deleted_meanwhile_is_not_lost(
    store: Store, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.indexer.backfill.MAX_BATCH_ROWS", 70)
    n_calls = 0

    def interfere(done: Progress) -> None:
        nonlocal n_calls
        n_calls += 1
        if n_calls == 1:
            indexer.put(make_record("1", "boots 1", images=[make_image("green", noise=1)]))
        elif n_calls == 2:
            store.catalog.delete(["2", "139"])
            indexer.put(make_record("new", "late boots"))

    reembed(store, OTHER, interfere)
    assert n_calls >= 2
    assert store.catalog.item("1").item.title == "boots 1"
    assert store.catalog.count("items") == 139
    assert_speaks(store, OTHER)


def test_items_put_meanwhile_are_all_in_the_active_version(
    store: Store, indexer: Indexer, encoder: FakeEncoder, fetcher: Fetcher
) -> None:
    """Writers race with the switch: a commit is embedded by the switch, or refused and made with the new encoder."""
    failures: list[BaseException] = []

    def put_until_refused(number: int) -> None:
        try:
            for at in count():
                record = make_record(f"{number}-{at % 40}", f"boots {at}", images=[make_image("green", noise=at % 20)])
                try:
                    indexer.put(record)
                except EncoderReplacedError:
                    Indexer(store, OTHER, fetcher).put(record)
                    return
                time.sleep(0.005)
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=put_until_refused, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    reembed(store, OTHER)
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.catalog.active_encoder() == OTHER.identity
    assert_speaks(store, OTHER)


def test_a_run_that_was_stopped_goes_on_where_it_was(
    store: Store, indexer: Indexer, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.indexer.backfill.MAX_BATCH_ROWS", 30)
    for start in range(200, 260, 20):
        indexer.run(MemorySource([make_record(f"{at}", f"shirt {at}") for at in range(start, start + 20)]))

    def interrupt(done: Progress) -> None:
        if done.n_done >= 150:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reembed(store, OTHER, interrupt)
    assert store.catalog.active_encoder() == encoder.identity
    assert_speaks(store, encoder)
    indexer.put(make_record("3", "boots"))
    again: list[int] = []
    assert reembed(store, OTHER, lambda done: again.append(done.n_done)).n_done == 61
    assert again == [169, 199, 200]
    assert_speaks(store, OTHER)


def test_the_active_encoder_is_left_alone_without_force(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    broken = np.full((1, encoder.identity.dimension), 0.5, np.float32)
    store.catalog.backfill(indexer.index_version, [(store.catalog.item("3"), {"image": broken, "text": broken})])
    assert reembed(store, encoder).n_done == 0
    assert reembed(store, encoder, force=True).n_done == 140
    assert_speaks(store, encoder)


def test_back_and_forth_embeds_only_what_changed(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    open_replica(store, encoder).save(force=True)
    reembed(store, OTHER)
    Indexer(store, OTHER, indexer.preparer.fetcher).put(make_record("5", "boots"))
    store.catalog.delete(["6"])
    assert reembed(store, encoder).n_done == 1
    assert_speaks(store, encoder)
    assert len(open_replica(store, encoder)) == store.catalog.count("vectors")
    assert reembed(store, OTHER).n_done == 0


def test_snapshots_of_dropped_versions_are_removed(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    snapshots = {open_replica(store, encoder).path}
    for other in (OTHER, FakeEncoder("third", seed=3)):
        reembed(store, other)
        snapshots.add(open_replica(store, other).path)
    assert len(snapshots) == 3
    assert set(store.snapshots.iterdir()) == snapshots - {store.snapshots / f"{encoder.identity.key}.snapshot"}


def test_images_gone_or_damaged_are_reported_and_come_back_with_the_next_run(
    store: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    gone, damaged = store.catalog.item("5").image_ids[0], store.catalog.item("7").image_ids[0]
    assert len(store.catalog.item("5").image_ids) == 2
    with closing(sqlite3.connect(store.folder / "pictures.db", isolation_level=None)) as images:
        images.execute("DELETE FROM pictures WHERE id = ?", (gone,))
        images.execute("UPDATE pictures SET data = x'0102' WHERE id = ?", (damaged,))
    holding = [stored for stored in store.catalog.all_items() if {gone, damaged} & set(stored.image_ids)]
    done = reembed(store, OTHER)
    assert done.n_done == 140
    assert done.n_failed_images == len(holding)
    assert done.dead_letters is not None
    letters = [json.loads(line) for line in done.dead_letters.read_text(encoding="utf-8").splitlines()]
    assert {letter["sku"] for letter in letters} == {stored.item.sku for stored in holding}
    assert all(letter["reason"] and "again" in letter["remedy"] for letter in letters)
    replica, five = open_replica(store, OTHER), np.array([store.catalog.item("5").id])
    assert [len(replica.indexes[modality].rows_of(five)) for modality in MODALITIES] == [1, 1]
    images_of_five = [make_image("red", noise=5), make_image("blue", noise=5)]
    again = Indexer(store, OTHER, indexer.preparer.fetcher).run(
        MemorySource([make_record("5", "shirt 5", images=images_of_five), make_record("0", "shirt 0")])
    )
    assert (again.n_updated, again.n_unchanged) == (1, 1)
    replica.catch_up()
    assert [len(replica.indexes[modality].rows_of(five)) for modality in MODALITIES] == [2, 1]


def test_an_empty_catalog(store: Store) -> None:
    assert reembed(store, OTHER).n_done == 0
    assert store.catalog.active_encoder() == OTHER.identity
