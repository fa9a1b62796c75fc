"""Skus used twice in one catalog."""

from __future__ import annotations

from contextlib import closing

from vitrina.indexer.sync import KnownSkus


def test_a_repeated_sku_names_its_first_origin() -> None:
    with closing(KnownSkus()) as skus:
        assert skus.first_origin("a", "c.csv:2") is None
        assert skus.first_origin("b", "c.csv:3") is None
        assert skus.first_origin("a", "c.csv:4") == "c.csv:2"
        assert skus.first_origin("a", "c.csv:5") == "c.csv:2"


def test_skus_must_be_equal_exactly() -> None:
    distinct = ["a", "A", " a", "a ", "\u00e1", "a\u0301", "👗", "שלום", "0", "00", "", "%"]
    with closing(KnownSkus()) as skus:
        assert [skus.first_origin(sku, sku) for sku in distinct] == [None] * len(distinct)
        assert [skus.first_origin(sku, "again") for sku in distinct] == distinct


def test_many_skus() -> None:
    with closing(KnownSkus()) as skus:
        assert all(skus.first_origin(f"sku-{number}", str(number)) is None for number in range(20_000))
        assert skus.first_origin("sku-19999", "again") == "19999"
