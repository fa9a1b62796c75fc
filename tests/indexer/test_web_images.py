"""Images behind addresses: fetched again only if their server says that they have changed, politely, and patiently."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import text

from tests.fakes import FakeEncoder, MemorySource, make_image, open_replica, png
from tests.indexer.web_server import HOST, Server, make_fetcher, serving
from vitrina.indexer.fetch import Validators
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.sources.base import ImageReference, Record
from vitrina.search.store.store import Store
from vitrina.search.store.web_images import WebImage, WebImages
from vitrina.search.types.item import Item


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture
def indexer(store: Store, encoder: FakeEncoder) -> Iterator[Indexer]:
    with make_fetcher() as fetcher:
        yield Indexer(store, encoder, fetcher)


def record(server: Server, *names: str, title: str = "mug") -> Record:
    images = tuple(ImageReference(url=server.url(name)) for name in names)
    return Record("c.csv:2", Item("a", title), images)


def run(indexer: Indexer, given: Record) -> tuple[int, int, int, int]:
    done = indexer.run(MemorySource([given]))
    return done.n_added, done.n_updated, done.n_unchanged, done.n_failed_images


def vectors(store: Store, encoder: FakeEncoder) -> list[list[float]]:
    item_id = store.catalog.item("a").id
    found = open_replica(store, encoder).indexes["image"].rows_of([item_id])  # type: ignore[arg-type]
    return [[round(float(each), 4) for each in row] for row in found.vectors]


def test_an_image_that_has_not_changed_is_neither_decoded_nor_embedded(
    indexer: Indexer, store: Store, encoder: FakeEncoder, server: Server
) -> None:
    server.files = {"a.png": png(make_image("red", noise=1)), "b.png": png(make_image("blue", noise=2))}
    assert run(indexer, record(server, "a.png", "b.png")) == (1, 0, 0, 0)
    before, n_images, image_ids = vectors(store, encoder), encoder.n_images, store.catalog.item("a").image_ids
    assert run(indexer, record(server, "a.png", "b.png")) == (0, 0, 1, 0)
    assert server.statuses == [200, 200, 304, 304]
    assert run(indexer, record(server, "b.png", "a.png", title="cup")) == (0, 1, 0, 0)
    assert server.statuses[4:] == [304, 304]
    assert encoder.n_images == n_images
    assert vectors(store, encoder) == before[::-1]
    assert store.catalog.item("a").image_ids == image_ids[::-1]
    assert store.catalog.item("a").item.title == "cup"


def test_an_image_that_has_changed_behind_its_address_is_indexed_again(
    indexer: Indexer, store: Store, encoder: FakeEncoder, server: Server
) -> None:
    server.files = {"a.png": png(make_image("red", noise=1)), "b.png": png(make_image("blue", noise=2))}
    run(indexer, record(server, "a.png", "b.png"))
    before, n_images = vectors(store, encoder), encoder.n_images
    server.files["b.png"] = png(make_image("green", noise=3))
    assert run(indexer, record(server, "a.png", "b.png")) == (0, 1, 0, 0)
    after = vectors(store, encoder)
    assert (after[0] == before[0], after[1] == before[1]) == (True, False)
    assert encoder.n_images == n_images + 1
    assert run(indexer, record(server, "a.png", "b.png")) == (0, 0, 1, 0)


def test_without_validators_an_address_stands_for_its_image(indexer: Indexer, server: Server) -> None:
    server.files, server.has_etags = {"a.png": png(make_image("red"))}, False
    run(indexer, record(server, "a.png"))
    assert run(indexer, record(server, "a.png")) == (0, 0, 1, 0)
    assert server.statuses == [200]


def test_a_last_modified_is_asked_by(indexer: Indexer, server: Server) -> None:
    server.files, server.has_etags = {"a.png": png(make_image("red"))}, False
    server.headers = {"Last-Modified": "Sat, 28 Nov 2026 10:00:00 GMT"}
    run(indexer, record(server, "a.png"))
    assert run(indexer, record(server, "a.png")) == (0, 1, 0, 0)  # this server answers 200 all the same
    assert server.statuses == [200, 200]


def test_what_is_fresh_is_not_asked_for(indexer: Indexer, server: Server) -> None:
    server.files, server.headers = {"a.png": png(make_image("red"))}, {"Cache-Control": "public, max-age=600"}
    run(indexer, record(server, "a.png"))
    assert run(indexer, record(server, "a.png", title="cup")) == (0, 1, 0, 0)
    assert server.statuses == [200]


def test_a_server_that_is_down_changes_nothing(indexer: Indexer, store: Store, server: Server) -> None:
    server.files = {"a.png": png(make_image("red"))}
    run(indexer, record(server, "a.png"))
    server.files = {}
    assert run(indexer, record(server, "a.png")) == (0, 0, 1, 0)
    assert run(indexer, record(server, "a.png", title="cup")) == (0, 1, 0, 1)
    assert len(store.catalog.item("a").image_ids) == 1


def test_one_host_is_asked_by_few_at_a_time(server: Server) -> None:
    server.files, server.pause_s = {"a.png": png(make_image("red"))}, 0.05
    hosts = [HOST, HOST, HOST, "other.example"] * 4
    with make_fetcher(max_per_host=2) as fetcher, ThreadPoolExecutor(16) as threads:
        list(threads.map(fetcher.fetch, [server.url("a.png", host) for host in hosts]))
    assert server.n_most == {HOST: 2, "other.example": 2}


def test_waiting_for_a_turn_ends_with_the_time_that_all_fetches_have(server: Server) -> None:
    server.files, server.pause_s = {"a.png": png(make_image("red"))}, 1.5
    with make_fetcher(max_per_host=1) as fetcher, ThreadPoolExecutor(2) as threads:
        first = threads.submit(fetcher.fetch, server.url("a.png"))
        time.sleep(0.2)
        with fetcher.limited(0.3), pytest.raises(Exception, match="no time left"):
            fetcher.fetch(server.url("a.png"))
        assert first.result()


def test_a_server_that_asks_for_a_pause_gets_it(server: Server) -> None:
    server.files, server.busy = {"a.png": png(make_image("red"))}, [1]
    with make_fetcher() as fetcher:
        started = time.perf_counter()
        assert fetcher.fetch(server.url("a.png"))
        assert 1.0 <= time.perf_counter() - started < 4.0
        server.busy = [600]
        with pytest.raises(Exception, match=r"tried 1 times"):
            fetcher.fetch(server.url("a.png"))


def test_an_answer_says_how_long_it_is_fresh(server: Server) -> None:
    server.files = {"a.png": png(make_image("red"))}
    with make_fetcher() as fetcher:
        for control, age, expected in (
            ("max-age=60", "", 60.0),
            ("public, Max-Age=60", "20", 40.0),
            ("max-age=60, no-cache", "", 0.0),
            ("s-maxage=60", "", 0.0),
            ("", "", 0.0),
        ):
            server.headers = {"Cache-Control": control, "Age": age}
            fetched = fetcher.fetch_changed(server.url("a.png"), Validators())
            assert (fetched.fresh_s, bool(fetched.validators)) == (expected, True)


def test_a_store_of_an_older_version_gets_its_table_when_it_is_written(store: Store) -> None:
    image_id = store.images.put(png(make_image("red")))
    with store.images.file.write() as connection:
        connection.execute(text("DROP TABLE IF EXISTS web_images"))
    kept = WebImages(store.images)
    found = WebImage("https://shop.example/a.png?key=1", image_id, '"1"', "", 0.0)
    assert kept.known([found.url]) == {}
    kept.put_all([found])
    newer = replace(found, etag='"2"')
    kept.put_all([newer, newer])
    assert kept.known([found.url, "https://shop.example/b.png"]) == {found.url: newer}
