"""A running service switches to another encoder while it answers."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import N_PRODUCTS
from tests.fakes import FakeEncoder, make_image, make_record, open_replica
from tests.search.reranking.shops import ColourReranker
from vitrina.api import service as service_module
from vitrina.api.app import create_app
from vitrina.api.rerankers import BackgroundReranker
from vitrina.api.service import Service
from vitrina.api.settings import Settings
from vitrina.indexer.backfill import reembed
from vitrina.search.encoders.base import Encoder
from vitrina.search.reranking.base import RerankCandidate
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderError, StorageError
from vitrina.search.types.query import Query

OLD = FakeEncoder()
NEW = FakeEncoder("new", seed=9, dimension=20)
THIRD = FakeEncoder("third", seed=4, dimension=8)


class Shelf:
    """Loads the encoders on it by name."""

    def __init__(self, *encoders: FakeEncoder) -> None:
        self.encoders = {encoder.identity.name: encoder for encoder in encoders}
        self.n_loads = 0

    def __call__(self, name: str, *, known_as: str | None = None) -> Encoder:
        self.n_loads += 1
        if name not in self.encoders:
            raise EncoderError(f"There is no encoder {name}.", remedy="Bring it.")
        return self.encoders[name]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf(OLD, NEW, THIRD)


@pytest.fixture
def service(store: Store, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr(service_module, "RETRY_S", 0.05)
    with Service(Store(store.folder), OLD, shelf) as service:
        yield service


@dataclass
class FeatureCachingReranker(ColourReranker):
    """Keeps the features it computes; breaks at the second image."""

    computed: list[str] = field(default_factory=list)
    caches_features: bool = True

    def precompute_features(self, candidates: Sequence[RerankCandidate]) -> int:
        self.computed += [candidate.key for candidate in candidates if candidate.pixels is not None]
        if len(self.computed) == 2:
            raise StorageError("The disk is full.", remedy="Make room.")
        return len(candidates)


def soon(condition: Callable[[], bool], seconds: float = 30.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()


def answers_with(service: Service, encoder: FakeEncoder) -> bool:
    return service.engine.search(Query("shirt")).encoder == encoder.identity.name


def assert_whole(store: Store, encoder: FakeEncoder) -> None:
    """Every item has the vectors of its images and of its text, by this encoder."""
    replica = open_replica(store, encoder)
    for stored in store.catalog.all_items():
        item_id = np.array([stored.id])
        assert len(replica.indexes["image"].rows_of(item_id)) == len(stored.image_ids)
        assert len(replica.indexes["text"].rows_of(item_id)) == 1


def test_it_switches_to_the_catalogs_encoder_and_back(service: Service, store: Store) -> None:
    assert answers_with(service, OLD)
    reembed(store, NEW)
    assert soon(lambda: answers_with(service, NEW))
    assert service.engine.search(Query("shirt", limit=40)).n_candidates == N_PRODUCTS
    service.put(make_record("boots", "boots", images=[make_image("red")]))
    assert service.engine.search(Query("boots")).hits[0].stored.item.sku == "boots"
    reembed(store, OLD)
    assert soon(lambda: answers_with(service, OLD))
    assert_whole(store, OLD)


def test_a_query_under_way_ends_with_the_encoder_it_began_with(service: Service, store: Store) -> None:
    engine = service.engine
    reembed(store, NEW)
    assert soon(lambda: answers_with(service, NEW))
    answer = engine.search(Query("shirt", limit=40))
    assert answer.encoder == "fake"
    assert len(answer.hits) == N_PRODUCTS


def test_every_service_on_a_store_follows(service: Service, store: Store, shelf: Shelf) -> None:
    with Service(Store(store.folder), OLD, shelf) as second:
        reembed(store, NEW)
        assert soon(lambda: answers_with(service, NEW) and answers_with(second, NEW))


def test_an_encoder_that_cannot_be_loaded_leaves_the_old_one_answering(
    service: Service, store: Store, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    del shelf.encoders["new"]
    reembed(store, NEW)
    assert soon(lambda: "There is no encoder new" in caplog.text)
    assert answers_with(service, OLD)
    with pytest.raises(EncoderError, match="no encoder new"):
        service.put(make_record("boots", "boots"))
    (deleted,) = service.delete([next(store.catalog.all_items()).item.sku])
    answer = service.engine.search(Query("shirt", limit=100))
    assert len(answer.hits) == N_PRODUCTS - 1
    assert deleted not in {hit.stored.item.sku for hit in answer.hits}
    assert store.catalog.count("items") == N_PRODUCTS - 1
    shelf.encoders["new"] = NEW
    assert soon(lambda: answers_with(service, NEW))


def test_a_failure_is_logged_once(
    service: Service, store: Store, shelf: Shelf, caplog: pytest.LogCaptureFixture
) -> None:
    del shelf.encoders["new"]
    reembed(store, NEW)
    assert soon(lambda: shelf.n_loads >= 3)
    assert caplog.text.count("There is no encoder new") == 1


def test_dropping_the_index_version_that_answers_stops_no_query(service: Service, store: Store, shelf: Shelf) -> None:
    del shelf.encoders["new"]
    reembed(store, NEW)
    store.drop_index_version(next(version for version in store.catalog.index_versions() if not version.active))
    skus = [stored.item.sku for stored in store.catalog.all_items()]
    assert service.delete(skus[:1]) == skus[:1]
    assert len(service.engine.search(Query("shirt", limit=100)).hits) == N_PRODUCTS - 1


def test_an_encoder_that_comes_back_in_another_index_version_is_followed(
    service: Service, store: Store, shelf: Shelf
) -> None:
    version_id = service.engine.replica.version_id
    del shelf.encoders["new"]
    reembed(store, NEW)
    store.drop_index_version(next(version for version in store.catalog.index_versions() if not version.active))
    reembed(store, OLD)
    service.put(make_record("boots", "boots"))
    assert service.engine.replica.version_id != version_id
    assert service.engine.search(Query("boots")).hits[0].stored.item.sku == "boots"


def test_nothing_put_during_switches_is_lost(service: Service, store: Store) -> None:
    put: list[str] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def keep_putting(name: str) -> None:
        try:
            for at in count():
                sku = f"{name}-{at % 30}"
                service.put(make_record(sku, f"boots {at}", images=[make_image("green", noise=at % 9)]))
                put.append(sku)
                if stop.wait(0.01):
                    return
        except BaseException as error:
            failures.append(error)
            raise

    threads = [threading.Thread(target=keep_putting, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for encoder in (NEW, THIRD, NEW):
        reembed(store, encoder)
        assert soon(lambda encoder=encoder: answers_with(service, encoder))  # type: ignore[misc]
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert_whole(store, NEW)
    assert store.catalog.count("items") == N_PRODUCTS + len(set(put))
    replica = service.engine.replica
    replica.catch_up()
    assert len(replica) == store.catalog.count("vectors")


def test_queries_over_http_continue_during_a_switch(store: Store, shelf: Shelf) -> None:
    settings = Settings(store=store.folder)
    app = create_app(settings, lambda _: Service(Store(store.folder), OLD, shelf))
    encoders, statuses, stop = list[str](), set[int](), threading.Event()
    with TestClient(app) as client:

        def keep_asking() -> None:
            while not stop.is_set():
                response = client.post("/v1/search", json={"text": "blue shirt"})
                statuses.add(response.status_code)
                encoders.append(response.json()["encoder"])

        thread = threading.Thread(target=keep_asking)
        thread.start()
        assert soon(lambda: bool(encoders))
        reembed(store, NEW)
        assert soon(lambda: client.get("/readyz").json()["encoder"] == "new")
        n_before = len(encoders)
        assert soon(lambda: len(encoders) > n_before + 1)
        stop.set()
        thread.join()
    assert statuses == {200}
    assert encoders == sorted(encoders)  # "fake" until the switch, "new" from then on
    assert set(encoders) == {"fake", "new"}


def test_a_service_opens_with_the_stores_own_encoder(
    store: Store, shelf: Shelf, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reembed(store, NEW)
    monkeypatch.setattr("vitrina.api.settings.load_encoder", lambda name, **_: shelf(name))
    service = Service.from_settings(Settings(store=store.folder))
    with caplog.at_level(logging.WARNING), service:
        assert answers_with(service, NEW)
    with pytest.raises(EncoderError, match="'new'"):
        Service.from_settings(Settings(store=store.folder, encoder="fake"))


def test_the_features_of_a_new_image_are_precomputed(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    reranker, caplog.handler.level = FeatureCachingReranker(), logging.WARNING
    shop = Store(store.folder)
    with Service(shop, OLD, reranking=BackgroundReranker(shop, "reranker", lambda _: reranker)) as service:
        assert soon(lambda: service.reranking is not None and service.reranking.reranker is reranker)
        service.put(make_record("nothing", "without an image"))
        ids = [
            service.put(make_record(sku, sku, images=[make_image(colour)])).image_ids[0]
            for sku, colour in (("one", "red"), ("two", "green"), ("three", "blue"))
        ]
        assert soon(lambda: reranker.computed == ids)
    assert [record.getMessage() for record in caplog.records if "precomputed" in record.getMessage()] == [
        f"The features of image {ids[1]} were not precomputed: The disk is full. Make room."
    ]
