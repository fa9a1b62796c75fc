"""What is read off a photo becomes requirements, beside those of the query's words."""

from __future__ import annotations

from tests.search.understanding.shops import BOUTIQUE, FASHION
from vitrina.search.types.query import Query
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import Vocabulary
from vitrina.search.understanding.parser import requirements_of
from vitrina.search.understanding.photo_attributes import photo_requirements

SHOWN = {"article": "t-shirt", "colour": "Navy", "pattern": "striped"}


def test_same_article_colour_and_pattern() -> None:
    assert photo_requirements(SHOWN, BOUTIQUE) == (
        Requirement("t-shirt", "article", ("t-shirt",)),
        Requirement("navy", "colour", ("navy blue",)),
        Requirement("striped", "pattern", ("striped",)),
    )


def test_what_the_catalog_does_not_know_is_free() -> None:
    assert photo_requirements(SHOWN, FASHION)[2] == Requirement("striped")
    assert photo_requirements({"colour": "  ", "pattern": "?"}, FASHION) == ()


def test_the_field_of_that_name_comes_first_then_any() -> None:
    vocabulary = Vocabulary({"color": ("orange", "red"), "type": ("orange", "apple", "pear")})
    shown = {"colour": "orange", "article": "apple"}
    assert [requirement.field for requirement in photo_requirements(shown, vocabulary)] == ["color", "type"]


def test_words_go_before_the_photo() -> None:
    asked = requirements_of(Query("like this in red", without="striped"), BOUTIQUE)
    assert [r.name for r in photo_requirements(SHOWN, BOUTIQUE, asked)] == ["article: t-shirt", "colour: navy"]
    asked = requirements_of(Query("like this in black"), BOUTIQUE)
    assert [r.name for r in photo_requirements(SHOWN, BOUTIQUE, asked)] == ["article: t-shirt", "pattern: striped"]
