"""``vitrina search``, with and without a reranker."""

from __future__ import annotations

import json
from contextlib import ExitStack
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.api.conftest import Vitrina, make_image
from vitrina.api.settings import Settings
from vitrina.search.reranking.base import Reranker
from vitrina.search.types.errors import RerankerError


@pytest.mark.usefixtures("store")
def test_it_prints_a_table_or_the_http_answer(vitrina: Vitrina, client: TestClient) -> None:
    status, table, _ = vitrina("search", "shirt", "--limit", "4")
    _, printed, _ = vitrina("search", "shirt", "--limit", "4", "--json")
    over_http = client.post("/v1/search", json={"text": "shirt", "limit": 4}).json()
    answer = json.loads(printed)
    assert status == 0
    assert answer["hits"] == over_http["hits"]
    assert set(answer) == set(over_http)
    assert all(hit["sku"] in table for hit in answer["hits"])


def test_it_prints_the_variant_that_fits_or_all_one_by_one(vitrina: Vitrina, client: TestClient) -> None:
    variants = [
        {"sku": "W-1", "options": {"size": "S"}, "price_cents": 1800, "currency": "EUR"},
        {"sku": "W-2", "options": {"size": "M"}, "price_cents": 2000, "currency": "EUR"},
    ]
    client.put("/v1/items/w", json={"title": "Wimple", "variants": variants})
    _, collapsed, _ = vitrina("search", "--filter", "size=M")
    assert "Wimple (M, and 1 more)" in collapsed
    assert "20.00 EUR" in collapsed
    _, printed, _ = vitrina("search", "--filter", "sku=w", "--no-collapse")
    assert [line.split()[-3:-1] for line in printed.splitlines()[1:]] == [["18.00", "EUR"], ["20.00", "EUR"]]


def test_a_hit_has_the_title_of_the_variant_that_fits(vitrina: Vitrina, client: TestClient) -> None:
    variants = [
        {"sku": "W-1", "options": {"hue": "black", "size": "W"}},
        {"sku": "W-2", "options": {"hue": "pink", "size": "W"}, "title": "Wimple - Pink"},
    ]
    client.put("/v1/items/w", json={"title": "Wimple - Black", "variants": variants})
    assert "Wimple - Pink (W, and 1 more)" in vitrina("search", "--filter", "hue=pink")[1]
    assert vitrina("explain", "pink wimple", "--sku", "w")[1].startswith("Wimple - Pink")
    assert vitrina("explain", "black wimple", "--sku", "w")[1].startswith("Wimple - Black")


def test_prices_have_the_decimals_of_their_currency(vitrina: Vitrina, client: TestClient) -> None:
    client.put("/v1/items/noren", json={"title": "Noren", "price_cents": 5400, "currency": "JPY"})
    assert "5,400 JPY" in vitrina("search", "--filter", "sku=noren")[1]
    assert "5,400 JPY" in vitrina("items", "--limit", "1000")[1]
    _, explained, _ = vitrina("explain", "noren", "--sku", "noren", "--filter", "price_cents=..5000")
    assert "fails the filter price at most 5,000: its price is 5,400 JPY" in " ".join(explained.split())


@pytest.mark.usefixtures("store")
def test_it_prints_confidences_and_leaves_out_hits_below_a_minimum(vitrina: Vitrina) -> None:
    _, everything, _ = vitrina("search", "shirt", "--limit", "40")
    status, likely, _ = vitrina("search", "shirt", "--limit", "40", "--min-confidence", "0.5")
    assert status == 0
    assert "confidence" in everything
    assert 1 < len(likely.splitlines()) < len(everything.splitlines())
    assert all(int(line.split()[-1].removesuffix("%")) >= 50 for line in likely.splitlines()[1:])
    _, _, complaint = vitrina("search", "espresso machine")
    assert "these are the closest" in complaint


@pytest.mark.usefixtures("store")
def test_image_negative_text_and_filter(vitrina: Vitrina, tmp_path: Path) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(make_image("blue"))
    arguments = ("search", "blue", "--image", str(photo), "--without", "leather", "--filter", "price_cents=1000..20000")
    status, printed, _ = vitrina(*arguments, "--json")
    assert status == 0
    assert all(1000 <= hit["price_cents"] <= 20000 for hit in json.loads(printed)["hits"])


