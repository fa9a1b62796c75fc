"""A reranker's image features are computed once, before the first search, and searches then open no image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recipes.boutique.catalog import product
from recipes.boutique.render import render
from tests.fakes import FakeEncoder, MemorySource, make_entry, make_image, make_record, png
from tests.search.reranking.backends.transformers import tiny
from tests.search.reranking.backends.transformers.candidates import STATEMENTS
from tests.search.reranking.shops import ColourReranker, fill
from vitrina.indexer.backfill import n_without_features, precompute_features
from vitrina.indexer.features import FeatureStage
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer
from vitrina.indexer.progress import Progress
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.reranking.backends.transformers.loading import load_reranker
from vitrina.search.reranking.backends.transformers.reranker import TransformersReranker
from vitrina.search.reranking.base import CandidateImages, Deadline, RerankCandidate
from vitrina.search.reranking.pipeline import RerankPipeline
from vitrina.search.store.store import Store
from vitrina.search.types.answer import RerankStatus
from vitrina.search.types.errors import RerankerError
from vitrina.search.types.models import RerankerIdentity
from vitrina.search.types.query import Query, RerankOptions

N_IMAGES = 36
N_ITEMS = 40
"""Every ninth of them is without an image."""


@cache
def drawing(number: int) -> Image.Image:
    return render(product(number), size=700).image


@cache
def drawn_png(number: int) -> bytes:
    return png(drawing(number))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.save("fast-vlm", tmp_path_factory.mktemp("vlm"))


@pytest.fixture
def reranker(folder: Path, store: Store) -> Iterator[TransformersReranker]:
    with load_reranker(str(folder), device="cpu", features=store.features) as reranker:
        yield reranker


@pytest.fixture
def shop(store: Store, encoder: FakeEncoder) -> Store:
    fill(store, encoder, N_ITEMS)
    return store


def test_features_are_computed_once(shop: Store, reranker: TransformersReranker) -> None:
    progress: list[Progress] = []
    assert n_without_features(shop, reranker.identity) == N_IMAGES
    done = precompute_features(shop, reranker, progress.append)
    assert (done.n_done, done.n_failed_images) == (N_IMAGES, 0)
    assert done.seconds > 0
    assert [each.n_done for each in progress] == [32, N_IMAGES]
    assert n_without_features(shop, reranker.identity) == 0
    assert precompute_features(shop, reranker, lambda _: pytest.fail("It was done again.")).n_done == 0


def test_only_new_images_are_computed(shop: Store, reranker: TransformersReranker, encoder: FakeEncoder) -> None:
    precompute_features(shop, reranker)
    new, second = make_image("red", noise=77), make_image("blue", noise=78)
    shop.images.put_all([png(new), png(second)])
    entries = [make_entry(encoder, sku, "A fine mug", images=[new, second]) for sku in ("new", "the same picture")]
    shop.catalog.commit(open_index_version(shop, encoder), entries)
    assert precompute_features(shop, reranker).n_done == 1


def test_a_search_in_another_process_opens_no_image(
    shop: Store, folder: Path, reranker: TransformersReranker, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    precompute_features(shop, reranker)
    query, budget = Query("red mug", limit=N_ITEMS), RerankOptions(top=N_ITEMS, deadline_ms=30_000, explain=2)
    for name in ("thumbnail", "read"):
        monkeypatch.setattr(shop.images, name, lambda *_: pytest.fail("An image was read."))
    with (
        load_reranker(str(folder), device="cpu", features=shop.features) as other,
        RerankPipeline.open(shop, other) as stage,
        monkeypatch.context() as blind,
    ):
        tower = other.prompted_model.model.model.vision_tower
        blind.setattr(tower, "forward", lambda *_, **__: pytest.fail("The model ran."))
        answer = SearchEngine.open(shop, encoder).with_reranker(stage).search(query, budget)
    states = [hit.rerank_status for hit in answer.hits]
    assert states.count(RerankStatus.RERANKED) == N_IMAGES
    assert states.count(RerankStatus.NOT_ASKED) == N_ITEMS - N_IMAGES


def test_precomputed_features_judge_as_a_search_would(
    store: Store, folder: Path, reranker: TransformersReranker, encoder: FakeEncoder
) -> None:
    drawn = [drawing(index) for index in range(12)]
    store.images.put_all([drawn_png(index) for index in range(12)])
    entries = [make_entry(encoder, f"{at}", "A drawing", images=[each]) for at, each in enumerate(drawn)]
    store.catalog.commit(open_index_version(store, encoder), entries)
    assert precompute_features(store, reranker).n_done == 12
    images = CandidateImages(store.images, reranker.capabilities.image_side_px)
    candidates = [candidate for stored in store.catalog.all_items() if (candidate := images.candidate(stored))]
    precomputed = reranker.judge(
        [replace(candidate, image=lambda: None) for candidate in candidates], STATEMENTS, Deadline.within(100)
    )
    with load_reranker(str(folder), device="cpu") as other:
        searched = other.judge(candidates, STATEMENTS, Deadline.within(100))
    assert (np.ptp(searched, axis=0) > 5e-3).all()
    np.testing.assert_allclose(precomputed, searched, atol=1e-3)


def test_a_run_that_breaks_off_goes_on_where_it_was(
    shop: Store, reranker: TransformersReranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute, batches = reranker.precompute_features, []

    def tired(candidates: Sequence[RerankCandidate]) -> int:
        batches.append(len(candidates))
        if len(batches) == 2:
            raise RerankerError("It broke.", remedy="Mend it.")
        return compute(candidates)

    with monkeypatch.context() as broken:
        broken.setattr(reranker, "precompute_features", tired)
        with pytest.raises(RerankerError):
            precompute_features(shop, reranker)
    assert n_without_features(shop, reranker.identity) == N_IMAGES - 32
    assert precompute_features(shop, reranker).n_done == N_IMAGES - 32


def test_an_image_that_is_gone_is_counted(store: Store, reranker: TransformersReranker, encoder: FakeEncoder) -> None:
    there, gone = make_image("red", noise=1), make_image("red", noise=2)
    store.images.put(png(there))
    entries = [make_entry(encoder, f"{at}", "A mug", images=[each]) for at, each in enumerate((gone, there))]
    store.catalog.commit(open_index_version(store, encoder), entries)
    done = precompute_features(store, reranker)
    assert (done.n_done, done.n_failed_images) == (2, 1)


def test_features_of_other_rerankers_are_dropped(shop: Store, reranker: TransformersReranker) -> None:
    other = shop.feature_cache(RerankerIdentity("other", "0" * 64))
    other.put({"a": b"seen"})
    other.close()
    precompute_features(shop, reranker)
    assert not other.path.exists()


def test_a_reranker_that_caches_nothing_is_left_alone(shop: Store, folder: Path) -> None:
    assert precompute_features(shop, ColourReranker()) == Progress()
    with load_reranker(str(folder), device="cpu") as uncached:
        assert precompute_features(shop, uncached) == Progress()
    assert not shop.features.exists()


def test_an_empty_catalog(store: Store, reranker: TransformersReranker) -> None:
    assert n_without_features(store, reranker.identity) == 0
    assert precompute_features(store, reranker).n_done == 0


def drawn_source(n: int) -> MemorySource:
    drawings = [drawn_png(index) for index in range(n)]
    words_alone = [make_record("words", "A mug")]
    shown_twice = [make_record("second", "A drawing", images=[drawings[0], drawings[1]])]
    return MemorySource(
        [make_record(f"{at}", "A drawing", images=[each]) for at, each in enumerate(drawings)]
        + words_alone
        + shown_twice
    )


def test_features_are_computed_while_rows_are_indexed(
    store: Store, folder: Path, reranker: TransformersReranker, encoder: FakeEncoder, tmp_path: Path
) -> None:
    opened: list[str] = []

    def open_() -> TransformersReranker:
        opened.append("opened")
        return reranker

    features = FeatureStage(store, open_)
    with Fetcher() as fetcher:
        indexer = Indexer(store, encoder, fetcher, features)
        done = indexer.run(drawn_source(12))
        assert (done.n_added, features.n_computed, features.problem) == (14, 12, None)
        names = [stage.name for stage in done.stages]
        assert names == ["read", "fetch", "decode", "embed", "features", "commit", "publish"]
        assert n_without_features(store, reranker.identity) == 0
        indexer.run(drawn_source(12))
        changed = [make_record("0", "Another title", images=[drawn_png(0)])]
        indexer.run(MemorySource(changed))
    assert (opened, features.n_computed) == (["opened"], 12)

    images = CandidateImages(store.images, reranker.capabilities.image_side_px)
    candidates = [candidate for stored in store.catalog.all_items() if (candidate := images.candidate(stored))]
    precomputed = reranker.judge(
        [replace(candidate, image=lambda: None) for candidate in candidates], STATEMENTS, Deadline.within(100)
    )
    with load_reranker(str(folder), device="cpu") as other:
        searched = other.judge(candidates, STATEMENTS, Deadline.within(100))
    np.testing.assert_allclose(precomputed, searched, atol=1e-2)


def test_a_reranker_that_fails_stops_no_indexing(store: Store, encoder: FakeEncoder) -> None:
    def fail() -> TransformersReranker:
        raise RerankerError("It broke.", remedy="Mend it.")

    features = FeatureStage(store, fail)
    with Fetcher() as fetcher:
        done = Indexer(store, encoder, fetcher, features).run(drawn_source(2))
    assert done.n_added == 4
    assert str(features.problem) == "It broke. Mend it."


def test_a_reranker_is_not_opened_where_nothing_is_new(store: Store, encoder: FakeEncoder) -> None:
    with Fetcher() as fetcher:
        Indexer(store, encoder, fetcher).run(drawn_source(2))
        features = FeatureStage(store, lambda: pytest.fail("It was opened."))
        assert Indexer(store, encoder, fetcher, features).run(drawn_source(2)).n_unchanged == 4
