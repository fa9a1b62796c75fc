"""Facts, and the sentences made of them."""

import random
from dataclasses import replace

import pytest

from tests.search.reranking.verdicts import CONTRADICTED, MET, UNKNOWN, verdict
from vitrina.search.reranking.catalog_evidence import DENIED_LOGIT, MENTIONED_LOGIT, CatalogValue
from vitrina.search.reranking.explanations.templates import explanation, fact
from vitrina.search.reranking.verdicts import verdict_of
from vitrina.search.types.filters import PRICE, Range
from vitrina.search.types.requirement import Evidence, Requirement, RequirementSource, Status, Verdict


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (verdict("navy", MET, "colour"), "colour navy: met"),
        (verdict("shirt", CONTRADICTED, "article", image_value="dress"), "article shirt: contradicted, it is dress"),
        (verdict("shirt", CONTRADICTED, "article"), "article shirt: contradicted"),
        (verdict("striped", UNKNOWN, "pattern", wanted=False), "not striped: unknown"),
        (verdict("striped", CONTRADICTED, wanted=False, image_value="striped"), "not striped: contradicted"),
        (
            verdict("navy", MET, "colour", disagreement="listing says navy, photo looks black"),
            "colour navy: met, listing says navy, photo looks black",
        ),
    ],
)
def test_a_verdict_in_few_words(given: Verdict, words: str) -> None:
    assert fact(given) == words


@pytest.mark.parametrize(
    ("verdicts", "sentences"),
    [
        ([], ""),
        (
            [verdict("navy", MET, "colour"), verdict("pockets", MET)],
            "It is navy, as asked; the photo matches “pockets”.",
        ),
        ([verdict("shirt", CONTRADICTED, "article", image_value="dress")], "It is a dress, not a shirt."),
        ([verdict("shirt", CONTRADICTED, "article")], "It is not a shirt."),
        ([verdict("two person", MET, "persons")], "It is for 2 people, as asked."),
        ([verdict("1 man", CONTRADICTED, "persons")], "It is not for 1 person."),
        ([verdict("striped", MET, wanted=False)], "It does not match “striped”, as asked."),
        ([verdict("striped", MET, "pattern", wanted=False)], "It is not striped, as asked."),
        ([verdict("striped", CONTRADICTED, "pattern", wanted=False)], "It is striped, which you did not want."),
        (
            [
                verdict("navy", MET, "colour"),
                verdict("linen", UNKNOWN, "material"),
                verdict("men", CONTRADICTED, "gender"),
            ],
            "It is navy, as asked, but it is not for men. The photo does not tell whether it is made of linen.",
        ),
        (
            [verdict("navy", UNKNOWN, "colour", disagreement="listing says navy, photo looks black")],
            "The listing says navy, but the photo looks black.",
        ),
        (
            [
                verdict("hoodie", MET, "style_general", disagreement="listing says hoodie, photo looks jacket"),
                verdict("navy", MET, "base_colour"),
                verdict("men", MET, "gender"),
            ],
            "A navy hoodie for men, as asked; the photo looks more like a jacket than a hoodie.",
        ),
        (
            [
                verdict("shoes", MET, "productType"),
                verdict("red, white", MET, "g:color", values=("Red", "White")),
                verdict("women", CONTRADICTED, "gender", catalog_value="Men"),
            ],
            "Red or white shoes, as asked, but they are for men, not women.",
        ),
        (
            [verdict("shirts", MET, "category", values=("Apparel > Tops > Shirts",)), verdict("blue", MET, "colour")],
            "A blue shirt, as asked.",
        ),
        (
            [verdict("shirt", CONTRADICTED, "category", catalog_value="Apparel > Bottoms > Trousers")],
            "These are trousers, not a shirt.",
        ),
        (
            [verdict("blue", CONTRADICTED, "colour", catalog_value="red, white, green")],
            "It is red, white and green, not blue.",
        ),
        (
            [verdict("saree", CONTRADICTED, "style_general", values=("Sarees",), catalog_value="Dupatta")],
            "It is a dupatta, not a saree.",
        ),
        (
            [verdict("chair", CONTRADICTED, "tags", values=("Chairs",), catalog_value="Seat, Outdoor, Garden")],
            "It is not a chair; it is filed under seat, outdoor and garden.",
        ),
        (
            [verdict("sneakers", CONTRADICTED, "type", values=("Running > Shoes",), catalog_value="Running > Kids")],
            "These are not sneakers; they are filed under kids.",
        ),
        (
            [replace(verdict("trash can", MET, catalog_value="bin"), evidence=Evidence.FIELD)],
            "The listing mentions “bin” for “trash can”, as asked.",
        ),
        ([verdict("casual", MET, "style_general")], "Its style is casual, as asked."),
        ([verdict("60", MET, "width_cm")], "Its width is 60 cm, as asked."),
        ([verdict("hood", CONTRADICTED, "has_hood", values=("true",))], "It does not have a hood."),
        ([verdict("waterproof", MET, "is_waterproof", values=("true",))], "It is waterproof, as asked."),
        ([verdict("nike", CONTRADICTED, "brand", catalog_value="Puma")], "It is by Puma, not Nike."),
        ([verdict("cotton", MET, "material"), verdict("bag", MET, "type")], "A bag made of cotton, as asked."),
    ],
)
def test_sentences_say_what_the_verdicts_say(verdicts: list[Verdict], sentences: str) -> None:
    assert explanation(verdicts) == sentences


