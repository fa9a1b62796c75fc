"""Queries made of a catalog's fields."""

from __future__ import annotations

import pytest

from vitrina.evaluation.label_queries import QueryTemplate, label_queries, similar_item_queries
from vitrina.search.types.errors import QueryError
from vitrina.search.types.item import Item

ITEMS = (
    Item("1", "Oxford", attributes={"colour": "Navy Blue", "article": "Shirts", "year": 2016.0}),
    Item("2", "Polo", attributes={"colour": "navy blue", "article": "Shirts", "year": 2016}),
    Item("3", "Polo", attributes={"colour": "Red", "article": "Shirts", "tag": ("new", "sale")}),
    Item("4", "Mug", attributes={"colour": "Red", "article": "Mugs", "tag": ("sale",)}),
    Item("5", "Bowl", description="of clay", attributes={"colour": ""}, price_cents=990),
)


def test_each_value_asks_for_its_items() -> None:
    made = label_queries(ITEMS, [QueryTemplate("colour"), QueryTemplate("year")], min_rows=2)
    assert [(query.id, query.kind, query.text, query.grades) for query in made] == [
        ("colour: Navy Blue", "colour", "Navy Blue", {"1": 1, "2": 1}),
        ("colour: Red", "colour", "Red", {"3": 1, "4": 1}),
        ("year: 2016", "year", "2016", {"1": 1, "2": 1}),
    ]


def test_rare_values_are_left_out_but_titles_name_their_item() -> None:
    [shirts] = label_queries(ITEMS, [QueryTemplate("article")], min_rows=3)
    assert shirts.grades == {"1": 1, "2": 1, "3": 1}
    titles = {query.text: set(query.grades) for query in label_queries(ITEMS, [QueryTemplate("title")], min_rows=3)}
    assert titles == {"Oxford": {"1"}, "Polo": {"2", "3"}, "Mug": {"4"}, "Bowl": {"5"}}


def test_templates_need_every_field_and_take_each_of_several_values() -> None:
    made = label_queries(ITEMS, [QueryTemplate("{colour} {article} on {tag}")], min_rows=1)
    assert [(query.text, set(query.grades)) for query in made] == [
        ("Red Shirts on new", {"3"}),
        ("Red Shirts on sale", {"3"}),
        ("Red Mugs on sale", {"4"}),
    ]


def test_photos_ask_for_the_other_items_of_their_value() -> None:
    made = {query.sku: query for query in similar_item_queries(ITEMS, [QueryTemplate("article")], min_rows=1)}
    assert {sku: set(query.grades) for sku, query in made.items()} == {
        "1": {"2", "3"},
        "2": {"1", "3"},
        "3": {"1", "2"},
    }
    assert made["1"].judged is made["2"].judged, "a large group is held once"
    assert {query.kind for query in made.values()} == {"like article"}


def test_photos_of_several_values_ask_for_any_of_them() -> None:
    items = [
        Item("a", attributes={"tag": ("x", "y")}),
        Item("b", attributes={"tag": "x"}),
        Item("c", attributes={"tag": "y"}),
        Item("d", attributes={"tag": "z"}),
    ]
    made = similar_item_queries(items, [QueryTemplate("tag")], min_rows=2)
    assert {query.sku: set(query.grades) for query in made} == {"a": {"b", "c"}, "b": {"a"}, "c": {"a"}}
    assert len({query.id for query in made}) == 3


@pytest.mark.parametrize(
    ("template", "says", "remedy"),
    [
        ("color", "No item has a field 'color'", "Similar: colour"),
        ("{colour} {x}", "No item has a field 'x'", "Known: article"),
        ("description", None, None),
        ("year", "No value of 'year' is shared by 3 items; the commonest is by 2", "Lower --min-rows to 2"),
    ],
)
def test_fields_that_make_no_query(template: str, says: str | None, remedy: str | None) -> None:
    if says is None or remedy is None:
        assert len(label_queries(ITEMS, [QueryTemplate(template)], min_rows=3)) == 1
        return
    with pytest.raises(QueryError) as caught:
        label_queries(ITEMS, [QueryTemplate(template)], min_rows=3)
    assert says in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("broken", ["{colour", "{} shirt", ""])
def test_templates_that_cannot_be_read(broken: str) -> None:
    with pytest.raises(QueryError, match="cannot be read"):
        QueryTemplate(broken)


def test_a_field_with_a_brace_free_name_is_taken_whole() -> None:
    [query] = label_queries([Item("1", attributes={"a.b: c!": "x"})], [QueryTemplate("a.b: c!")], min_rows=1)
    assert query.text == "x"
