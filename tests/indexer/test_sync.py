"""The catalog in step with its sources: what is gone from one is counted, and deleted if that is wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest

from tests.fakes import FakeEncoder, MemorySource, make_record
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer, IndexingProgress
from vitrina.indexer.report import report_of
from vitrina.indexer.sources.base import Rejection
from vitrina.indexer.sync import GoneItems
from vitrina.search.store.store import Store


@pytest.fixture
def indexer(store: Store, encoder: FakeEncoder) -> Iterator[Indexer]:
    with Fetcher() as fetcher:
        yield Indexer(store, encoder, fetcher)


def source(skus: Sequence[str], rejected: Sequence[str] = ()) -> MemorySource:
    rejections = [Rejection("memory", "odd", "mend it", sku) for sku in rejected]
    return MemorySource([*(make_record(sku, f"Mug {sku}") for sku in skus), *rejections])


def run(indexer: Indexer, skus: Sequence[str], *, name: str = "shop", sync: bool = False) -> IndexingProgress:
    return indexer.run(source(skus), name=name, on_gone=lambda gone: sync and not gone.is_doubtful)


def skus(store: Store) -> list[str]:
    return sorted(stored.item.sku for stored in store.catalog.all_items())


def test_what_is_gone_is_counted_and_deleted_if_that_is_wanted(store: Store, indexer: Indexer) -> None:
    assert run(indexer, "ABC").gone == GoneItems(0, 0)
    done = run(indexer, "AC")
    assert (done.gone, done.n_deleted, skus(store)) == (GoneItems(1, 3), 0, ["A", "B", "C"])
    assert indexer.plan(source("AC"), name="shop").gone == GoneItems(1, 3)
    done = run(indexer, "AC", sync=True)
    assert (done.n_deleted, done.n_unchanged, skus(store)) == (1, 2, ["A", "C"])
    assert run(indexer, "AC", sync=True).gone == GoneItems(0, 2)


def test_more_than_a_fifth_is_not_deleted_unasked(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABCDEFGHIJ")
    done = run(indexer, "ABCDEFG", sync=True)
    assert (done.gone, done.n_deleted, len(skus(store))) == (GoneItems(3, 10), 0, 10)
    assert run(indexer, "ABCDEFGH", sync=True).n_deleted == 2


def test_each_source_keeps_its_own(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABC", name="one")
    run(indexer, "XYZ", name="two")
    done = run(indexer, "AB", name="one", sync=True)
    assert (done.gone, skus(store)) == (GoneItems(1, 3), ["A", "B", "X", "Y", "Z"])
    assert store.catalog.source_names() == {"one": 2, "two": 3}


def test_the_same_catalog_under_another_name_takes_its_place(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABCDEF", name="monday.csv")
    plan = indexer.plan(source("ABCDE"), name="tuesday.csv")
    done = run(indexer, "ABCDE", name="tuesday.csv", sync=True)
    assert plan.gone == done.gone == GoneItems(1, 6)
    assert (skus(store), store.catalog.source_names()) == (list("ABCDE"), {"tuesday.csv": 5})


def test_what_was_gone_when_a_source_took_anothers_place_is_gone_later_too(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABC", name="monday.csv")
    assert run(indexer, "AC", name="tuesday.csv").gone == GoneItems(1, 3)
    assert run(indexer, "AC", name="tuesday.csv").gone == GoneItems(1, 3)
    done = run(indexer, "AC", name="tuesday.csv", sync=True)
    assert (done.n_deleted, skus(store), store.catalog.source_names()) == (1, ["A", "C"], {"tuesday.csv": 2})


def test_a_source_that_shares_a_few_items_stands_beside(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABCDEF", name="one")
    done = run(indexer, "AXYZ", name="two", sync=True)
    assert (done.gone, skus(store)) == (GoneItems(0, 0), list("ABCDEFXYZ"))


def test_items_of_another_source_of_the_same_file_name_are_told(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABCDEF", name="shop.csv")
    run(indexer, "XYZ", name="other.csv")
    here = replace(source("AB"), name="/data/shop.csv")
    plan, done = indexer.plan(here), indexer.run(here, on_gone=lambda _: True)
    assert plan.beside == done.beside == {"shop.csv": 4}
    (note,) = report_of(here, done, dry_run=False).notes
    assert note.startswith("4 items belong to another source of this file name, shop.csv,")
    assert note.endswith("--source shop.csv")
    assert indexer.run(replace(source("ABCD"), name="/data/shop.csv"), on_gone=lambda _: False).beside == {}


def test_a_row_that_cannot_be_read_is_still_in_the_source(store: Store, indexer: Indexer) -> None:
    run(indexer, "ABC")
    done = indexer.run(source("AB", rejected="C"), name="shop", on_gone=lambda _: True)
    assert (done.gone.n_gone, skus(store)) == (0, ["A", "B", "C"])


def test_what_was_put_by_itself_is_no_sources(store: Store, indexer: Indexer) -> None:
    indexer.put(make_record("P", "Pot"))
    run(indexer, "AB")
    indexer.put(make_record("A", "Another title"))
    assert run(indexer, "A", sync=True).gone == GoneItems(1, 2)
    assert skus(store) == ["A", "P"]
