"""Synthetic stores are whole catalogs, and growth is measured and told of them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from benchmarks import growth
from benchmarks.growth import Growth
from benchmarks.synthetic import make_store
from tests.fakes import FakeEncoder
from vitrina.search.engine import SearchEngine
from vitrina.search.store.store import Store
from vitrina.search.types.filters import parse_filters
from vitrina.search.types.query import Query

N_ITEMS = 1100


def test_a_synthetic_store_is_searched_like_any_other(
    tmp_path: Path, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growth, "N_EXACT", 3)
    monkeypatch.setattr(growth, "N_QUERIES", 3)
    make_store(tmp_path / "store", encoder, N_ITEMS)
    with closing(Store(tmp_path / "store")) as store:
        assert store.catalog.counts() == {"items": N_ITEMS, "images": N_ITEMS, "vectors": 2 * N_ITEMS}
        engine = SearchEngine.open(store, encoder)
        stored = store.catalog.item("V0000042")
        assert engine.search(Query(text=stored.item.title)).hits[0].stored.item.sku == "V0000042"
        assert engine.search(Query(text="v0000042")).hits[0].certain
        n_passing = [
            engine.search(Query(filters=parse_filters(asked))).n_candidates for asked in growth.FILTERS.values()
        ]
        assert n_passing == [N_ITEMS, N_ITEMS // 2, N_ITEMS // 10, N_ITEMS // 100, 2]
        found = growth.recalls(engine)
        assert found == dict.fromkeys(growth.FILTERS, 1.0)
        assert growth.index_ms(engine) > 0


def test_measurements_become_a_table_and_a_plot(tmp_path: Path) -> None:
    measured = [
        Growth(
            n_items,
            "flat",
            read_s=1.0,
            build_s=1.0,
            start_s=1.0,
            rest_mb=100.0,
            parts=dict.fromkeys(growth.PARTS, 1.0),
            http=dict.fromkeys(growth.FILTERS, 10.0),
            recalls=dict.fromkeys(growth.FILTERS, 0.97),
            index=1.0,
            loads={n_workers: [20.0] * 80 for n_workers in growth.N_WORKERS},
        )
        for n_items in (10, 1000)
    ]
    lines = growth.table(measured).splitlines()
    assert lines[0] == "| items | 10 | 1,000 |"
    assert {line.count("|") for line in lines} == {4}
    assert "| searches a second, 16 clients, 2 workers | 10 | 10 |" in lines
    growth.plot(measured, tmp_path / "growth.svg")
    assert "<svg" in (tmp_path / "growth.svg").read_text(encoding="utf-8")
