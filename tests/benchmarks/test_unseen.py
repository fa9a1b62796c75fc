from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks.unseen import shops
from benchmarks.unseen.references import Bm25, reciprocal_rank_fusion
from vitrina.evaluation.judgements import JudgedQuery, read_judgements

FILES = {"demo-shop-queries.jsonl": 70, "diy-queries.jsonl": 50}


def lines(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in (shops.HERE / name).read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize(("name", "n_queries"), FILES.items())
def test_every_query_has_grades_and_a_right_item(name: str, n_queries: int) -> None:
    queries = read_judgements(shops.HERE / name)
    assert len(queries) == n_queries
    for query in queries:
        assert set(query.grades.values()) <= {1, 2, 3}
        assert max(query.grades.values()) >= 2


@pytest.mark.parametrize("name", FILES)
def test_a_sku_is_graded_once_in_a_query(name: str) -> None:
    for line in (shops.HERE / name).read_text(encoding="utf-8").splitlines():
        pairs = json.loads(line, object_pairs_hook=lambda pairs: pairs)
        skus = [sku for sku, _ in dict(pairs)["relevant"]]
        assert len(skus) == len(set(skus))


def test_half_of_the_queries_share_no_word_with_the_titles_of_their_right_items() -> None:
    flags = [line["title_words"] for name in FILES for line in lines(name)]
    assert set(flags) == {True, False}
    assert flags.count(False) >= len(flags) / 2


def test_each_shop_has_twelve_things_that_it_does_not_sell() -> None:
    for shop in shops.judged_shops(Path("data")):
        away = shops.read_lines(shop.off_catalog)
        assert len(set(away)) == 12
        assert all(away)


def test_measures_of_a_ranking() -> None:
    judged = {"best": 3, "fine": 2, "related": 1}
    rankings = [["best", "fine", "related"], ["unknown", "best", "fine", "related"], ["related", "best"], []]
    ndcg, rated, first = shops.measured(rankings, [judged] * 4, right=2).T
    ideal = 3 + 2 / np.log2(3) + 1 / 2
    late, turned = 3 / np.log2(3) + 2 / 2 + 1 / np.log2(5), 1 + 3 / np.log2(3)
    assert ndcg == pytest.approx([1, late / ideal, turned / ideal, 0])
    assert rated == pytest.approx([1, 1, turned / ideal, 0])
    assert first.tolist() == [1, 0, 0, 0]


def test_the_lead_is_over_the_best_part_and_not_over_the_fusion() -> None:
    shop = shops.judged_shops(Path("data"))[0]
    values = {
        shops.PRODUCT: np.full((4, 3), 0.7),
        "BM25": np.full((4, 3), 0.6),
        "MiniLM": np.full((4, 3), 0.5),
        shops.BOTH: np.full((4, 3), 0.9),
    }
    assert shops.lead(shop, values).value == pytest.approx(0.1)


def asked(rankings: list[list[str]], confidences: list[list[float | None]]) -> shops.Asked:
    return shops.Asked(rankings, confidences, [False] * len(rankings), told=1.0)


def test_the_calibration_error_leaves_out_unrated_items_unless_the_rating_is_complete() -> None:
    electronics, demo, _ = shops.judged_shops(Path("data"))
    queries = [JudgedQuery("q", "k", {"a": 3}, text="q")]
    found = asked([["a", "b"]], [[1.0, 1.0]])
    assert shops.calibration_error(electronics, queries, found) == pytest.approx(0)
    assert shops.calibration_error(demo, queries, found) == pytest.approx(0.5)
    assert shops.calibration_error(demo, queries, asked([["a"]], [[None]])) is None


def test_a_text_is_all_columns_of_words() -> None:
    rows = pa.table({"sku": ["1"], "title": ["Mug"], "article": [None], "price": ["3"], "category": ["kitchen"]})
    assert shops.texts_of(rows) == ["Mug kitchen"]


def test_skus_become_numbers_and_skus_again() -> None:
    rows = pa.table({"sku": ["a", "b"]})
    (query,) = shops.numbered([JudgedQuery("q", "k", {"b": 2}, text="q")], rows)
    assert query.grades == {"1": 2}
    assert shops.with_skus([["1", "0"]], rows) == [["b", "a"]]


def test_bm25_stems_and_finds_nothing_without_a_known_word() -> None:
    words = Bm25(["running shoes", "a red mug", "shoe polish in red"])
    assert words.rank("red shoe")[0] == 2
    assert set(words.rank("shoe")) == {0, 2}
    assert words.rank("violin") == []


def test_fusion_by_rank_rewards_agreement() -> None:
    assert reciprocal_rank_fusion([[0, 1, 2], [1, 2, 3]]) == [1, 2, 0, 3]
