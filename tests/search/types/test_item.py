"""Items and their variants."""

from __future__ import annotations

from dataclasses import replace

from vitrina.search.types.item import Item, Variant, embedding_text

RED_S = Variant("T-1", {"colour": "Red", "size": "S"}, 1800, "EUR", ("4006381333931",), (0,))
BLUE_M = Variant("T-2", {"colour": "Blue", "size": "M"}, 2000, "EUR", images=(1,))


def test_an_item_has_its_variants_options_and_the_lowest_of_their_prices() -> None:
    item = Item("T", "V-Neck", attributes={"material": "Cotton"}, price_cents=1900, variants=(RED_S, BLUE_M))
    assert item.attributes == {"material": "Cotton", "colour": ("Red", "Blue"), "size": ("S", "M")}
    assert (item.price_cents, item.max_price_cents, item.currency) == (1800, 2000, "EUR")
    assert Item("T", "V-Neck", attributes=item.attributes, price_cents=item.price_cents, variants=item.variants) == (
        Item("T", "V-Neck", attributes={**item.attributes}, currency="EUR", variants=(RED_S, BLUE_M))
    )


def test_an_attribute_named_as_an_option_keeps_its_own_values_too() -> None:
    item = Item("T", attributes={"colour": "red"}, variants=(RED_S, BLUE_M))
    assert item.attributes["colour"] == ("red", "Blue")
    assert "Blue" in embedding_text(item)


def test_a_variant_without_a_price_has_the_items() -> None:
    item = Item("T", price_cents=2500, currency="SEK", variants=(Variant("a", {"size": "S"}), Variant("b", {}, 3000)))
    assert [(each.price_cents, each.currency) for each in item.variants] == [(2500, "SEK"), (3000, "SEK")]
    assert (item.price_cents, item.max_price_cents) == (2500, 3000)
    assert Item("T", price_cents=item.price_cents, variants=item.variants).variants == item.variants


def test_an_item_without_variants_is_as_it_was_given() -> None:
    item = Item("T", attributes={"colour": "red"}, price_cents=5)
    assert (item.price_cents, item.max_price_cents, item.attributes) == (5, 5, {"colour": "red"})
    assert Item("T").max_price_cents is None


def test_a_variant_is_called_by_its_own_title_or_as_the_item() -> None:
    item = Item(
        "M", "Mouse - Black", variants=(Variant("a", title="Mouse - Black"), Variant("b", title="Mouse - Pink"))
    )
    assert [each.title for each in item.variants] == ["Mouse - Black", "Mouse - Pink"]
    assert [item.title_of(at) for at in (None, 0, 1)] == ["Mouse - Black", "Mouse - Black", "Mouse - Pink"]
    renamed = replace(replace(item, title="Mouse - Pink"), title="Mouse")
    assert [renamed.title_of(at) for at in (None, 0, 1)] == ["Mouse", "Mouse - Black", "Mouse - Pink"]
    assert Item("M", "Mouse", variants=(Variant("a"),)).title_of(0) == "Mouse"
