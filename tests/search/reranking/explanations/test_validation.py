"""What a model wrote, held against the verdicts: a table of what passes and what does not, and all the templates."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.reranking.verdicts import CONTRADICTED, MET, UNKNOWN, verdict
from vitrina.search.reranking.explanations.generation import ObjectionKind, find_objection
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.types.requirement import Status, Verdict
from vitrina.search.understanding.catalog_attributes import Vocabulary

VOCABULARY = Vocabulary(
    {
        "article": ["Shirt", "Dress", "Jacket", "Rain Jacket", "T-Shirts", "Kajal and Eyeliner", "Picture"],
        "colour": ["Navy Blue", "Red", "Black", "Blue", "Sky Blue", "White"],
        "material": ["Linen", "Cotton"],
        "gender": ["Men", "Women", "Unisex"],
        "pattern": ["Striped", "Solid", "Dotted"],
        "brand": ["One", "Perfect Fit", "Well"],
    }
)

NAVY = verdict("navy", MET, "colour", values=("Navy Blue",))
BLUE = verdict("blue", MET, "colour", values=("Blue", "Navy Blue"), narrower=("Navy Blue",), catalog_value="Navy Blue")
SHIRT = verdict("shirt", MET, "article")
NO_SHIRT = verdict("shirt", CONTRADICTED, "article", image_value="dress")
LINEN = verdict("linen", UNKNOWN, "material")
UNSTRIPED = verdict("striped", MET, "pattern", wanted=False)
STRIPED = verdict("striped", CONTRADICTED, "pattern", wanted=False)
POCKETS = verdict("pockets", MET)
CONFLICT = verdict("navy", MET, "colour", disagreement="listing says navy, photo looks black")
MEN = verdict("men", CONTRADICTED, "gender", image_value="women")
TEE = verdict("tee", MET, "article", values=("T-Shirts",))
PAIR = verdict("red or blue", MET, "colour", values=("Red", "Blue"))

Given = tuple[list[Verdict], str]

SOUND: list[Given] = [
    ([NAVY], "It is navy."),
    ([NAVY], "The colour is navy blue, as you asked."),
    ([NAVY], "The color matches your request for navy."),
    ([NAVY], "It looks navy in the photo!"),
    ([NAVY, SHIRT], "This is a navy shirt."),
    ([NAVY, SHIRT], "This navy shirt fits what you asked for."),
    ([NAVY, SHIRT], "It is a shirt and its colour is navy."),
    ([NAVY, NO_SHIRT], "It is navy, but it is a dress and not a shirt."),
    ([NAVY, NO_SHIRT], "Although it is navy, this is a dress instead of a shirt."),
    ([NAVY, NO_SHIRT], "The navy dress isn't a shirt."),
    ([NAVY, NO_SHIRT], "Navy; not a shirt."),
    ([NO_SHIRT], "The shirt you asked for does not match: this is no shirt but a dress."),
    ([NO_SHIRT, MEN], "It is neither a shirt nor for men."),
    ([NAVY, LINEN], "It is navy. The photo does not tell whether it is linen."),
    ([NAVY, LINEN], "The colour is navy, but it can't be confirmed that the material is linen."),
    ([NAVY, LINEN], "It's navy, though it is not known if it is made of linen."),
    ([LINEN, NAVY], "Linen cannot be verified, and it is navy."),
    ([UNSTRIPED], "It isn't striped, just as you wanted."),
    ([UNSTRIPED, NAVY], "It is navy without being striped."),
    ([UNSTRIPED, NAVY], "It is navy, not striped."),
    ([STRIPED], "The pattern is striped, which you did not want."),
    ([STRIPED, NAVY], "It is navy. You did not want striped, but it is striped."),
    ([POCKETS, UNSTRIPED], "It has pockets and is not striped."),
    ([BLUE], "It is navy blue and so is blue."),
    ([CONFLICT], "The listing says navy, but the photo looks black."),
    ([CONFLICT, SHIRT], "It is a shirt. Listing says navy, photo looks black, so the colour is in doubt."),
    ([TEE], "It is a t-shirt."),
    ([PAIR], "It is red or blue."),
    ([verdict("kajal & eyeliner", MET, "article", values=("Kajal and Eyeliner",))], "It is kajal and eyeliner."),
    ([verdict("for running", UNKNOWN)], "Whether it is for running cannot be told."),
    ([verdict("size 10.5", MET, "shoe_size", values=("10.5",))], "The shoe size is 10.5."),
    ([verdict("أحمر", MET, "colour")], "It is أحمر."),
    ([verdict("grün", CONTRADICTED, "farbe", image_value="weiß")], "It is not grün but weiß."),
]

UNSOUND: list[tuple[list[Verdict], str, ObjectionKind]] = [
    # nothing, too much, half, in other characters
    ([NAVY], "", ObjectionKind.EMPTY),
    ([NAVY], "  ", ObjectionKind.EMPTY),
    ([NAVY], "It is navy" + ", and it is navy" * 20 + ".", ObjectionKind.LONG),
    ([NAVY], "It is navy", ObjectionKind.CUT_OFF),
    ([NAVY, SHIRT], "It is a shirt. It is na", ObjectionKind.CUT_OFF),
    ([NAVY], "It is navy\x1b[31m.", ObjectionKind.UNUSUAL),
    ([NAVY], "It is\nnavy.", ObjectionKind.UNUSUAL),
    ([NAVY], "It is navy \u202eyvan.", ObjectionKind.UNUSUAL),
    ([NAVY], "Это navy.", ObjectionKind.UNUSUAL),
    ([NAVY], "It is navy 👍.", ObjectionKind.UNUSUAL),
    ([NAVY], "It is <b>navy</b>.", ObjectionKind.UNUSUAL),
    ([NAVY], '{"explanation": "It is navy."}', ObjectionKind.UNUSUAL),
    # what no verdict supports
    ([NAVY], "It is navy and red.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is a navy dress.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy and made of linen.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy for women.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy with pockets.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy and not dotted.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is dark navy.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy and costs 20.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy, see shop.example.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is navy. The material is the same.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "The navy is a picture.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is a perfect fit, navy.", ObjectionKind.UNSUPPORTED),
    ([NAVY], "It is sky blue.", ObjectionKind.UNSUPPORTED),
    ([PAIR], "It is red.", ObjectionKind.UNSUPPORTED),
    ([verdict("rain", MET)], "It is a rain jacket.", ObjectionKind.UNSUPPORTED),
    # a verdict told as another
    ([NAVY], "It is not navy.", ObjectionKind.CONTRARY),
    ([NAVY], "It is no navy.", ObjectionKind.CONTRARY),
    ([NAVY], "Navy is not met.", ObjectionKind.CONTRARY),
    ([NAVY], "Navy is missing.", ObjectionKind.CONTRARY),
    ([NAVY], "Whether it is navy cannot be told.", ObjectionKind.CONTRARY),
    ([NAVY], "It might be navy.", ObjectionKind.CONTRARY),
    ([NAVY], "It is not not navy.", ObjectionKind.CONTRARY),
    ([NAVY], "It is navy. This is not true.", ObjectionKind.CONTRARY),
    ([NAVY], "The colour is navy, which cannot be confirmed.", ObjectionKind.CONTRARY),
    ([NAVY], "It is navy, which you did not want.", ObjectionKind.CONTRARY),
    ([NAVY], "You did not ask for navy, but it is navy.", ObjectionKind.CONTRARY),
    ([NO_SHIRT], "It is a shirt.", ObjectionKind.CONTRARY),
    ([NO_SHIRT], "It is a shirt and not a dress.", ObjectionKind.CONTRARY),
    ([NO_SHIRT], "It is a dress, as you asked, and not a shirt.", ObjectionKind.CONTRARY),
    ([NO_SHIRT], "The shirt is a dress.", ObjectionKind.CONTRARY),
    ([NO_SHIRT, NAVY], "It is not navy for this shirt.", ObjectionKind.CONTRARY),
    ([NO_SHIRT, NAVY], "It is navy, not a shirt. It is an exact match.", ObjectionKind.CONTRARY),
    ([NO_SHIRT], "It fits your request. It is not a shirt.", ObjectionKind.CONTRARY),
    ([NO_SHIRT, NAVY], "It does not match the navy and the shirt.", ObjectionKind.CONTRARY),
    ([LINEN], "It is linen.", ObjectionKind.CONTRARY),
    ([LINEN], "It is not linen.", ObjectionKind.CONTRARY),
    ([LINEN, NAVY], "Whether it is navy cannot be told and the material is linen.", ObjectionKind.CONTRARY),
    ([UNSTRIPED], "It is striped.", ObjectionKind.CONTRARY),
    ([UNSTRIPED], "It is striped, as you asked.", ObjectionKind.CONTRARY),
    ([UNSTRIPED], "It is striped, which you did not want.", ObjectionKind.CONTRARY),
    ([UNSTRIPED], "You wanted striped, but it is not striped.", ObjectionKind.CONTRARY),
    ([STRIPED], "It is not striped.", ObjectionKind.CONTRARY),
    ([STRIPED], "It is striped, which you did want.", ObjectionKind.CONTRARY),
    ([STRIPED], "As you asked, it is striped.", ObjectionKind.CONTRARY),
    ([NAVY, LINEN], "The material is navy; whether it is linen cannot be told.", ObjectionKind.CONTRARY),
    ([CONFLICT], "It is not navy. Listing says navy, photo looks black.", ObjectionKind.CONTRARY),
    ([CONFLICT], "The listing says black, photo looks navy.", ObjectionKind.UNSUPPORTED),
    # what a shopper would not say
    ([NAVY], "It fits navy.", ObjectionKind.ENGLISH),
    ([TEE], "The article is a t-shirt.", ObjectionKind.ENGLISH),
    ([NO_SHIRT], "It is not shirt but a dress.", ObjectionKind.ENGLISH),
    ([NO_SHIRT], "It is not a shirt but dress.", ObjectionKind.ENGLISH),
    ([NO_SHIRT], "It is a a dress, not a shirt.", ObjectionKind.ENGLISH),
    ([NO_SHIRT], "It is an dress, not a shirt.", ObjectionKind.ENGLISH),
    ([NO_SHIRT], "it is a dress, not a shirt.", ObjectionKind.ENGLISH),
    ([MEN], "The gender is women, not men.", ObjectionKind.ENGLISH),
    ([MEN], "It is not men but for women.", ObjectionKind.ENGLISH),
    ([verdict("shoes", MET, "article")], "It is a shoes.", ObjectionKind.ENGLISH),
    ([verdict("shoes", MET, "article")], "It is shoes.", ObjectionKind.ENGLISH),
    ([verdict("shoes", MET, "article")], "They is shoes.", ObjectionKind.ENGLISH),
    ([verdict("casual", MET, "style_general")], "The style_general is casual.", ObjectionKind.ENGLISH),
    ([verdict("casual", MET, "styleGeneral")], "The styleGeneral is casual.", ObjectionKind.ENGLISH),
    ([verdict("casual", MET, "style")], "The style is is casual.", ObjectionKind.ENGLISH),
    # a verdict left out
    ([NAVY, SHIRT], "It is navy.", ObjectionKind.UNMENTIONED),
    ([NAVY, NO_SHIRT], "It is navy.", ObjectionKind.UNMENTIONED),
    ([NAVY, NO_SHIRT], "It is a navy dress.", ObjectionKind.UNMENTIONED),
    ([NAVY, LINEN], "It is navy.", ObjectionKind.UNMENTIONED),
    ([STRIPED], "You did not want striped.", ObjectionKind.UNMENTIONED),
    ([NAVY], "You asked for navy.", ObjectionKind.UNMENTIONED),
    ([CONFLICT], "It is navy.", ObjectionKind.UNMENTIONED),
    ([BLUE], "It is navy blue.", ObjectionKind.UNMENTIONED),
]


@pytest.mark.parametrize(("verdicts", "text"), SOUND)
def test_sound_sentences_pass(verdicts: list[Verdict], text: str) -> None:
    assert find_objection(text, verdicts, VOCABULARY) is None


@pytest.mark.parametrize(("verdicts", "text", "fault"), UNSOUND)
def test_unsound_sentences_do_not(verdicts: list[Verdict], text: str, fault: ObjectionKind) -> None:
    found = find_objection(text, verdicts, VOCABULARY)
    assert found is not None
    assert found.fault is fault


WORDS = {
    "article": ("shirt", "dress", "rain jacket", "kajal and eyeliner", "t-shirts", "men's shoes"),
    "colour": ("navy", "navy blue", "blue", "sky blue", "red, blue", "off-white", "black or white"),
    "material": ("linen", "100% cotton", "stainless steel"),
    "gender": ("men", "women", "unisex"),
    "master_category": ("fruits & vegetables", "home/kitchen"),
    "": ("see-through", "for running", "a hood", "gold buttons", "with a belt", "grün", "أحمر", "10.5 cm"),
}


@st.composite
def verdict_lists(draw: st.DrawFn) -> list[Verdict]:
    """One to five verdicts on different words, in any standing, with what was seen instead, or a quarrel."""
    everything = [(field, words) for field, several in WORDS.items() for words in several]
    chosen = draw(st.lists(st.sampled_from(everything), min_size=1, max_size=5, unique_by=lambda each: each[0] or each))
    found = []
    for field, words in chosen:
        others = [other for other in WORDS[field] if other != words] if field else []
        image_value = draw(st.none() | st.sampled_from(others)) if others else None
        one = verdict(
            words, draw(st.sampled_from(list(Status))), field, wanted=draw(st.booleans()), image_value=image_value
        )
        if image_value and draw(st.integers(0, 5)) == 0:
            one = replace(one, disagreement=f"listing says {words}, photo looks {image_value}")
        found.append(one)
    return found


@given(verdict_lists(), st.integers(0, 1 << 16))
def test_the_template_passes_in_all_of_its_wordings(verdicts: list[Verdict], seed: int) -> None:
    for text in (explanation(verdicts), *(explanation(verdicts, random.Random(seed + n)) for n in range(8))):
        assert find_objection(text, verdicts, VOCABULARY) is None, text


@given(verdict_lists(), st.integers(0, 1 << 16), st.data())
def test_a_template_about_other_verdicts_does_not(verdicts: list[Verdict], seed: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(verdicts) - 1))
    one = verdicts[at]
    if one.disagreement:
        return
    text = explanation(verdicts, random.Random(seed))
    for status in set(Status) - {one.status}:
        others = [*verdicts[:at], replace(one, status=status), *verdicts[at + 1 :]]
        assert find_objection(text, others, VOCABULARY) is not None, text
    assert find_objection(text, [*verdicts, verdict("waterproof", MET)], VOCABULARY) is not None
    assert find_objection(text, [each for each in verdicts if each is not one], VOCABULARY) is not None


def test_catalog_values_named_like_function_words_are_stop_words() -> None:
    assert find_objection("This one is navy as well.", [NAVY], VOCABULARY) is None
    assert find_objection("The picture shows navy.", [NAVY], Vocabulary({})) is None


def test_a_long_query_may_have_a_long_explanation() -> None:
    verdicts = [verdict(f"{letter * 12} {letter * 9}", MET) for letter in "abcdefghijklmnop"]
    assert len(explanation(verdicts)) > 280
    assert find_objection(explanation(verdicts), verdicts, VOCABULARY) is None
