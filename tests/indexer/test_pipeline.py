"""Bulk indexing: what a run leaves in the store, whatever its rows and however it ends."""

from __future__ import annotations

import errno
import json
import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection

from tests.fakes import FakeEncoder, MemorySource, make_image, make_record, open_replica, png
from vitrina.indexer.fetch import Fetched, Fetcher, Validators
from vitrina.indexer.pipeline import Indexer, IndexingProgress
from vitrina.indexer.preparation import FetchedRecord, PreparedItem
from vitrina.indexer.rows import MAX_BATCH_ROWS
from vitrina.indexer.sources.base import CellProblem, ImageReference, Record, Rejection
from vitrina.search.engine import SearchEngine
from vitrina.search.index.replica import saved_reports
from vitrina.search.store.catalog import Catalog
from vitrina.search.store.images import image_id_of
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, FetchError, InputError, SourceError, StorageError
from vitrina.search.types.item import INCOMPLETE, IndexedItem, Item, Variant
from vitrina.search.types.models import Pixels, Vectors
from vitrina.search.types.query import Query

BROKEN = b"\xff\xd8\xff\xe0 this is no picture"
Row = Record | Rejection | Exception


@pytest.fixture(scope="module")
def fetcher() -> Iterator[Fetcher]:
    with Fetcher() as fetcher:
        yield fetcher


@pytest.fixture
def indexer(store: Store, encoder: FakeEncoder, fetcher: Fetcher) -> Indexer:
    return Indexer(store, encoder, fetcher)


@pytest.fixture
def whole_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches of one size, however long they take."""
    monkeypatch.setattr("vitrina.indexer.rows.BatchSize.__call__", lambda _: MAX_BATCH_ROWS)


def shown(at: int) -> int:
    """The noise of row ``at``'s picture: unlike its neighbours', yet few files for pytest to sweep up."""
    return at % 50


def rows(n: int, *, shift: int = 0) -> list[Row]:
    return [
        make_record(f"sku-{at}", f"shirt {at + shift}", images=[make_image("red", noise=shown(at))]) for at in range(n)
    ]


def counts(done: IndexingProgress) -> tuple[int, int, int, int]:
    return done.n_added, done.n_updated, done.n_unchanged, done.n_rejected


def letters(store: Store) -> list[dict[str, str]]:
    files = sorted(store.dead_letters.glob("*.jsonl")) if store.dead_letters.is_dir() else []
    return [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]


def image_vectors(store: Store, encoder: FakeEncoder, sku: str) -> Vectors:
    item_id = store.catalog.item(sku).id
    return open_replica(store, encoder).indexes["image"].rows_of(np.array([item_id])).vectors


def assert_shows(store: Store, encoder: FakeEncoder, sku: str, *noises: int) -> None:
    """The item's image rows are exactly the vectors of these images, in this order."""
    expected = encoder.encode_images([make_image("red", noise=noise) for noise in noises])
    np.testing.assert_allclose(image_vectors(store, encoder, sku), expected, atol=1e-5)


def first_found(store: Store, encoder: FakeEncoder, query: Query) -> str:
    return SearchEngine.open(store, encoder).search(query).hits[0].stored.item.sku


