import random

import pytest
import torch

from vitrina.evaluation.label_queries import QueryTemplate
from vitrina.search.types.errors import InputError, QueryError
from vitrina.search.types.item import AttributeValue, Item
from vitrina.tuning.encoder.captions import CaptionTable, TemplateWriter, facets_of, phrases, templates_for
from vitrina.tuning.rows import TuningRow


def row(sku: str, title: str = "", **attributes: AttributeValue) -> TuningRow:
    return TuningRow(Item(sku, title, attributes=attributes), (sku,))


TEES = (
    row("1", "Cotton tee", colour="Black", article="T-shirt", tags=("new", "basic")),
    row("2", "Another tee", colour="black", article="T-shirt"),
    row("3", "T-shirt", colour="Red", article="Mug"),
)


def table(*templates: str) -> CaptionTable:
    return CaptionTable(TEES, [QueryTemplate(name) for name in templates])


def test_two_identical_black_t_shirts_are_no_negatives_of_each_other() -> None:
    written = TemplateWriter(table("{colour} {article}")).write(torch.tensor([0, 1, 2]), random.Random(0))
    assert written.texts == ["Black T-shirt", "Red Mug"]
    assert written.matches.tolist() == [[True, False], [True, False], [False, True]]


def test_a_caption_is_true_of_every_row_that_could_bear_it_by_any_template() -> None:
    captions = table("article", "title")
    at = captions.texts.index("T-shirt")
    assert captions.matches(torch.tensor([0, 1, 2]), [at]).tolist() == [[True], [True], [True]]
    assert captions.rows_by_text()[at] == [0, 1, 2]


def test_a_template_whose_field_a_row_lacks_is_skipped() -> None:
    written = TemplateWriter(table("tags", "{colour} {tags}")).write(torch.tensor([0, 1]), random.Random(0))
    assert all("new" in text or "basic" in text for text in written.texts)
    assert not written.matches[1].any()


def test_each_caption_drawn_for_a_row_is_by_another_template() -> None:
    writer = TemplateWriter(table("tags", "colour", "article"), captions_a_row=2)
    for seed in range(20):
        texts = set(writer.write(torch.tensor([0]), random.Random(seed)).texts)
        assert len(texts) == 2
        assert texts != {"new", "basic"}


def test_captions_follow_their_rng() -> None:
    writer = TemplateWriter(table("tags", "colour", "article", "title"))
    first, again = (writer.write(torch.arange(3), random.Random(5)).texts for _ in range(2))
    assert first == again


def test_defaults_are_made_from_the_fields_that_shoppers_name() -> None:
    rows = [
        row(str(n), f"Title {n}", color=("Red", "Blue")[n % 2], Type="Mug", year=2020.0, ean=f"{n:013}", sale=n < 9)
        for n in range(20)
    ]
    assert [template.name for template in templates_for(rows, ())] == ["color", "Type", "{color} {Type}", "title"]


def test_prose_and_serial_numbers_are_no_facets() -> None:
    story = "A long story about this mug, which nobody would ever type into a search box."
    items = [Item(str(n), attributes={"story": story, "batch": f"B{n}", "colour": "red"}) for n in range(9)]
    assert facets_of(items) == ["colour"]


def test_phrases_use_the_finest_name_of_a_thing() -> None:
    assert phrases(["category", "article", "gender"]) == ["{article} for {gender}"]


def test_an_unknown_field_names_close_ones() -> None:
    with pytest.raises(QueryError, match="No item has a field 'color'") as caught:
        templates_for(TEES, ["{color} {article}"])
    assert "colour" in caught.value.remedy


def test_rows_without_words_cannot_be_captioned() -> None:
    with pytest.raises(InputError, match="no words"):
        templates_for([row("1"), row("2")], ())
