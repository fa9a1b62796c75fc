"""What a query may ask for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes import make_image
from vitrina.search.types.errors import QueryError
from vitrina.search.types.query import PRICE_ASC, Query, SortOrder, Weights, sort_order


@pytest.mark.parametrize("asked", [{}, {"text": "  \n"}, {"text": "\x00"}])
def test_a_query_of_nothing_browses(asked: dict[str, str]) -> None:
    assert Query(**asked).browses  # type: ignore[arg-type]
    assert Query(**asked, offset=30_000).offset == 30_000, "through the whole catalog"  # type: ignore[arg-type]


def test_a_query_that_only_avoids_asks_for_nothing() -> None:
    with pytest.raises(QueryError, match="only says what to avoid") as caught:
        Query(without="red")
    assert caught.value.remedy


def test_an_order_by_its_name() -> None:
    assert Query("red", sort=sort_order("price_asc")).sort is PRICE_ASC
    with pytest.raises(QueryError, match="cheapest") as caught:
        sort_order("cheapest")
    assert "relevance, price_asc, price_desc, newest" in caught.value.remedy
    assert "rating:desc" in caught.value.remedy


def test_an_order_by_a_field() -> None:
    assert sort_order("rating:desc") == SortOrder("rating:desc", "rating", descending=True)
    assert sort_order("g:n sold:asc") == SortOrder("g:n sold:asc", "g:n sold")
    for name in ("rating", "rating:", ":desc", "rating:down", "rating:DESC"):
        with pytest.raises(QueryError, match=name):
            sort_order(name)


@pytest.mark.parametrize("page", [(1, 0), (10, 990), (1000, 0), (1, 999)])
def test_pages_within_the_window(page: tuple[int, int]) -> None:
    assert Query("red", limit=page[0], offset=page[1]).limit == page[0]


@pytest.mark.parametrize("page", [(0, 0), (-1, 0), (1001, 0), (1_000_000, 0), (10, -1), (10, 991), (1, 1000)])
def test_pages_outside_the_window(page: tuple[int, int]) -> None:
    with pytest.raises(QueryError, match=r"1000|not possible"):
        Query("red", limit=page[0], offset=page[1])


@pytest.mark.parametrize(
    "asked",
    [
        {"text": "red", "weights": Weights(text=0)},
        {"text": "red", "without": "blue", "weights": Weights(text=0)},
        {"skus": ("a",), "weights": Weights(image=0)},
        {"text": "red", "skus": ("a",), "weights": Weights(text=0, image=0, without=0)},
    ],
)
def test_weights_that_leave_nothing_to_ask(asked: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="weight"):
        Query(**asked)


def test_one_part_of_weight_zero_leaves_the_other() -> None:
    assert Query("red", skus=("a",), weights=Weights(text=0)).skus == ("a",)
    assert Query("red", skus=("a",), weights=Weights(image=0)).text == "red"


@pytest.mark.parametrize("weight", [-0.1, 10.1, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["text", "image", "without"])
def test_weights_out_of_range(name: str, weight: float) -> None:
    with pytest.raises(QueryError, match=name):
        Weights(**{name: weight})


def test_limits_on_text_and_images() -> None:
    assert len(Query("x" * 2000).text) == 2000
    for name in ("text", "without"):
        asked: dict[str, Any] = {"text": "red", name: "x" * 2001}
        with pytest.raises(QueryError, match="2001"):
            Query(**asked)
    assert len(Query(images=(make_image("red"),) * 4, skus=("a",) * 4).skus) == 4
    with pytest.raises(QueryError, match="9 images"):
        Query(images=(make_image("red"),) * 4, skus=("a",) * 5)


def test_control_characters_and_lone_surrogates_are_no_part_of_a_text() -> None:
    assert Query("red\x00\x07shirt\ud800").text == "red shirt"
    assert Query("שמלה 👗 ‏").text == "שמלה 👗 ‏"