def test_rows_become_searchable_items(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    progress: list[IndexingProgress] = []
    n = 2 * MAX_BATCH_ROWS + 40
    done = indexer.run(MemorySource(rows(n)), progress.append)
    assert counts(done) == (n, 0, 0, 0)
    assert (done.n_total, done.n_done, done.n_images, done.n_failed_images, done.dead_letters) == (n, n, n, 0, None)
    assert [each.is_finishing for each in progress] == [False] * (len(progress) - 1) + [True]
    assert [each.n_done for each in progress[-2:]] == [n, n]
    assert all(0 < other.n_done - one.n_done <= MAX_BATCH_ROWS for one, other in pairwise(progress[:-1]))
    assert [stage.name for stage in progress[0].stages] == ["read", "fetch", "decode", "embed", "commit"]
    assert {stage.n_done for stage in progress[-2].stages} == {n}
    assert all(one.seconds <= other.seconds for one, other in pairwise(progress))
    assert store.catalog.counts() == {"items": n, "images": n, "vectors": 2 * n}
    assert [stored.item.sku for stored in store.catalog.all_items()] == [f"sku-{at}" for at in range(n)]
    for at in (0, 127, 128, 200, n - 1):
        assert_shows(store, encoder, f"sku-{at}", shown(at))
    assert first_found(store, encoder, Query(images=(make_image("red", noise=7),))) == "sku-7"
    stored = store.catalog.item("sku-3")
    assert store.images.read(stored.image_ids[0]) == png(make_image("red", noise=3))
    assert open_replica(store, encoder).path.is_file()


def test_the_snapshot_has_the_lists_of_a_large_index(
    store: Store, indexer: Indexer, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitrina.search.index.kinds.FLAT_ROWS", 100)
    done = indexer.run(MemorySource(rows(400)))
    assert done.stages[-1].name == "publish"
    saved = saved_reports(store.snapshot_file(encoder.identity))
    assert [(modality, each.kind) for modality, each in saved.items()] == [("image", "ivf-sq8"), ("text", "ivf-sq8")]
    monkeypatch.setattr("vitrina.search.index.ann.AnnIndex.build", lambda *_: pytest.fail("It was built again."))
    replica = open_replica(store, encoder)
    replica.catch_up()
    assert {report.kind for report in replica.reports().values()} == {"ivf-sq8"}


def test_few_rows_with_large_images_are_held_at_a_time(
    store: Store, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = png(make_image("red")) + bytes(12 << 20)
    n_read, goes_on = 0, threading.Event()

    class LargeSource(MemorySource):
        def rows(self) -> Iterator[Record | Rejection]:
            nonlocal n_read
            for at in range(100):
                n_read += 1
                yield make_record(f"sku-{at}", images=[data])

    decode = indexer.preparer.decode

    def decode_later(fetched: FetchedRecord) -> PreparedItem | Rejection:
        assert goes_on.wait(20)
        return decode(fetched)

    monkeypatch.setattr(indexer.preparer, "decode", decode_later)
    with ThreadPoolExecutor(1) as thread:
        done = thread.submit(indexer.run, LargeSource([]))
        time.sleep(0.5)
        n_held = n_read
        goes_on.set()
        assert done.result().n_added == 100
    assert 4 <= n_held <= 24


def test_an_empty_source(store: Store, indexer: Indexer) -> None:
    assert counts(indexer.run(MemorySource([]))) == (0, 0, 0, 0)
    assert store.catalog.count("items") == 0


def test_indexing_the_same_rows_again_changes_nothing(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    indexer.run(MemorySource(rows(150)))
    before, n_images, n_texts = store.catalog.sequence(), encoder.n_images, encoder.n_texts
    done = indexer.run(MemorySource(rows(150)))
    assert counts(done) == (0, 0, 150, 0)
    assert store.catalog.sequence() == before
    assert (encoder.n_images, encoder.n_texts) == (n_images, n_texts)


@pytest.mark.parametrize(
    "changed",
    [
        make_record("a", "other title", images=[make_image("red")]),
        make_record("a", "title", images=[make_image("blue")]),
        make_record("a", "title", images=[make_image("red"), make_image("blue")]),
        make_record("a", "title"),
        make_record("a", "title", images=[make_image("red")], attributes={"colour": "red"}),
        Record("x", Item("a", "title", price_cents=5), (ImageReference(data=png(make_image("red"))),)),
        Record("x", Item("a", "title", url="https://shop.example"), (ImageReference(data=png(make_image("red"))),)),
    ],
    ids=["title", "picture", "one more picture", "no picture", "attribute", "price", "url"],
)
def test_a_changed_row_updates_its_item(store: Store, indexer: Indexer, encoder: FakeEncoder, changed: Record) -> None:
    indexer.run(MemorySource([make_record("a", "title", images=[make_image("red")]), make_record("b", "boots")]))
    before = store.catalog.item("a")
    done = indexer.run(MemorySource([changed, make_record("b", "boots")]))
    assert counts(done) == (0, 1, 1, 0)
    after = store.catalog.item("a")
    assert (after.id, after.item) == (before.id, changed.item)
    assert len(image_vectors(store, encoder, "a")) == len(changed.images)
    assert counts(indexer.run(MemorySource([changed]))) == (0, 0, 1, 0)


def test_another_origin_is_no_change(store: Store, indexer: Indexer) -> None:
    indexer.run(MemorySource([make_record("a", "title", origin="c.csv:1")]))
    assert counts(indexer.run(MemorySource([make_record("a", "title", origin="other.csv:7")]))) == (0, 0, 1, 0)


def test_a_repeated_sku_keeps_the_first_row_and_names_its_origin(store: Store, indexer: Indexer) -> None:
    given: list[Row] = [
        make_record("a", "first", origin="c.csv:2"),
        make_record("b", "other", origin="c.csv:3"),
        make_record("a", "second", origin="c.csv:4"),
        *rows(MAX_BATCH_ROWS + 20),
        make_record("a", "third", origin="c.csv:900"),
    ]
    done = indexer.run(MemorySource(given))
    assert done.n_rejected == 2
    assert store.catalog.item("a").item.title == "first"
    assert [(letter["origin"], letter["sku"]) for letter in letters(store)] == [("c.csv:4", "a"), ("c.csv:900", "a")]
    assert all("c.csv:2" in letter["reason"] for letter in letters(store))
    assert counts(indexer.run(MemorySource(given)))[:2] == (0, 0)


def test_rows_the_source_rejects_become_dead_letters_and_the_run_goes_on(store: Store, indexer: Indexer) -> None:
    bad = Rejection("c.csv:2", "The row has no sku.", "Fill it in.")
    done = indexer.run(MemorySource([make_record("a"), bad, make_record("b")]))
    assert counts(done) == (2, 0, 0, 1)
    assert done.dead_letters is not None
    assert letters(store) == [
        {"origin": "c.csv:2", "reason": "The row has no sku.", "remedy": "Fill it in.", "sku": None}
    ]


def test_a_broken_image_in_the_middle_leaves_every_row_its_own_vectors(
    store: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    given = rows(40)
    given[13] = make_record("sku-13", "shirt 13", images=[BROKEN], origin="c.csv:13")
    given[20] = make_record(
        "sku-20", "shirt 20", images=[make_image("red", noise=20), BROKEN, make_image("red", noise=21)]
    )
    given[30] = make_record("sku-30", "shirt 30")
    done = indexer.run(MemorySource(given))
    assert counts(done) == (40, 0, 0, 0)
    assert (done.n_images, done.n_failed_images) == (39, 2)
    for at in set(range(40)) - {13, 20, 30}:
        assert_shows(store, encoder, f"sku-{at}", at)
    assert_shows(store, encoder, "sku-20", 20, 21)
    assert len(image_vectors(store, encoder, "sku-30")) == len(image_vectors(store, encoder, "sku-13")) == 0
    replica = open_replica(store, encoder)
    for stored in store.catalog.all_items():
        found = replica.indexes["text"].rows_of(np.array([stored.id])).vectors
        np.testing.assert_allclose(found, encoder.encode_texts([stored.item.title]), atol=1e-6)
        assert len(stored.image_ids) == len(replica.indexes["image"].rows_of(np.array([stored.id])))


def test_variants_keep_their_own_images_where_another_is_broken(store: Store, indexer: Indexer) -> None:
    files = [png(make_image(colour)) for colour in ("red", "blue")]
    variants = [Variant("t-1", images=(0,)), Variant("t-2", images=(1,)), Variant("t-3", images=(2, 0))]
    indexer.run(MemorySource([make_record("t", images=[files[0], b"broken", files[1]], variants=variants)]))
    stored = store.catalog.item("t")
    assert [each.images for each in stored.item.variants] == [(0,), (), (1, 0)]
    assert stored.image_ids == tuple(map(image_id_of, files))
    assert stored.content_hash == INCOMPLETE


def test_an_item_some_of_whose_images_are_broken_is_tried_again(
    store: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    partly = make_record("a", "shirt", images=[make_image("red", noise=1), BROKEN, make_image("red", noise=2)])
    done = indexer.run(MemorySource([partly]))
    assert counts(done) == (1, 0, 0, 0)
    assert done.n_failed_images == 1
    assert letters(store)[0]["sku"] == "a"
    assert_shows(store, encoder, "a", 1, 2)
    assert counts(indexer.run(MemorySource([partly]))) == (0, 1, 0, 0)
    whole = make_record("a", "shirt", images=[make_image("red", noise=noise) for noise in (1, 3, 2)])
    assert counts(indexer.run(MemorySource([whole]))) == (0, 1, 0, 0)
    assert_shows(store, encoder, "a", 1, 3, 2)
    assert counts(indexer.run(MemorySource([whole]))) == (0, 0, 1, 0)


def test_an_item_all_of_whose_images_are_broken_keeps_its_earlier_ones(
    store: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    indexer.run(MemorySource([make_record("a", "shirt", images=[make_image("red", noise=1)])]))
    done = indexer.run(MemorySource([make_record("a", "new shirt", images=[BROKEN, b""])]))
    assert counts(done) == (0, 1, 0, 0)
    assert done.n_failed_images == 2
    assert store.catalog.item("a").item.title == "new shirt"
    assert_shows(store, encoder, "a", 1)
    assert letters(store)[0]["sku"] == "a"
    assert counts(indexer.run(MemorySource([make_record("a", "new shirt", images=[BROKEN, b""])]))) == (0, 1, 0, 0)


def test_an_item_without_words_needs_an_image(store: Store, indexer: Indexer) -> None:
    indexer.run(MemorySource([make_record("a", "", images=[make_image("red", noise=1)])]))
    before = store.catalog.sequence()
    done = indexer.run(MemorySource([make_record("a", "", images=[BROKEN]), make_record("b", "", images=[BROKEN])]))
    assert counts(done) == (0, 0, 0, 2)
    assert store.catalog.sequence() == before
    assert [letter["sku"] for letter in letters(store)] == ["a", "b"]


def test_images_that_cannot_be_fetched_are_dead_letters(
    store: Store, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(url: str, known: Validators) -> Fetched:
        if "good" in url:
            return Fetched(png(make_image("green")), Validators())
        raise FetchError(f"{url} answered 404.", remedy="Correct the address.")

    monkeypatch.setattr(indexer.preparer.fetcher, "fetch_changed", fetch)
    given = [
        Record(f"c.csv:{sku}", Item(sku, sku), (ImageReference(url=f"https://shop.example/{sku}.png"),))
        for sku in ("good", "bad", "also good")
    ]
    done = indexer.run(MemorySource(given))
    assert counts(done) == (3, 0, 0, 0)
    assert [letter["sku"] for letter in letters(store)] == ["bad"]
    assert "404" in letters(store)[0]["reason"]
    (left_out,) = done.summary.left_out
    assert (left_out.column, left_out.n, left_out.origin) == ("image", 1, "c.csv:bad")
    assert counts(indexer.run(MemorySource(given))) == (0, 1, 2, 0)


def test_every_row_is_counted_with_what_was_left_out(store: Store, indexer: Indexer) -> None:
    prices = [CellProblem("Price", f"'{words}' is not a price.", "Write one.") for words in ("cheap", "ask us")]
    given: list[Row] = [
        replace(make_record("a", origin="c.csv:2"), problems=(prices[0],), n_rows=3),
        replace(make_record("b", origin="c.csv:5"), problems=(prices[1],)),
        make_record("b", "another", origin="c.csv:6"),
        Rejection("c.csv:7", "Rows 6 to 9 cannot be read.", "Export them again.", n_rows=4),
        Record("c.csv:11", Item("d", "priced", price_cents=5, attributes={"size": 4})),
    ]
    for summary in (indexer.plan(MemorySource(given)).summary, indexer.run(MemorySource(given)).summary):
        assert (summary.n_rows, summary.n_rejected_rows, summary.n_prices) == (10, 5, 1)
        assert summary.attributes == {"size"}
        assert [(each.column, each.n, each.origin, each.reason) for each in summary.left_out] == [
            (None, 4, "c.csv:7", "Rows 6 to 9 cannot be read."),
            (None, 1, "c.csv:6", "The sku 'b' is already used at c.csv:5."),
            ("Price", 2, "c.csv:2", "'cheap' is not a price."),
        ]
        assert [record.item.sku for record in summary.examples] == ["a", "b", "d"]
    assert ["n_rows" in letter for letter in letters(store)] == [False, True]


def test_rows_that_say_the_same_as_earlier_ones_are_no_rejections(store: Store, indexer: Indexer) -> None:
    given = [make_record(sku, sku, images=[make_image("red")], origin=f"c.csv:{n}") for n, sku in enumerate("abab")]
    given[3] = make_record("b", "another", origin="c.csv:3")
    done = indexer.run(MemorySource(given))
    assert counts(done) == (2, 0, 0, 1)
    assert (done.summary.n_rows, done.summary.n_repeated_rows, done.summary.n_rejected_rows) == (4, 1, 1)
    assert [letter["sku"] for letter in letters(store)] == ["b"]


@pytest.mark.usefixtures("whole_batches")
def test_a_disk_that_fills_up_keeps_every_batch_committed_before(
    store: Store, indexer: Indexer, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, n_commits = Catalog.commit, 0

    def commit_until_full(
        self: Catalog, index_version: int, entries: Sequence[IndexedItem], source_id: int | None, before: object
    ) -> int:
        nonlocal n_commits
        n_commits += 1
        if n_commits == 3:
            raise StorageError("The disk is full.", remedy="Free some space.")
        assert before is None
        return commit(self, index_version, entries, source_id)

    monkeypatch.setattr(Catalog, "commit", commit_until_full)
    with pytest.raises(StorageError, match="full"):
        indexer.run(MemorySource(rows(3 * MAX_BATCH_ROWS)))
    assert store.catalog.count("items") == 2 * MAX_BATCH_ROWS
    assert first_found(store, encoder, Query("shirt 200")) == "sku-200"
    done = indexer.run(MemorySource(rows(3 * MAX_BATCH_ROWS)))
    assert counts(done) == (MAX_BATCH_ROWS, 0, 2 * MAX_BATCH_ROWS, 0)
    assert [thread.name for thread in threading.enumerate() if "prefetch" in thread.name] == []


@pytest.mark.usefixtures("whole_batches")
def test_a_disk_that_fills_up_while_images_are_kept(
    store: Store, indexer: Indexer, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    indexer.run(MemorySource(rows(10)))
    put_all, n_batches = store.images.put_all, 0

    def put_until_full(batch: Sequence[bytes]) -> list[str]:
        nonlocal n_batches
        n_batches += 1
        if n_batches > 1:
            raise StorageError(os.strerror(errno.ENOSPC), remedy="Free some space.")
        return put_all(batch)

    monkeypatch.setattr(store.images, "put_all", put_until_full)
    with pytest.raises(StorageError, match="No space left"):
        indexer.run(MemorySource(rows(2 * MAX_BATCH_ROWS)))
    assert store.catalog.count("items") == MAX_BATCH_ROWS
    assert first_found(store, encoder, Query(images=(make_image("red", noise=4),))) == "sku-4"


@pytest.mark.usefixtures("whole_batches")
def test_a_full_disk_in_sqlite_itself_is_a_storage_error_and_loses_nothing(
    store: Store, indexer: Indexer, encoder: FakeEncoder
) -> None:
    indexer.run(MemorySource(rows(20)))
    engine = store.catalog.database.engine
    with store.catalog.database.read() as connection:
        n_pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()

    def bound(connection: DBAPIConnection, _: object) -> None:
        connection.cursor().execute(f"PRAGMA max_page_count = {n_pages + 20}")

    event.listen(engine, "connect", bound)
    engine.dispose()
    with pytest.raises(StorageError, match="full") as caught:
        indexer.run(MemorySource(rows(300)))
    assert "space" in caught.value.remedy
    assert store.catalog.count("items") in (20, MAX_BATCH_ROWS)
    assert first_found(store, encoder, Query(images=(make_image("red", noise=4),))) == "sku-4"
    event.remove(engine, "connect", bound)
    engine.dispose()
    assert indexer.run(MemorySource(rows(300))).n_done == 300
    assert store.catalog.count("items") == 300


@pytest.mark.usefixtures("whole_batches")
def test_a_source_that_breaks_off_keeps_what_was_committed(store: Store, indexer: Indexer) -> None:
    given = [*rows(MAX_BATCH_ROWS + 300), SourceError("The file is gone.", remedy="Bring it back.")]
    with pytest.raises(SourceError, match="gone"):
        indexer.run(MemorySource(given))
    n_kept = store.catalog.count("items")
    assert n_kept % MAX_BATCH_ROWS == 0
    done = indexer.run(MemorySource(rows(MAX_BATCH_ROWS + 300)))
    assert counts(done) == (MAX_BATCH_ROWS + 300 - n_kept, 0, n_kept, 0)


def test_an_encoder_that_fails_stops_the_run(
    store: Store, indexer: Indexer, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(batch: Sequence[Pixels]) -> Vectors:
        raise EncoderError("The GPU is gone.", remedy="Bring it back.")

    monkeypatch.setattr(encoder, "encode_pixels", fail)
    with pytest.raises(EncoderError, match="gone"):
        indexer.run(MemorySource(rows(300)))
    assert store.catalog.count("items") == 0
    assert [thread.name for thread in threading.enumerate() if "prefetch" in thread.name] == []


@pytest.mark.usefixtures("whole_batches")
def test_a_progress_callback_that_raises_stops_the_run_after_its_commit(store: Store, indexer: Indexer) -> None:
    def interrupt(done: IndexingProgress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        indexer.run(MemorySource(rows(300)), interrupt)
    assert store.catalog.count("items") == MAX_BATCH_ROWS
    assert counts(indexer.run(MemorySource(rows(300)))) == (300 - MAX_BATCH_ROWS, 0, MAX_BATCH_ROWS, 0)


def test_a_plan_counts_what_a_run_then_does_and_writes_nothing(store: Store, indexer: Indexer) -> None:
    indexer.run(MemorySource(rows(60)))
    before = store.catalog.sequence()
    given = [
        *rows(30),
        *[make_record(f"sku-{at}", "changed") for at in range(30, 50)],
        *[make_record(f"new-{at}", "new") for at in range(25)],
        make_record("new-3", "again"),
        Rejection("c.csv:1", "Bad.", "Mend it."),
    ]
    progress: list[IndexingProgress] = []
    planned = indexer.plan(MemorySource(given), progress.append)
    assert counts(planned) == (25, 20, 30, 2)
    assert progress[-1].n_done == planned.n_done == len(given)
    assert store.catalog.sequence() == before
    assert letters(store) == []
    assert counts(indexer.run(MemorySource(given))) == counts(planned)


def test_a_plan_says_which_images_are_not_there(indexer: Indexer, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png(make_image("red")))
    paths = tuple(ImageReference(path=tmp_path / name) for name in ("a.png", "b.png"))
    planned = indexer.plan(MemorySource([replace(make_record("a", "shirt"), images=paths)]))
    (failed,) = planned.summary.left_out
    assert (counts(planned), planned.n_failed_images) == ((1, 0, 0, 0), 1)
    assert failed.reason == f"The image {tmp_path / 'b.png'} does not exist."
    assert failed.remedy.endswith("name the images' folder: --images DIR.")


def test_putting_one_item(store: Store, indexer: Indexer, encoder: FakeEncoder) -> None:
    stored = indexer.put(make_record("a", "shirt", images=[make_image("red", noise=5)]))
    assert stored == store.catalog.item("a")
    assert_shows(store, encoder, "a", 5)
    again = indexer.put(make_record("a", "boots"))
    assert (again.id, again.item.title) == (stored.id, "boots")
    assert counts(indexer.run(MemorySource([make_record("a", "boots")]))) == (0, 0, 1, 0)


@pytest.mark.parametrize("images", [[BROKEN], [make_image("red"), BROKEN], [b""]])
def test_putting_an_item_with_a_bad_image_is_refused_whole(store: Store, indexer: Indexer, images: list[bytes]) -> None:
    indexer.put(make_record("a", "shirt"))
    with pytest.raises(InputError) as caught:
        indexer.put(make_record("a", "boots", images=images))
    assert caught.value.remedy
    assert caught.value.details["sku"] == "a"
    assert store.catalog.item("a").item.title == "shirt"


def test_indexing_with_another_encoder_is_refused_with_the_remedy(
    store: Store, indexer: Indexer, fetcher: Fetcher
) -> None:
    indexer.run(MemorySource(rows(3)))
    with pytest.raises(EncoderError, match="'fake'") as caught:
        Indexer(store, FakeEncoder("other", seed=2), fetcher)
    assert "VITRINA_ENCODER" in caught.value.remedy
    assert "vitrina encoder use other" in caught.value.remedy


def test_two_runs_at_once_leave_each_item_once(store: Store, encoder: FakeEncoder, fetcher: Fetcher) -> None:
    failures: list[BaseException] = []

    def run(shift: int) -> None:
        try:
            Indexer(Store(store.folder), encoder, fetcher).run(MemorySource(rows(200, shift=shift)))
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=run, args=(shift,)) for shift in (0, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert store.catalog.counts() == {"items": 200, "images": 200, "vectors": 400}
    assert len(open_replica(store, encoder)) == 400
