"""Skus that stand twice in one catalog."""

from __future__ import annotations

from contextlib import closing

from vitrina.indexer.pipeline import KnownSkus


def test_a_sku_met_again_names_where_it_stood_first() -> None:
    with closing(KnownSkus()) as seen:
        assert seen.first_origin("a", "c.csv:2") is None
        assert seen.first_origin("b", "c.csv:3") is None
        assert seen.first_origin("a", "c.csv:4") == "c.csv:2"
        assert seen.first_origin("a", "c.csv:5") == "c.csv:2"


def test_skus_are_told_apart_exactly() -> None:
    skus = ["a", "A", " a", "a ", "\u00e1", "a\u0301", "👗", "שלום", "0", "00", "", "%"]
    with closing(KnownSkus()) as seen:
        assert [seen.first_origin(sku, sku) for sku in skus] == [None] * len(skus)
        assert [seen.first_origin(sku, "again") for sku in skus] == skus


def test_many_skus() -> None:
    with closing(KnownSkus()) as seen:
        assert all(seen.first_origin(f"sku-{number}", str(number)) is None for number in range(20_000))
        assert seen.first_origin("sku-19999", "again") == "19999"
