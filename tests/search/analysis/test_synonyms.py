"""Synonyms: the format of a shop's own, and what ships."""

from __future__ import annotations

import pytest

from vitrina.search.analysis.language import Language
from vitrina.search.analysis.synonyms import SYNONYM_WEIGHT, Synonym, SynonymRule, Thesaurus, parse_synonyms
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


def test_what_ships_is_for_english_only() -> None:
    assert Synonym(("jump", "rope"), SYNONYM_WEIGHT) in Thesaurus(Language("en")).synonyms(["skipping", "ropes"])
    assert Synonym(("carabiner",), SYNONYM_WEIGHT) in Thesaurus(Language("en")).synonyms(["karabiners"])
    assert Synonym(("video", "card"), SYNONYM_WEIGHT) in Thesaurus(Language("en")).synonyms(["gpu"])
    assert Thesaurus(Language("de")).synonyms(["sofa"]) == ()
    assert Thesaurus(Language("")).synonyms(["sofa"]) == ()


def test_a_shops_own_hold_in_any_language() -> None:
    thesaurus = Thesaurus(Language("de"), parse_synonyms("Möbel, einrichtung"))
    assert [each.words for each in thesaurus.synonyms(["mobel"])] == [("einrichtung",)]
