import random

import torch

from recipes.encoder.facts import NOTHING, Caption, Facts, Mixture, batch_captions, phrase
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


def captions_of(product: LabelledProduct, mixture: Mixture, n: int = 300) -> list[Caption]:
    rng = random.Random(0)
    return [caption for _ in range(n) for caption in batch_captions([product], mixture, rng)]


def test_every_caption_statements_something_true_of_its_product() -> None:
    captions = captions_of(SHIRT, Mixture())
    for caption in captions:
        for field, value in caption.statement:
            true = {"kind": SHIRT.names, "text": (SHIRT.title,)}
            assert value in (true[field] if field in true else (SHIRT.label(field),))
    texts = {caption.text for caption in captions}
    assert {"Shirts", "Topwear", "Navy Blue", "striped", SHIRT.title, "Navy Blue Shirts for Men"} <= texts


def test_every_single_value_is_a_caption_whatever_the_shares() -> None:
    texts = {caption.text for caption in captions_of(SHIRT, Mixture(phrase_share=0, own_text_share=0), n=1)}
    assert texts == {"Shirts", "Topwear", "Apparel", "Navy Blue", "Men", "striped", "linen"}


def test_a_fine_class_is_a_name_of_its_own() -> None:
    apple = LabelledProduct("1", title="Granny Smith", kinds=("Apple", "Fruit"), fine="Granny Smith")
    assert {"Granny Smith", "Apple", "Fruit"} <= {caption.text for caption in captions_of(apple, Mixture(), n=1)}


def test_a_text_stands_once_in_a_batch() -> None:
    captions = batch_captions([SHIRT] * 20, Mixture(own_text_share=1), random.Random(0))
    texts = [caption.text.lower() for caption in captions]
    assert len(texts) == len(set(texts))


def test_out_of_catalog_texts_fit_nothing() -> None:
    mixture = Mixture(out_of_catalog=("sofa", "laptop", "drill"), n_out_of_catalog=2)
    out_of_catalog = [
        caption for caption in batch_captions([SHIRT], mixture, random.Random(0)) if caption.statement == NOTHING
    ]
    assert len(out_of_catalog) == 2
    assert not Facts([SHIRT]).matches(torch.tensor([0]), [caption.statement for caption in out_of_catalog]).any()


def test_a_product_without_labels_is_captioned_by_its_title() -> None:
    captions = captions_of(LabelledProduct("1", title="a thing"), Mixture())
    assert {caption.text for caption in captions} == {"a thing"}
