"""Words that are no typing errors: what shops write, and what shoppers type often."""

from recipes.known_words import LEAST_OF_ALL, known_words
from vitrina.search.analysis import bound_words


def test_a_word_is_known_by_shops_or_by_many_shoppers() -> None:
    listings = ["Sisal Mat", "A mat of sisal", "Umbrela stand"]
    assert known_words(listings, ["umbrela"]) == ["sisal"]
    assert known_words(listings, ["gift for mum"] * LEAST_OF_ALL) == ["gift", "sisal"]


def test_the_words_that_ship_are_words() -> None:
    words = bound_words.known_words("en")
    assert not bound_words.known_words("fr")
    assert {"mare", "fade", "stack"} <= words
    assert words.isdisjoint({"headphnes", "chandalier", "presure"})
