"""Synonyms: the format of a shop's own, and what ships."""

from __future__ import annotations

import pytest

from vitrina.search.analysis.language import Language
from vitrina.search.analysis.shop_words import LANGUAGES, shop_words, table
from vitrina.search.analysis.synonyms import (
    MAX_SYNONYM_WORDS,
    NARROWER_PHRASE_WEIGHT,
    NARROWER_SHOP_WORD_WEIGHT,
    NARROWER_WEIGHT,
    PHRASE_WEIGHT,
    SHOP_WORD_WEIGHT,
    SYNONYM_WEIGHT,
    Synonym,
    SynonymRule,
    Thesaurus,
    parse_synonyms,
)
from vitrina.search.types.errors import InputError


def test_rules_are_read() -> None:
    rules = parse_synonyms("# ours\n\nSofa, couch , Day-Bed\nbean bag => sitzsack, pouf  # both\n")
    equal = (("sofa",), ("couch",), ("day", "bed"))
    assert rules == (
        SynonymRule(equal, equal, replaces=False),
        SynonymRule((("bean", "bag"),), (("sitzsack",), ("pouf",)), replaces=True),
    )
    assert parse_synonyms("") == ()


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a, b\nsofa", 2, "stands alone"),
        ("a, b\n\n=> c", 3, "lacks a word"),
        ("a =>", 1, "lacks a word"),
        ("a => b => c", 1, "two arrows"),
        ("a,, b", 1, "lacks a word"),
        ("&, b", 1, "has no word"),
        ("one two three four five six, b", 1, "6 words"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    with pytest.raises(InputError, match=f"Line {line} .*{reason}") as error:
        parse_synonyms(text)
    assert error.value.details == {"line": line}


def test_what_ships_for_english() -> None:
    assert Synonym(("jump", "rope"), PHRASE_WEIGHT) in Thesaurus(Language("en")).synonyms(["skipping", "ropes"])
    assert Synonym(("carabiner",), SYNONYM_WEIGHT) in Thesaurus(Language("en")).synonyms(["karabiners"])
    assert Synonym(("video", "card"), SYNONYM_WEIGHT) in Thesaurus(Language("en")).synonyms(["gpu"])
    without_it = ["post", "notes"]
    assert ("sticky", "note") in [each.words for each in Thesaurus(Language("en")).synonyms(without_it)], (
        "post it notes"
    )
    assert Synonym(("rioja",), NARROWER_PHRASE_WEIGHT) in Thesaurus(Language("en")).synonyms(["red", "wine"])
    assert Synonym(("rioja",), NARROWER_WEIGHT) in Thesaurus(Language("en")).synonyms(["wine"])
    assert Thesaurus(Language("fi")).synonyms(["sofa"]) == ()
    assert Thesaurus(Language("")).synonyms(["sofa"]) == ()


@pytest.mark.parametrize(
    ("language", "words", "synonym", "weight"),
    [
        ("de", "handys", "smartphone", SHOP_WORD_WEIGHT),
        ("de", "pürierstab", "stabmixer", SHOP_WORD_WEIGHT),
        ("de", "bohnen mahlen", "kaffeemühle", NARROWER_SHOP_WORD_WEIGHT),
        ("es", "zapatillas casa", "pantuflas", SHOP_WORD_WEIGHT),
        ("fr", "détartrer", "détartrant", NARROWER_SHOP_WORD_WEIGHT),
        ("fr", "canapés", "divan", SHOP_WORD_WEIGHT),
        ("it", "scarpe ginnastica", "sneakers", SHOP_WORD_WEIGHT),
        ("it", "giacche", "blazer", NARROWER_SHOP_WORD_WEIGHT),
        ("nl", "zetel", "bank", SHOP_WORD_WEIGHT),
        ("pl", "staniki", "biustonosz", SHOP_WORD_WEIGHT),
        ("pt", "berços", "moisés", SHOP_WORD_WEIGHT),
        ("pt", "sapato", "sandálias", NARROWER_SHOP_WORD_WEIGHT),
    ],
)
def test_what_ships_for_other_languages(language: str, words: str, synonym: str, weight: float) -> None:
    found = Thesaurus(Language(language)).synonyms(words.split())
    assert Synonym((synonym,), weight) in found
    assert tuple(words.split()) not in [each.words for each in found]


def test_a_word_is_taken_as_it_stands_before_its_forms() -> None:
    words = shop_words("it")
    girl, several = words.meaning(["bambina"]), words.meaning(["bambine"])
    assert girl is not None
    assert several is not None
    assert ("bambino",) not in girl.same
    assert ("bambino",) in several.same, "one stem"


def test_shop_words_have_a_name_in_each_language() -> None:
    rows = table()
    assert {len(row) for row in rows} == {2 + len(LANGUAGES)}
    assert all(names for row in rows for names in (row[0], *row[2:]))
    assert max(shop_words(code).longest for code in LANGUAGES) <= MAX_SYNONYM_WORDS


@pytest.mark.parametrize(
    ("asked", "other"),
    [
        (["pendrive"], "memory stick"),
        (["weedwhacker"], "strimmer"),
        (["bike", "trainer"], "turbo trainer"),
        (["rain", "barrel"], "water butt"),
        (["fabric", "shaver"], "lint remover"),
        (["xmas"], "christmas"),
        (["lag", "bolts"], "coach screw"),
        (["kibble"], "dry food"),
        (["zits"], "blemish"),
        (["playdoh"], "modelling dough"),
        (["cone", "shame"], "recovery cone"),  # queries lose small words
        (["snakes", "ladders"], "chutes ladders"),  # for "chutes & ladders"
        (["squeaky", "hinge"], "penetrating oil"),
        (["spuds"], "potatoes"),
        (["grab", "handle"], "grab rail"),
        (["polypockets"], "punched pkts"),
        (["fog", "machine"], "smoke machine"),
    ],
)
def test_everyday_words_for_what_shops_sell_ship_written_apart_or_not(asked: list[str], other: str) -> None:
    thesaurus = Thesaurus(Language("en"))
    assert tuple(other.split()) in [each.words for each in thesaurus.synonyms(asked)]
    assert all(map(thesaurus.knows, asked))


def test_what_helps_is_no_other_name_of_the_trouble() -> None:
    thesaurus = Thesaurus(Language("en"))
    assert Synonym(("muscle", "rub"), PHRASE_WEIGHT) in thesaurus.synonyms(["sore", "muscles"])
    assert not any("sore" in each.words for each in thesaurus.synonyms(["muscle", "rub"]))
    assert not thesaurus.is_name(["sore", "muscles"])
    assert thesaurus.is_name(["washing", "machine"])


def test_a_phrase_is_reworded_one_run_of_its_words_at_a_time() -> None:
    thesaurus = Thesaurus(Language("fi"), parse_synonyms("bin, trash can\nred, scarlet"))
    assert thesaurus.rewordings(["red", "trash", "can"]) == (("scarlet", "trash", "can"), ("red", "bin"))
    assert thesaurus.rewordings(["lamp"]) == ()


def test_a_shops_own_hold_in_any_language() -> None:
    thesaurus = Thesaurus(Language("de"), parse_synonyms("Möbel, einrichtung"))
    assert thesaurus.synonyms(["mobel"])[0].words == ("einrichtung",), "before those that ship"


@pytest.mark.parametrize(
    ("query", "positions"),
    [
        ("back up all my family photos", {0, 1, 5}),
        ("back up photos of our family", set()),  # as one phrase, which synonyms() has
        ("photos back up all my family", set()),
        ("back up photos", set()),
    ],
)
def test_a_trouble_may_be_told_with_other_words_between(query: str, positions: set[int]) -> None:
    found = list(Thesaurus(Language("en")).troubles(query.split()))
    assert {at for at, _ in found} == positions
    assert not positions or Synonym(("external", "hard", "drive"), PHRASE_WEIGHT) in [each for _, each in found]
