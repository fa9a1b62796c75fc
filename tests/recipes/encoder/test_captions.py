import random

from recipes.encoder.facts import from_labels, phrase, single_values
from recipes.encoder.labels import LabelledProduct

SHIRT = LabelledProduct(
    "1",
    title="Acme Men Blue Shirt",
    kinds=("Shirts", "Topwear", "Apparel"),
    colour="Navy Blue",
    gender="Men",
    pattern="striped",
    material="linen",
)


def test_a_phrase_has_the_order_of_english() -> None:
    fields = {"kind": "Shirts", "gender": "Men", "colour": "Navy Blue", "material": "linen", "pattern": "striped"}
    assert phrase(fields) == "Navy Blue striped linen Shirts for Men"
    assert phrase({"kind": "Shirts", "gender": "Men"}, possessive=True) == "Men's Shirts"
    assert phrase({"gender": "Men"}) == "Men"


def test_every_phrase_says_something_true_of_its_product() -> None:
    rng = random.Random(0)
    captions = [caption for _ in range(300) for caption in from_labels(SHIRT, rng)]
    for caption in captions:
        for field, value in caption.statement:
            assert value in (SHIRT.names if field == "kind" else (SHIRT.label(field),))
    assert {"Topwear", "Navy Blue Shirts for Men"} <= {caption.text for caption in captions}


def test_every_kind_and_every_label_is_a_caption_by_itself() -> None:
    texts = {caption.text for caption in single_values(SHIRT)}
    assert texts == {"Shirts", "Topwear", "Apparel", "Navy Blue", "Men", "striped", "linen"}


def test_a_fine_class_is_a_name_of_its_own() -> None:
    apple = LabelledProduct("1", title="Granny Smith", kinds=("Apple", "Fruit"), fine="Granny Smith")
    assert {"Granny Smith", "Apple", "Fruit"} <= {caption.text for caption in single_values(apple)}


def test_a_product_without_labels_has_no_phrase() -> None:
    assert from_labels(LabelledProduct("1", title="a thing"), random.Random(0)) == []
