"""Statements from which the words alone cannot be told true or false."""

import random
from collections import Counter, defaultdict

import numpy as np

from recipes.encoder.labels import LabelledProduct, singular
from recipes.reranker.statements import ROUNDS, Meanings, Round, SoftLabels, draw_statements, status_of
from vitrina.search.types.requirement import Status


def fashion(n: int = 300) -> list[LabelledProduct]:
    """A shop with a dominant colour, as shops have."""
    rng = random.Random(0)
    colours, kinds = ["Black"] * 6 + ["Red", "Navy Blue"], ["Shirts", "Jeans", "Watches"]
    return [
        LabelledProduct(
            str(at), f"title {at}", kinds=(rng.choice(kinds), "Things"), colour=rng.choice(colours), gender=gender
        )
        for at in range(n)
        for gender in [rng.choice(["Men", "Women"])]
    ]


def grocery() -> list[LabelledProduct]:
    return [LabelledProduct(f"g{at}", kinds=(kind, "Food")) for at in range(40) for kind in [("Apple", "Pear")[at % 2]]]


def drawn(
    products: list[LabelledProduct], shops: list[str], rounds: tuple[Round, ...] = ROUNDS
) -> list[tuple[LabelledProduct, str, Status]]:
    statements = draw_statements(products, shops, random.Random(1), rounds)
    return [
        (product, statement.text, statement.status)
        for product, some in zip(products, statements, strict=True)
        for statement in some
    ]


def test_every_phrase_is_as_often_true_as_false() -> None:
    products = fashion() + grocery()
    counts: dict[str, Counter[Status]] = defaultdict(Counter)
    for _, text, truth in drawn(products, ["fashion"] * 300 + ["grocery"] * 40):
        counts[text][truth] += 1
    assert len(counts) > 50
    assert all(count[Status.MET] == count[Status.CONTRADICTED] for count in counts.values())


def test_statements_are_what_the_labels_say() -> None:
    products = fashion()
    statements = draw_statements(products, ["fashion"] * 300, random.Random(1))
    assert all(statements)
    for product, some in zip(products, statements, strict=True):
        assert all(status_of(product, statement.statement) is statement.status for statement in some)


def test_similar_images_are_paired_within_their_cluster() -> None:
    products = fashion()
    clusters = [at % 5 for at in range(300)]
    statements = draw_statements(
        products, ["fashion"] * 300, random.Random(1), (Round("colour", alike=True),), clusters
    )
    assert sum(map(len, statements)) > 300
    for candidate, product, some in zip(clusters, products, statements, strict=True):
        for statement in some:
            like = [other for other, theirs in zip(products, clusters, strict=True) if theirs == candidate]
            assert any(all(other.value(field) == value for field, value in statement.statement) for other in like), (
                product
            )


def test_a_near_miss_shares_all_but_one_field() -> None:
    products = fashion()
    statements = draw_statements(products, ["fashion"] * 300, random.Random(1), (Round("colour", ("kind", "gender")),))
    false = [
        (product, dict(statement.statement))
        for product, some in zip(products, statements, strict=True)
        for statement in some
        if statement.status is Status.CONTRADICTED
    ]
    assert len(false) > 50
    for product, statement in false:
        assert statement["colour"] != product.colour
        assert statement.get("kind", product.kinds[0]) == product.kinds[0]
        assert statement.get("gender", product.gender) == product.gender


class Named:
    """Products of other kinds are apart, and so are other values."""

    def are_apart(self, one: LabelledProduct, other: LabelledProduct) -> bool:
        return one.kinds[0] != other.kinds[0]

    def differ(self, one: str, other: str) -> bool:
        return one != other


