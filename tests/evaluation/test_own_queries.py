"""How far each part of a score can be trusted: measured by a catalog's own queries, kept, and used."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeEncoder, make_entry, open_replica
from vitrina.evaluation.own_queries import expected_rank, is_outdated, lines, measure_trust, own_query, renew_trust
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.engine import SearchEngine
from vitrina.search.retrieval.fusion import Prior, shipped_prior
from vitrina.search.store.store import Store
from vitrina.search.types.item import Item
from vitrina.search.types.trust import Part, Trust

PRIOR = Prior(
    {Part.TEXT: 0.6, Part.IMAGE: 0.4, Part.BM25: 2.0},
    {Part.TEXT: 0.2, Part.BM25: 3.0},
    {Part.TEXT: 1.0, Part.IMAGE: 0.5},
    1.0,
)


@pytest.fixture
def store(tmp_path: Path, encoder: FakeEncoder) -> Store:
    store = Store(tmp_path / "store")
    titles = [f"{colour} {kind}" for colour in ("red", "green", "blue") for kind in ("shirt", "mug", "bag", "lamp")]
    entries = [make_entry(encoder, f"sku-{at}", title) for at, title in enumerate(titles)]
    store.catalog.commit(open_index_version(store, encoder), entries)
    return store


def test_own_queries_are_parts_of_what_an_item_says() -> None:
    item = Item("a", "Merino Crew Neck Jumper Navy", "Warm wool. Wash cold.", {"fit": "slim", "neck": "crew"})
    asked = {own_query(item, random.Random(seed)) for seed in range(60)}
    assert "Warm wool." in asked
    assert {"slim crew", "crew slim"} & asked
    assert "Crew Neck" in asked
    assert own_query(Item("a"), random.Random(0)) == ""


def test_a_catalog_tells_how_well_each_part_finds_its_items(store: Store, encoder: FakeEncoder) -> None:
    trust = measure_trust(SearchEngine.open(store, encoder))
    assert trust.n_queries == trust.n_items == 12
    assert trust.found["words"] == 1.0  # every title is another
    assert trust.found[Part.TEXT] > 0.5
    assert Part.IMAGE not in trust.found  # it has no images
    assert "words 1.00" in lines(trust)["found by"]


def test_trust_is_kept_and_renewed_when_the_catalog_has_changed(store: Store, encoder: FakeEncoder) -> None:
    assert store.trust(encoder.identity) is None
    renew_trust(store, encoder)
    first = store.trust(encoder.identity)
    assert first is not None
    more = [make_entry(encoder, f"more-{at}", f"teal pen {at}") for at in range(12)]
    store.catalog.commit(open_replica(store, encoder).version_id, more[:1])
    renew_trust(store, encoder)
    assert store.trust(encoder.identity) == first  # one item more changes nothing
    store.catalog.commit(open_replica(store, encoder).version_id, more)
    renew_trust(store, encoder)
    renewed = store.trust(encoder.identity)
    assert renewed is not None
    assert renewed.n_items == 24


@pytest.mark.parametrize(("n_items", "outdated"), [(100, False), (119, False), (121, True), (79, True)])
def test_trust_is_outdated_by_a_fifth(n_items: int, outdated: bool) -> None:
    assert is_outdated(Trust({}, 100, 100), n_items) is outdated


def test_vectors_that_find_less_than_words_do_lose_weight() -> None:
    weights = PRIOR.adapted(Trust({"words": 0.8, Part.TEXT: 0.4, Part.IMAGE: 0.04}, 100, 1000))
    assert weights.of(Part.TEXT) == pytest.approx(0.3)
    assert weights.of(Part.IMAGE) == pytest.approx(0.04)
    assert weights.of(Part.BM25) == 2.0
    assert weights.of(Part.TEXT, with_images=False) == pytest.approx(0.1)
    assert PRIOR.adapted(None).of(Part.IMAGE) == 0.4


def test_an_item_without_images_is_scored_by_weights_of_its_own() -> None:
    scores = {Part.TEXT: np.array([1.0, 1.0]), Part.BM25: np.array([0.5, 0.5])}
    fused = PRIOR.adapted(None).fused(scores, np.array([True, False]))
    assert fused == pytest.approx([0.6 + 1.0, 0.2 + 1.5])


def test_vectors_that_find_more_than_words_keep_their_weight() -> None:
    weights = PRIOR.adapted(Trust({"words": 0.0, Part.TEXT: 0.5, Part.IMAGE: 0.5}, 100, 1000))
    assert [weights.of(Part.TEXT), weights.of(Part.IMAGE)] == [0.6, 0.4]
    careless = replace(PRIOR, exponent=0.0).adapted(Trust({"words": 1.0, Part.TEXT: 0.1}, 9, 9))
    assert careless.of(Part.TEXT) == 0.6


def test_the_prior_in_the_package_counts_every_kind_of_part() -> None:
    prior = shipped_prior()
    assert set(prior.against_words) == {Part.TEXT, Part.IMAGE}
    assert all(weight >= 0 for weight in prior.weights.values())
    assert prior.weights[Part.TEXT] + prior.weights[Part.IMAGE] == pytest.approx(1, abs=1e-3)


def test_the_rank_of_a_tie_is_its_mean() -> None:
    scores = np.array([3.0, 1.0, 1.0, 1.0, 0.0])
    assert [expected_rank(scores, at) for at in range(5)] == [1, 3, 3, 3, 5]
