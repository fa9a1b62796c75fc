"""The small shops that ranking and confidences are fitted to."""

from __future__ import annotations

import random

from recipes.encoder.corpus import LabelledRows
from recipes.encoder.labels import LabelledProduct
from recipes.shops import Nouns, SmallShop, by_brand, by_nouns, by_tags, by_title_words, in_prose, shops_of
from tests.fakes import make_image, png
from vitrina.evaluation.samples import Example

PRODUCTS = tuple(
    LabelledProduct(f"sku-{at}", f"Acme {kind} {at}", kinds=(kind.capitalize() + "s",), colour="red", gender="Men")
    for at, kind in enumerate(("skirt", "shirt") * 6)
)
ROWS = LabelledRows("fashion-train", PRODUCTS, tuple(png(make_image("red", noise=at)) for at in range(12)))
FRUIT = LabelledRows("fruit", (LabelledProduct("f", "Pear", kinds=("Pear",)),), (png(make_image("green")),))


def test_a_kind_is_found_by_its_last_word_and_only_if_it_means_one_thing(nouns: Nouns) -> None:
    name, noun = nouns.of("Polo Shirts") or ("", None)
    assert name == "shirt"
    assert noun is not None
    assert noun.synonyms == ["shirt", "sark"]
    assert nouns.of("Pear") is None
    assert nouns.of("apple") is None


def test_synonyms_hypernyms_and_glosses_are_answered_by_what_they_name(nouns: Nouns) -> None:
    answers = dict(by_nouns(PRODUCTS, nouns, random.Random(0)))
    skirts, shirts = ({str(at) for at in range(first, 12, 2)} for first in (0, 1))
    assert answers == {
        "a garment hanging from the waist": skirts,
        "sark": shirts,
        "a garment worn on the upper half of the body": shirts,
        "garment": skirts | shirts,
    }


def test_brands_titles_and_tags_are_answered_by_the_items_that_have_them() -> None:
    assert dict(by_brand(PRODUCTS))["acme red skirt"] == {"0", "2", "4", "6", "8", "10"}
    titles = dict(by_title_words(PRODUCTS, random.Random(0)))
    assert all(set(text.split()) <= {"acme", "skirt", "shirt"} for text in titles)
    tagged = [
        LabelledProduct("a", "Lamp", description="light, lamp, desk"),
        LabelledProduct("b", "Sun", description="light"),
    ]
    assert dict(by_tags(tagged)) == {"light": {"0", "1"}, "desk": {"0"}}


def test_prose_says_the_labels_and_has_no_field_for_them(nouns: Nouns) -> None:
    item = in_prose(PRODUCTS[0], "0", "white bowl", nouns, random.Random(1))
    assert "red skirt for men" in item.description
    assert "goes well with a white bowl" in item.description
    assert dict(item.attributes) == {"category": "Skirts"}


def test_a_shop_asks_for_what_it_has_and_for_what_only_others_sell(nouns: Nouns) -> None:
    made = list(shops_of(ROWS, [FRUIT], nouns, has_new_images=True, seed=0))
    assert [shop.style for shop in made] == ["titles", "fields", "names", "prose"]
    for shop in made:
        assert 0 < sum(shop.is_indexed) < len(shop.items)
        for example in shop.examples:
            assert all(shop.is_indexed[int(sku)] for sku in example.relevant)
        assert {"Pear"} <= {each.query.text for each in away(shop)}
        assert any(each.query.images for each in away(shop))


def away(shop: SmallShop) -> list[Example]:
    return [example for example in shop.examples if not example.relevant]
