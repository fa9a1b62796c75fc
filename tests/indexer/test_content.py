"""What tells one version of an item from another, and which of its words are embedded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vitrina.indexer.preparation import content_hash
from vitrina.search.types.item import MAX_EMBEDDED_CHARS, Item, Variant, embedding_text

ITEM = Item(
    "a", "Shirt", "Warm", {"colour": "red", "sizes": ("s", "m"), "year": 2016}, 1999, "EUR", "https://x.example"
)


def test_equal_items_have_equal_hashes_whatever_the_order_of_their_attributes() -> None:
    shuffled = replace(ITEM, attributes=dict(reversed(list(ITEM.attributes.items()))))
    assert content_hash(ITEM, ["1", "2"]) == content_hash(shuffled, ["1", "2"])


@pytest.mark.parametrize(
    "other",
    [
        replace(ITEM, sku="b"),
        replace(ITEM, title="shirt"),
        replace(ITEM, title="ShirtWarm", description=""),
        replace(ITEM, description="Warm "),
        replace(ITEM, attributes={**ITEM.attributes, "year": 2017}),
        replace(ITEM, attributes={**ITEM.attributes, "year": "2016"}),
        replace(ITEM, attributes={**ITEM.attributes, "sizes": ("m", "s")}),
        replace(ITEM, attributes={**ITEM.attributes, "sizes": "s, m"}),
        replace(ITEM, attributes={}),
        replace(ITEM, price_cents=None),
        replace(ITEM, currency="USD"),
        replace(ITEM, url=None),
        replace(ITEM, variants=(Variant("b"),)),
    ],
)
def test_any_difference_is_a_difference(other: Item) -> None:
    assert content_hash(other, ["1", "2"]) != content_hash(ITEM, ["1", "2"])


def test_items_without_variants_keep_the_hash_that_older_versions_stored() -> None:
    assert content_hash(ITEM, ["1"]) == "714b4798f73d76274bcbc39205ab15b19a26fa1373a88b5d76eb16d991d451d9"


def test_images_count_with_their_order() -> None:
    hashes = [content_hash(ITEM, digests) for digests in ([], ["1"], ["1", "2"], ["2", "1"], ["12"])]
    assert len(set(hashes)) == len(hashes)


def test_words_are_the_title_what_it_does_not_name_and_the_description() -> None:
    assert embedding_text(replace(ITEM, title="Hat")) == "Hat. red s m 2016. Warm"
    assert embedding_text(Item("a")) == ""
    assert embedding_text(Item("a", attributes={"new": True})) == ""
    assert embedding_text(Item("a", description="Only this")) == "Only this"
    assert (
        embedding_text(Item("a", "Navy shirt", attributes={"colour": "Navy", "fabric": "linen"})) == "Navy shirt. linen"
    )


def test_words_are_cut_before_they_are_tokenised() -> None:
    assert len(embedding_text(Item("a", "Shirt", "long " * 1_000_000))) == MAX_EMBEDDED_CHARS


def test_variants_without_titles_keep_the_hash_that_older_versions_stored() -> None:
    plain = replace(ITEM, variants=(Variant("b", {"size": "M"}),))
    assert content_hash(plain, ["1"]) == "71e3ce086c106163ba4dc66f7dd677527b0b4eb38f2761d54853edb828fae349"
    assert content_hash(
        replace(ITEM, variants=(Variant("b", {"size": "M"}, title="Long shirt"),)), ["1"]
    ) != content_hash(plain, ["1"])