@pytest.mark.usefixtures("store")
def test_it_lists_a_category_in_an_order(vitrina: Vitrina, client: TestClient) -> None:
    arguments = ("--filter", "price_cents=1000..20000", "--sort", "price_asc", "--limit", "3", "--offset", "1")
    status, printed, _ = vitrina("search", *arguments, "--json")
    body = {"filters": {"price_cents": {"gte": 1000, "lte": 20000}}, "sort": "price_asc", "limit": 3, "offset": 1}
    assert status == 0
    assert json.loads(printed)["hits"] == client.post("/v1/search", json=body).json()["hits"]
    by_number = ("--filter", "price_cents=1000..20000", "--sort", "price_cents:asc", "--limit", "3", "--offset", "1")
    assert json.loads(vitrina("search", *by_number, "--json")[1])["hits"] == json.loads(printed)["hits"]
    status, _, complaint = vitrina("search", "shirt", "--sort", "pricecents:desc")
    assert (status, "price_cents" in complaint) == (2, True)
    status, printed, complaint = vitrina("search", "--limit", "2")
    assert (status, complaint) == (0, "")
    assert len(printed.splitlines()) == 3


def test_verdicts_and_explanations_are_printed_below_the_hits(reranking_vitrina: Vitrina) -> None:
    status, printed, _ = reranking_vitrina("search", "white", "--explain", "2", "--limit", "20")
    assert status == 0
    assert "   ✓ colour: white  " in printed
    assert "   ✗ colour: white  " in printed
    assert "≠ listing says Black, photo looks white" in printed
    assert printed.count("It is white, as asked.") == 2
    assert "item-5" in printed


def test_without_the_option_nothing_is_reranked(reranking_vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", lambda *_: pytest.fail("opened"))
    for arguments in (("search", "white"), ("search", "white", "--no-rerank"), ("search", "white", "--explain", "0")):
        status, printed, _ = reranking_vitrina(*arguments)
        assert status == 0
        assert "✓" not in printed


def test_json_is_the_answer_of_the_http_api(reranking_vitrina: Vitrina) -> None:
    status, printed, _ = reranking_vitrina("search", "white boots", "--rerank", "--json")
    answer = json.loads(printed)
    assert status == 0
    assert (answer["rerank_status"], answer["reranker"]) == ("reranked", "simple eyes")
    assert [hit["explanation"] is not None for hit in answer["hits"]] == [True] * 5 + [False] * 5


def test_a_reranker_that_cannot_be_opened_is_reported_after_the_hits(
    reranking_vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Settings, _: ExitStack) -> Reranker:
        raise RerankerError("The reranker at vlm.example refuses the key.", remedy="Set VITRINA_RERANKER_KEY.")

    monkeypatch.setattr("vitrina.api.rerankers.open_reranker", broken)
    status, printed, complaint = reranking_vitrina("search", "white", "--rerank")
    assert status == 0
    assert "item-17" in printed
    assert "Not reranked: The reranker at vlm.example refuses the key. Set VITRINA_RERANKER_KEY." in complaint
    assert "readyz" not in complaint


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--explain", "21"), 2, "explain is 21"),
        (("--explain", "-1"), 2, "explain is -1"),
        (("--explain", "3", "--no-rerank"), 2, "forbids the reranking"),
    ],
)
def test_bad_options_are_refused_with_the_reason(
    reranking_vitrina: Vitrina, arguments: tuple[str, ...], status: int, says: str
) -> None:
    left, printed, complaint = reranking_vitrina("search", "white", *arguments)
    assert (left, printed) == (status, "")
    assert says in complaint


def test_without_a_reranker_the_error_says_how_to_set_one(
    reranking_vitrina: Vitrina, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VITRINA_RERANKER", "off")
    status, _, complaint = reranking_vitrina("search", "white", "--rerank")
    assert status == 1
    assert "no reranker on this installation" in complaint
    assert "VITRINA_RERANKER takes" in complaint
    assert "none; set VITRINA_RERANKER to use one" in reranking_vitrina("status")[1]
