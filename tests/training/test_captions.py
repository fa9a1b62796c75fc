import random

from training.captions import phrase, sample_captions
from training.product import Product

SHIRT = Product(
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


def test_every_caption_claims_something_true_of_its_product() -> None:
    dice = random.Random(0)
    texts = set()
    for _ in range(300):
        for caption in sample_captions(SHIRT, dice):
            texts.add(caption.text)
            for field, value in caption.claim:
                true = {"kind": SHIRT.kinds, "text": (SHIRT.title,)}
                assert value in (true[field] if field in true else (SHIRT.label(field),))
    assert {"Shirts", SHIRT.title, "Navy Blue Shirts for Men"} <= texts


def test_a_product_without_labels_is_captioned_by_its_title() -> None:
    captions = sample_captions(Product("1", title="a thing"), random.Random(0))
    assert {caption.text for caption in captions} == {"a thing"}