def test_shops_are_paired_where_what_they_sell_is_apart() -> None:
    across = (Round(within_shop=False),) * 5
    shops = ["fashion"] * 40 + ["grocery"] * 40
    assert not any(
        product.sku.startswith("g") and "shirt" in text.lower()
        for product, text, _ in drawn(fashion(40) + grocery(), shops, across)
    )
    statements = draw_statements(fashion(40) + grocery(), shops, random.Random(1), across, meanings=Named())
    assert any("shirt" in statement.text.lower() for some in statements[40:] for statement in some)


def meanings(vectors: dict[str, tuple[float, float]]) -> Meanings:
    return Meanings({name: np.array(vector, np.float32) for name, vector in vectors.items()})


def test_a_product_is_not_denied_what_it_is_by_another_word() -> None:
    sofas = [LabelledProduct(f"s{at}", kinds=("Sofa",)) for at in range(20)]
    couches = [LabelledProduct(f"c{at}", kinds=("Couch",)) for at in range(20)]
    lamps = [LabelledProduct(f"l{at}", kinds=("Lamp",)) for at in range(20)]
    known = meanings({"sofa": (1, 0), "couch": (0.9, 0.43), "lamp": (0, 1)})
    rounds = (Round("kind"),) * 4
    same = draw_statements(sofas + couches, ["open"] * 40, random.Random(0), rounds, meanings=known)
    other = draw_statements(sofas + lamps, ["open"] * 40, random.Random(0), rounds, meanings=known)
    assert not any(same)
    assert all(other)


def test_a_value_in_other_words_is_no_other_value() -> None:
    known = meanings({"green": (1, 0), "sea green": (0.9, 0.43), "red": (0.5, 0.87)})
    assert not known.differ("sea green", "green")
    assert known.differ("red", "green")


def test_soft_labels_are_true_where_sure_and_false_where_ruled_out() -> None:
    sure = np.zeros((30, 3), np.float16)
    sure[np.arange(30), np.arange(30) % 3] = 0.9
    sure[::3, 1] = 0.1  # the first class could be the second, too
    labels = SoftLabels(sure, [("balloon",), ("airship",), ("teapot", "kettle")], np.ones_like(sure, bool))
    drawn_by_place = labels.draw(range(30), [0] * 30, random.Random(0))
    said = [
        (place % 3, singular(statement.text), statement.status)
        for place, some in drawn_by_place.items()
        for statement in some
    ]
    assert any(
        kind == 0 and text in ("teapot", "kettle") and truth is Status.CONTRADICTED for kind, text, truth in said
    )
    assert not any(kind == 0 and text == "airship" for kind, text, _ in said)
    true = {(kind, text) for kind, text, truth in said if truth is Status.MET}
    assert true <= {(0, "balloon"), (1, "airship"), (2, "teapot"), (2, "kettle")}


def test_images_are_asked_nothing_where_no_class_is_sure_or_none_agrees() -> None:
    names, sure = [("a",), ("b",), ("c",)], np.eye(3, dtype=np.float16)[[0, 1, 2] * 3]
    unsure = SoftLabels(np.full_like(sure, 0.33), names, np.ones_like(sure, bool))
    unnamed = SoftLabels(sure, names, np.zeros_like(sure, bool))
    assert unsure.draw(range(9), [0] * 9, random.Random(0)) == {}
    assert unnamed.draw(range(9), [0] * 9, random.Random(0)) == {}


def test_what_no_label_says_is_unknown() -> None:
    plain = LabelledProduct("1", kinds=("Shirts",), colour="Red")
    assert status_of(plain, (("kind", "shirt"), ("colour", "red"))) is Status.MET
    assert status_of(plain, (("kind", "shirt"), ("gender", "Men"))) is Status.UNKNOWN
    assert status_of(plain, (("colour", "blue"), ("gender", "Men"))) is Status.CONTRADICTED


def test_a_shop_of_one_product_or_none_is_asked_nothing() -> None:
    assert draw_statements([], [], random.Random(0)) == []
    assert draw_statements(fashion(1), ["fashion"], random.Random(0)) == [[]]
