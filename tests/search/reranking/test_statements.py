"""What is asked about every candidate."""

from __future__ import annotations

import pytest

from tests.fakes import make_image
from tests.search.understanding.shops import FASHION
from vitrina.search.reranking.prompts import MAX_STATEMENTS, MAX_VALUES_TRIED, statements_of, values_to_try
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.parser import requirements_of


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (Query("Navy blue SHIRTS for men"), ("navy blue shirts for men", "navy blue", "shirts", "men")),
        (Query("navy"), ("navy",)),
        (Query("navy shirt under 50 euros"), ("navy shirt", "navy", "shirt")),
        (Query("shirts for two"), ("shirts for two", "shirts")),
        (Query("shirts 10 kg"), ("shirts 10 kg", "shirts")),
        (Query("navy shirt, not striped"), ("navy shirt", "navy", "shirt", "striped")),
        (Query("navy shirt", without="striped"), ("navy shirt", "navy", "shirt", "striped")),
        (Query("like this in red", images=(make_image("blue"),)), ("red",)),
        (Query("not red", images=(make_image("blue"),)), ("red",)),
        (Query(images=(make_image("blue"),)), ()),
        (Query("something nice under 50 euros"), ()),
    ],
)
def test_the_whole_phrase_and_each_part(query: Query, asked: tuple[str, ...]) -> None:
    assert statements_of(query, requirements_of(query, FASHION)).asked == asked


def test_a_photo_asks_for_what_it_shows() -> None:
    asked_of = (Requirement("navy blue", "colour", ("Navy Blue",)), Requirement("shirts", "article", ("Shirts",)))
    statements = statements_of(Query(images=(make_image("blue"),)), asked_of)
    assert statements.whole == "navy blue shirts"
    assert list(statements.of.values()) == ["navy blue", "shirts"]


def test_a_long_text_asks_no_more_than_fits() -> None:
    query = Query(", ".join(f"{'word' * 30} number{n}" for n in range(15)))
    statements = statements_of(query, requirements_of(query, FASHION))
    assert 1 <= len(statements.asked) <= MAX_STATEMENTS + 1
    assert all(len(asked) <= 200 for asked in statements.asked)


def test_the_values_that_an_image_could_show_instead() -> None:
    navy = Requirement("navy", "colour", ("Navy Blue",))
    held = FASHION.fields["colour"]
    values = values_to_try(("maroon",), navy, ("teal", "maroon", "off white"), held)
    assert values[:4] == ["maroon", "navy blue", "teal", "off white"]
    assert set(values[4:10]) == {"black", "white", "blue", "grey", "red", "green"}
    assert len(values) == len(set(values)) == min(MAX_VALUES_TRIED, len(held))
    assert len(values_to_try((), navy, (), [f"colour {n}" for n in range(50)])) == MAX_VALUES_TRIED
