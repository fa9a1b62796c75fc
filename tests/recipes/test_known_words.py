"""Words that are no typing errors: what shops write, and what shoppers type often."""

from recipes.known_words import LEAST_OF_ALL, known_words
from vitrina.search.analysis import bound_words


def test_a_word_is_known_by_shops_or_by_many_shoppers() -> None:
    listings = ["Sisal Mat", "A mat of sisal", "Umbrela stand"]
    assert known_words(listings, ["umbrela"], {}) == ["sisal"]
    assert known_words(listings, ["gift for mum"] * LEAST_OF_ALL, {}) == ["gift", "sisal"]


def test_usual_words_of_english_are_known_in_their_places() -> None:
    assert known_words(["Sisal Mat", "A mat of sisal"], [], {"which": 90, "to": 80, "whence": 1}) == [
        "sisal",
        "which",
        "whence",
    ]


def test_brands_come_behind_frequent_words() -> None:
    known = known_words(["Sisal Mat", "A mat of sisal"], [], {"which": 9}, ["helly hansen", "which", "go"])
    assert known == ["sisal", "which", "hansen", "helly"]


def test_the_words_that_ship_are_words() -> None:
    words = bound_words.known_words("en")
    assert not bound_words.known_words("fr")
    assert {"mare", "fade", "stack", "collapsing"} <= words.keys()
    assert words["knife"] < words["collapsing"]
    assert words.keys().isdisjoint({"headphnes", "chandalier", "presure"})
