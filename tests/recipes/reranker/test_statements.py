"""Statements from which the words alone cannot be told true or false."""

import random
from collections import Counter, defaultdict

from recipes.encoder.labels import LabelledProduct
from recipes.reranker.statements import ROUNDS, Round, draw_statements, status_of
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


def test_shops_are_paired_where_they_share_no_kind() -> None:
    across = (Round(within_shop=False),) * 5
    apart = drawn(fashion(40) + grocery(), ["fashion"] * 40 + ["grocery"] * 40, across)
    assert any(product.sku.startswith("g") and "shirt" in text.lower() for product, text, _ in apart)
    shared = [LabelledProduct("x", kinds=("Apple",))] * 40
    mixed = draw_statements([*grocery(), *shared], ["grocery"] * 40 + ["other"] * 40, random.Random(0), across)
    assert not any(mixed[40:])


def test_what_no_label_says_is_unknown() -> None:
    plain = LabelledProduct("1", kinds=("Shirts",), colour="Red")
    assert status_of(plain, (("kind", "shirt"), ("colour", "red"))) is Status.MET
    assert status_of(plain, (("kind", "shirt"), ("gender", "Men"))) is Status.UNKNOWN
    assert status_of(plain, (("colour", "blue"), ("gender", "Men"))) is Status.CONTRADICTED


def test_a_shop_of_one_product_or_none_is_asked_nothing() -> None:
    assert draw_statements([], [], random.Random(0)) == []
    assert draw_statements(fashion(1), ["fashion"], random.Random(0)) == [[]]