@pytest.mark.parametrize(
    ("words", "status", "catalog_value", "sentences"),
    [
        (
            "not over 50 euros",
            CONTRADICTED,
            "129.00 EUR",
            "A jacket, as asked, but it costs 129.00 EUR, over 50 euros.",
        ),
        ("under 50 euros", MET, "49.90 EUR", "A jacket under 50 euros, as asked."),
        (
            "under 50 euros",
            CONTRADICTED,
            "129.00 EUR",
            "A jacket, as asked, but it costs 129.00 EUR, not under 50 euros.",
        ),
        ("60 €", CONTRADICTED, "129.00 EUR", "A jacket, as asked, but it costs 129.00 EUR, not about 60 €."),
    ],
)
def test_prices(words: str, status: Status, catalog_value: str, sentences: str) -> None:
    price = verdict(words, status, PRICE, catalog_value=catalog_value)
    price = replace(price, requirement=replace(price.requirement, values=(), bounds=Range(PRICE, lte=5000)))
    assert explanation([verdict("jacket", MET, "article"), price]) == sentences


def test_doubts_are_said_as_doubts() -> None:
    given = replace(verdict("navy", MET, "colour"), probability=0.7)
    assert explanation([given, verdict("shirt", MET, "article")]) == "A shirt, as asked; it is probably navy."
    given = replace(verdict("navy", CONTRADICTED, "colour"), probability=0.3)
    assert explanation([given]) == "It is probably not navy."
    nothing = replace(verdict("navy", UNKNOWN, "colour"), evidence=Evidence.NOTHING)
    assert explanation([nothing]) == "Neither the listing nor the photo tells whether it is navy."
    assert explanation([nothing], has_image=False) == "The listing does not tell whether it is navy."
    both = replace(nothing, evidence=Evidence.BOTH)
    assert explanation([replace(both, catalog_value="black")]) == (
        "The listing and the photo leave open whether it is navy."
    )
    doubted = replace(both, catalog_value="navy", catalog_agrees=True)
    assert explanation([doubted]) == "The listing says so, but the photo leaves open whether it is navy."


@pytest.mark.parametrize(
    ("said", "opening"),
    [
        (CatalogValue(MENTIONED_LOGIT, "16 gb"), "The listing says so, but the photo leaves open"),
        (CatalogValue(DENIED_LOGIT, "8 gb"), "The listing and the photo leave open"),
    ],
)
def test_only_what_the_listing_has_is_said_by_it(said: CatalogValue, opening: str) -> None:
    doubted = verdict_of(Requirement("16 gb"), said, -said.logit)
    assert explanation([doubted]).startswith(opening)


def test_what_a_photo_asks_for_is_as_in_the_photo() -> None:
    shown = verdict("dress", MET, "article")
    given = replace(shown, requirement=replace(shown.requirement, source=RequirementSource.PHOTO))
    assert explanation([given]) == "A dress, as in your photo."


def test_a_field_in_few_words() -> None:
    assert fact(verdict("hoodie", MET, "style_general")) == "style hoodie: met"


def test_rng_choose_other_words_for_the_same() -> None:
    verdicts = [verdict("navy", MET, "colour"), verdict("men", CONTRADICTED, "gender", image_value="women")]
    said = {explanation(verdicts, random.Random(seed)) for seed in range(50)}
    assert len(said) > 3
    assert all("navy" in text and "men" in text and "women" in text for text in said)
    assert all(text.endswith(".") and text.count(".") <= 2 for text in said)
