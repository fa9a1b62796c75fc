import torch

from recipes.encoder.facts import Facts
from recipes.encoder.labels import LabelledProduct

PRODUCTS = (
    LabelledProduct("1", title="Blue tee", kinds=("Tshirts", "Topwear"), colour="Blue", gender="Men"),
    LabelledProduct("2", title="blue TEE", kinds=("t-shirt",), colour="Red"),
    LabelledProduct("3", title="Cup", kinds=("mug",), colour="Blue"),
)


def test_a_statement_holds_for_every_product_that_carries_the_value_however_spelt() -> None:
    statements = [
        (("kind", "Tshirts"),),
        (("kind", "topwear"),),
        (("colour", "Blue"),),
        (("colour", "Blue"), ("kind", "t-shirts")),
        (("text", "Blue tee"),),
        (("gender", "Women"),),
        (("pattern", ""),),
    ]
    truth = Facts(PRODUCTS).matches(torch.tensor([2, 0, 1]), statements)
    assert truth.int().tolist() == [
        [0, 0, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [1, 0, 0, 0, 1, 0, 0],
    ]
