"""A query's words become the requirements that a shopper means by them."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.understanding.shops import BOUTIQUE, FASHION, GROCERY
from vitrina.search.analysis.spelling import SPELLED_WORD, fold
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.parser import DividedText, divided, requirements_of
from vitrina.search.understanding.tokens import MAX_WORDS


def parsed(text: str, vocabulary: Vocabulary = FASHION, without: str = "") -> tuple[Requirement, ...]:
    return requirements_of(Query(text, without=without), vocabulary)


def names(text: str, vocabulary: Vocabulary = FASHION, without: str = "") -> list[str]:
    return [requirement.name for requirement in parsed(text, vocabulary, without)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("navy blue shirts for men", ["colour: navy blue", "article: shirts", "gender: men"]),
        ("casual shoes for women summer", ["article: casual shoes", "gender: women", "season: summer"]),
        ("Men's T Shirt", ["gender: men's", "article: t shirt"]),
        ("ladies tee", ["gender: ladies", "article: tee"]),
        ("smart casual shirt", ["usage: smart casual", "article: shirt"]),
        ("casual casual shoes", ["usage: casual", "article: casual shoes"]),
        ("ethnic kurta, fall", ["usage: ethnic", "article: kurta", "season: fall"]),
        ("autumn scarf", ["season: autumn", "article: scarf"]),
        ("gray flipflops", ["colour: gray", "article: flipflops"]),
        ("sun glasses", ["article: sun glasses"]),
        ("H&M jeans", ["brand: h&m", "article: jeans"]),
        ("h and m jeans", ["brand: h and m", "article: jeans"]),
        ("jeans by Levis", ["article: jeans", "brand: levis"]),
        ("the north face jacket", ["brand: the north face", "article: jacket"]),
        ("short dress", ["short", "article: dress"]),
        ("shorts", ["article: shorts"]),
        ("waterproof jacket", ["is_waterproof: waterproof", "article: jacket"]),
        ("accessories", ["subcategory: accessories"]),
        ("black watch", ["colour: black", "article: watch"]),
        ("street jacket", ["street", "article: jacket"]),
        ("trash can", ["trash can"]),
        ("can you show a jacket", ["article: jacket"]),
        ("a jacket i can wash", ["article: jacket", "wash"]),
        ("", []),
    ],
)
def test_words_of_a_fashion_shop(text: str, expected: list[str]) -> None:
    assert names(text or ",", FASHION) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("apple juice", ["apple", "article: juice"]),
        ("oat milk", ["article: oat milk"]),
        ("tomatoes", ["article: tomatoes"]),
        ("courgettes or eggplant", ["article: courgettes or eggplant"]),
        ("yogurt without sugar", ["article: yogurt", "not sugar"]),
        ("sugar-free lemon yoghurt", ["not sugar", "lemon", "article: yoghurt"]),
        ("gluten free bread", ["not gluten", "bread"]),
        ("fruits", ["category: fruits"]),
    ],
)
def test_words_of_a_grocery(text: str, expected: list[str]) -> None:
    assert names(text, GROCERY) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("olive crew neck jumper", ["colour: olive", "style: crew neck", "article: jumper"]),
        ("pullover with stripes", ["article: pullover", "pattern: stripes"]),
        ("sweater in a floral print", ["article: sweater", "pattern: floral", "print"]),
        ("plaid linen shirt", ["pattern: plaid", "material: linen", "article: shirt"]),
        ("non-leather sneakers", ["material: not leather", "article: sneakers"]),
        ("leather-free sneakers", ["material: not leather", "article: sneakers"]),
        ("shirt dress", ["shirt", "article: dress"]),
        ("round teapot, not striped or dotted",
         ["style: round", "article: teapot", "pattern: not striped", "pattern: not dotted"]),
        ("lamp with a long handle", ["article: lamp", "long handle"]),
    ],
)  # fmt: skip
def test_words_of_the_boutique(text: str, expected: list[str]) -> None:
    assert names(text, BOUTIQUE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("navy shirt, not striped", ["colour: navy", "article: shirt", "not striped"]),
        ("not striped shirt", ["not striped", "article: shirt"]),
        ("shirt that is not too tight", ["article: shirt", "not tight"]),
        ("jacket without a hood", ["article: jacket", "not hood"]),
        ("jacket w/o hood or zip", ["article: jacket", "not hood", "not zip"]),
        ("jacket without a hood for men", ["article: jacket", "not hood", "gender: men"]),
        ("no logo t-shirt", ["not logo", "article: t-shirt"]),
        ("no logo, red t-shirt", ["not logo", "colour: red", "article: t-shirt"]),
        ("t-shirt without a red logo", ["article: t-shirt", "not red logo"]),
        ("t-shirt without logo on the chest", ["article: t-shirt", "not logo on the chest"]),
        ("not blue or red shirt", ["colour: not blue", "colour: not red", "article: shirt"]),
        ("shirt not in black", ["article: shirt", "colour: not black"]),
        ("shirt, anything but black", ["article: shirt", "colour: not black"]),
        ("shirt other than black for men", ["article: shirt", "colour: not black", "gender: men"]),
        ("jacket not for men", ["article: jacket", "gender: not men"]),
        ("shirt -striped -red", ["article: shirt", "not striped", "colour: not red"]),
        ("shirt but no pockets and no collar", ["article: shirt", "not pockets", "not collar"]),
        ("shirt free of plastic", ["article: shirt", "not plastic"]),
        ("non-waterproof jacket", ["is_waterproof: not waterproof", "article: jacket"]),
        ("cotton free size kurta", ["cotton free size", "article: kurta"]),
        ("perfume no. 5", ["article: perfume"]),
        ("jacket that no longer leaks", ["article: jacket", "leaks"]),
        ("I don’t want stripes", ["not stripes"]),
    ],
)
def test_what_a_sentence_denies(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ("red", ["colour: not red"]),
        ("red, striped or with a hood", ["colour: not red", "not striped", "not hood"]),
        ("no stripes", ["not stripes"]),
        ("a", []),
    ],
)
def test_the_words_to_avoid_are_denied(without: str, expected: list[str]) -> None:
    assert names("jacket", without=without) == ["article: jacket", *expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shirt with gold buttons", ["article: shirt", "gold buttons"]),
        ("shirt with white and gold buttons", ["article: shirt", "white and gold buttons"]),
        ("shirt with buttons and pockets", ["article: shirt", "buttons", "pockets"]),
        ("navy shirt with red logo", ["colour: navy", "article: shirt", "red logo"]),
        ("dress with belt", ["article: dress", "belt"]),
        ("red shirt white collar", ["colour: red", "article: shirt", "white collar"]),
        ("top-handle bag", ["top-handle", "subcategory: bag"]),
        ("multi-pocket jeans", ["multi-pocket", "article: jeans"]),
        ("blue shirt, red collar", ["colour: blue", "article: shirt", "red collar"]),
        ("black and white striped shirt", ["colour: black and white", "striped", "article: shirt"]),
        ("black jeans or white trousers", ["colour: black", "article: jeans", "white trousers"]),
        ("men jeans handstitch black belt", ["gender: men", "jeans handstitch", "colour: black", "article: belt"]),
        ("kids girls tops", ["gender: girls", "article: tops"]),
        ("girls kids tops", ["gender: girls", "article: tops"]),
        ("red dress red collar", ["colour: red", "article: dress", "red collar"]),
        ("men shirts for men", ["gender: men", "article: shirts"]),
        ("blue-white shirt", ["colour: blue-white", "article: shirt"]),
        ("slim fit jeans good for hiking", ["slim fit", "article: jeans", "hiking"]),
        ("I am looking for something nice", []),
    ],
)
def test_details_and_unknown_words_are_free(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shirt under 50 euros", ["article: shirt"]),
        ("shirt < $50", ["article: shirt"]),
        ("jeans between 20 and 50, black", ["article: jeans", "colour: black"]),
        ("€49.99 dress", ["article: dress"]),
        ("20–50 eur belts", ["article: belts"]),
        ("no more than 100 usd jeans", ["article: jeans"]),
        ("tie for 10€", ["article: tie"]),
        ("belt under 50 cm", ["article: belt", "under 50 cm"]),
        ("belt of no more than 2 kg", ["article: belt", "no more than 2 kg"]),
        ("tie for at least 250 gsm", ["article: tie", "at least 250 gsm"]),
    ],
)
def test_prices_are_no_words_of_the_product(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hemd nicht black", ["hemd", "colour: not black"]),
        ("chemise pas black", ["chemise", "colour: not black"]),
        ("overhemd niet black", ["overhemd", "colour: not black"]),
        ("koszula nie black", ["koszula", "colour: not black"]),
        ("hemd für men", ["hemd", "gender: men"]),
        ("black oder navy hemd", ["colour: black oder navy", "hemd"]),
        ("aspirateur sans fil", ["aspirateur sans fil"]),
        ("shirts sin cable", ["article: shirts", "sin cable"]),
        ("sandali senza tacco", ["sandali", "not tacco"]),
        ("creme sem cheiro", ["creme", "not cheiro"]),
        ("kleid ohne ärmel", ["kleid", "not ärmel"]),
        ("buty bez black", ["buty", "colour: not black"]),
        ("dress que no sea black", ["article: dress", "que", "colour: not black"]),
        ("maglione non di navy", ["maglione", "colour: not navy"]),
        ("heels invece di black", ["heels", "colour: not black"]),
    ],
)
def test_small_words_of_other_languages(text: str, expected: list[str]) -> None:
    assert names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("size M shirt", ["size: m", "article: shirt"]),
        ("shirt m", ["article: shirt", "size: m"]),
        ("shoes in shoe size 10.5", ["subcategory: shoes", "shoe_size: 10.5"]),
        ("nike shoes 42", ["brand: nike", "subcategory: shoes", "shoe_size: 42"]),
        ("2012 watch", ["year: 2012", "article: watch"]),
        ("iphone 10 case", ["iphone 10 case"]),
        ("pack of 10 ties", ["pack of 10", "article: ties"]),
        ("colour: red, navy colour", ["colour: red, navy"]),
        ("shirt 7", ["article: shirt"]),
    ],
)
def test_numbers_and_names_of_fields(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_values_are_the_catalogs_and_the_named_ones_come_first() -> None:
    colour, article, gender = parsed("blue jacket for men")
    assert (colour.values[0], set(colour.narrower)) == ("Blue", {"Navy Blue", "Turquoise Blue", "Teal"})
    assert (article.values, article.narrower) == (("Jackets", "Rain Jacket"), ("Rain Jacket",))
    assert (gender.values, gender.narrower) == (("Men", "Unisex"), ("Unisex",))


def test_who_types_a_shade_gets_no_other() -> None:
    assert [requirement.values for requirement in parsed("navy shirt")] == [("Navy Blue",), ("Shirts",)]


def test_alternatives_are_one_requirement() -> None:
    either = parsed("black or navy shirt")[0]
    assert (either.words, either.values, either.narrower) == ("black or navy", ("Black", "Navy Blue"), ())
    assert parsed("sneakers")[0].values == ("Casual Shoes", "Sports Shoes")


def test_a_query_by_images_alone_asks_for_nothing_in_words() -> None:
    assert requirements_of(Query(skus=("1",)), FASHION) == ()


def test_without_a_catalog_every_word_is_free() -> None:
    assert names("navy shirt, not striped", Vocabulary({})) == ["navy shirt", "not striped"]


def test_other_scripts() -> None:
    vocabulary = Vocabulary({"رنگ": ("آبی",), "रंग": ("नीला", "लाल"), "farbe": ("Grün", "weiß")})
    assert [r.values for r in parsed("नीला कुर्ता", vocabulary)] == [("नीला",), ()]
    assert [r.values for r in parsed("GRUN", vocabulary)] == [("Grün",)]
    assert [r.values for r in parsed("Stoff, WEISS", vocabulary)] == [(), ("weiß",)]
    assert names("红色 连衣裙", vocabulary) == ["红色 连衣裙"]


KNOWN = [word for held in FASHION.fields.values() for value in held for word in value.split()]
SMALL = ["not", "without", "no", "with", "for", "and", "or", ",", "-", "free", "a", "in", "size", "but", "$", "50", "'"]
SENTENCES = st.lists(st.sampled_from([*KNOWN, *SMALL, "hood", "gold-buttons", "-x"]), max_size=14).map(" ".join)
TEXTS = st.one_of(SENTENCES, st.text(max_size=80))


@given(TEXTS, TEXTS)
def test_any_text_is_parsed_and_each_word_used_at_most_once(text: str, without: str) -> None:
    query = Query(text, skus=("1",), without=without)
    found = requirements_of(query, FASHION)
    given_words = Counter(SPELLED_WORD.findall(fold(query.text)) + SPELLED_WORD.findall(fold(query.without)))
    given_words += Counter({"with": 99, "without": 99})  # abbreviations are written out
    assert Counter(word for requirement in found for word in SPELLED_WORD.findall(requirement.words)) <= given_words
    assert len(set(found)) == len(found)
    for requirement in found:
        assert requirement.words
        assert set(requirement.narrower) <= set(requirement.values) <= set(FASHION.fields.get(requirement.field, ()))
        assert bool(requirement.field) == bool(requirement.values)


@given(SENTENCES, st.sampled_from([str.upper, str.title, str.lower]), st.sampled_from([" ", "\t ", "  "]))
def test_neither_case_nor_padding_changes_anything(text: str, change: object, padding: str) -> None:
    assert callable(change)
    query, changed = Query(text, skus=("1",)), Query(padding + change(text) + padding, skus=("1",))
    assert requirements_of(query, FASHION) == requirements_of(changed, FASHION)


@given(SENTENCES)
def test_one_field_is_asked_for_once(text: str) -> None:
    fields = [r.field for r in requirements_of(Query(text, skus=("1",)), FASHION) if r.wanted and r.field]
    assert len(set(fields)) == len(fields)


def test_a_pasted_text_is_read_up_to_a_limit() -> None:
    found = parsed(" , ".join(f"word{letter}{n}" for letter in "abcdefgh" for n in range(20)))
    assert len(found) == MAX_WORDS


@pytest.mark.parametrize(
    "text", ["1" * 2000, "1 " * 1000, "€1-" * 600, "not " * 500, "with a " * 280, "-" * 2000, "w/" * 999]
)
def test_long_random_texts_end_soon(text: str) -> None:
    began = time.process_time()
    parsed(text)
    assert time.process_time() - began < 0.5  # measured below 0.02


@pytest.mark.parametrize(
    ("text", "wanted", "denied"),
    [
        ("shirt not red", "shirt", ("red",)),
        ("Shirt without red", "shirt", ("red",)),
        ("shirt, not red", "shirt", ("red",)),
        ("a shirt that is not red", "a shirt", ("red",)),
        ("shirt -striped for men", "shirt for men", ("striped",)),
        ("not red shirts size 42", "shirts size 42", ("red",)),
        ("shirts without stripes or pockets", "shirts", ("stripes", "pockets")),
        ("lamp without a cable", "lamp", ("cable",)),
        ("not red", "", ("red",)),
    ],
)
def test_a_text_is_divided_by_what_it_wants_and_denies(text: str, wanted: str, denied: tuple[str, ...]) -> None:
    assert divided(text, FASHION) == DividedText(wanted, denied)


@pytest.mark.parametrize("text", ["non-stick pan", "frizz-free hair", "no-show socks", "red shirt", "Nike No. 5", ""])
def test_a_text_that_denies_nothing_stays_as_it_is(text: str) -> None:
    assert divided(text, FASHION) == DividedText(text)


@pytest.mark.parametrize(("text", "lacked"), [("Sugar-free cookies", "sugar"), ("chicken free dog food", "chicken")])
def test_what_is_called_free_of_an_ingredient_lacks_it(text: str, lacked: str) -> None:
    assert divided(text, FASHION) == DividedText(text, lacked=(lacked,))


KITCHEN = Vocabulary(
    {"tags": ("8 inch", "frying pan", "mug", "cup"), "height_cm": ("8", "12"), "size": ("6", "7"), "pack": ("6 pack",)}
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("frying pan 12 inch", ["tags: frying pan", "12 inch"]),
        ('12" frying pan', ["12 inch", "tags: frying pan"]),
        ("10 kg dumbbell", ["10 kg", "dumbbell"]),
        ("dumbbell 10kg rubber", ["dumbbell", "10kg", "rubber"]),
        ("rug 160 x 230 cm", ["rug", "160 x 230 cm"]),
        ("runner 60x230", ["runner", "60x230"]),
        ("6 pack jars", ["pack: 6 pack", "jars"]),
        ("set of six jars", ["pack: set of six", "jars"]),
        ("8 cup teapot", ["tags: cup", "teapot"]),
        ("gloves size 7", ["gloves", "size: 7"]),
        ("not 30 cm mug", ["not 30 cm", "tags: mug"]),
        ("i'm looking for a mug", ["tags: mug"]),
    ],
)
def test_measures(text: str, expected: list[str]) -> None:
    assert names(text, KITCHEN) == expected


def test_an_age_is_met_by_every_range_that_it_is_within() -> None:
    ages = Vocabulary({"age": ("4+", "3-6 years", "6-9 years", "18 months+")})
    (asked,) = parsed("games for age 4", ages)[1:]
    assert (asked.words, asked.field, asked.values) == ("4", "age", ("4+", "3-6 years", "18 months+"))


def test_the_kind_of_thing_that_a_detail_is_is_not_asked_for() -> None:
    assert names("jeans with belt") == ["article: jeans", "belt"]
    assert names("bag with watch", Vocabulary({"tags": ("bag",), "article": ("Watches",)})) == ["tags: bag", "watch"]
    assert names("something with belts") == ["article: belts"], "unless it stands alone"
    assert names("shirt with navy", FASHION) == ["article: shirt", "colour: navy"], "a colour is no thing"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("unstriped shirt", ["pattern: not striped", "article: shirt"]),
        ("un-striped shirt", ["pattern: not striped", "article: shirt"]),
        ("non striped shirt", ["pattern: not striped", "article: shirt"]),
        ("unisex shirt", ["gender: unisex", "article: shirt"]),
        ("unscented shirt", ["unscented", "article: shirt"]),
        ("undershirt", ["undershirt"]),
    ],
)
def test_a_prefix_denies_a_value(text: str, expected: list[str]) -> None:
    assert names(text, BOUTIQUE) == expected


def test_what_a_thing_is_called_by_that_it_lacks_names_no_value() -> None:
    kinds = Vocabulary({"tipo": ("Cable", "Micro")})
    assert names("micro sin cable", kinds) == ["tipo: micro", "sin cable"]
    assert names("cable", kinds) == ["tipo: cable"]
