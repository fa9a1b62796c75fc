"""English for fields and values of any shop: no template's sentence has a fault that a shopper would notice."""

import random
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.search.reranking.verdicts import CONTRADICTED, MET, UNKNOWN, verdict
from vitrina.search.reranking.explanations.english import find_english_fault
from vitrina.search.reranking.explanations.fields import spoken_field, values_in
from vitrina.search.reranking.explanations.generation import NO_VOCABULARY, find_objection
from vitrina.search.reranking.explanations.nouns import noun
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.types.requirement import Evidence, Status, Verdict

FIELDS = {
    "kinds": ("article", "articleType", "product_type", "productType", "g:product_type", "item_type_name", "type"),
    "categories": ("category", "master_category", "subCategory", "google_product_category", "product_group_name"),
    "colours": ("colour", "base_colour", "g:color", "colour_group_name", "colorFamily", "pa_color", "main-colour"),
    "audiences": ("gender", "sex", "target_audience", "ageGroup", "department", "g:gender"),
    "materials": ("material", "fabric", "outerMaterial", "upper_material", "fabric_name"),
    "styles": ("style_general", "style", "styleName", "attribute_style"),
    "patterns": ("pattern", "pattern_type", "graphical_pattern"),
    "purposes": ("usage", "occasion", "intendedUse"),
    "sizes": ("size", "shoe_size", "sizeName"),
    "brands": ("brand", "brandName", "manufacturer"),
    "measures": ("width_cm", "weightKg", "capacity_l", "battery_capacity_mAh", "voltage_v"),
    "others": ("fit", "sleeve_length", "neckType", "care_instructions", "features", "energy_class", "raumgröße"),
    "flags": ("is_waterproof", "has_hood", "dishwasherSafe", "with_pockets"),
    "free": ("",),
}

VALUES = {
    "kinds": (
        *("hoodie", "t-shirts", "shoes", "umbrella", "LED lamp", "hour glass", "flip flops", "files & rasps"),
        *("unisex shirt", "footwear", "scarves", "batteries", "trousers", "plumber's putty", "8 mm drill"),
        *("shirt or dress", "men's shoes", "canvas", "Kleid"),
    ),
    "categories": (
        *("Apparel > Tops > Shirts", "Home / Kitchen / Kettles", "Personal Care", "kitchen", "Bags|Backpacks"),
        *("clothing", "Electronics", "accessories", "garden & outdoor > hoses", "Shoes"),
    ),
    "colours": ("navy", "Navy Blue", "red, white, blue", "off white", "multi", "dark_green", "orange", "skin"),
    "audiences": ("men", "Women", "boys", "unisex", "Men's", "kids", "baby", "male", "adult", "girls", "6-12 months"),
    "materials": ("cotton", "100% cotton", "stainless_steel", "wool, silk", "cotton blend", "wooden", "acrylic"),
    "styles": ("casual", "hoodie", "boho", "jacket", "A-line", "slim fit", "jeans"),
    "patterns": ("striped", "polka dots", "floral", "solid", "stripes", "print"),
    "purposes": ("casual", "sports", "party", "travel", "for running", "smart casual", "everyday use"),
    "sizes": ("M", "10", "XL", "size 10.5", "one size"),
    "brands": ("Nike", "adidas", "H&M", "United Colors of Benetton"),
    "measures": ("60", "1.5", "60 cm", "230"),
    "others": ("slim fit", "long", "machine wash", "A+", "round neck", "pockets, hood", "2"),
    "flags": ("waterproof", "hood", "dishwasher safe", "pockets"),
    "free": ("see-through", "for running", "a hood", "beach party", "so_so", "bora bora", "fits men", "grün", "أحمر"),
}


@st.composite
def verdict_lists(draw: st.DrawFn) -> list[Verdict]:
    """One to four verdicts about fields of any name, met or not, for sure or not, with or without a disagreement."""
    found = []
    for kind in draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4, unique=True)):
        field, words = draw(st.sampled_from(FIELDS[kind])), draw(st.sampled_from(VALUES[kind]))
        others = [value for value in VALUES[kind] if value != words]
        shown = draw(st.none() | st.sampled_from(others)) if kind not in ("free", "flags") else None
        status = draw(st.sampled_from(list(Status)))
        asked = words if kind in ("free", "flags") else draw(st.sampled_from((words, words.lower())))
        values = {"free": (), "flags": ("true",)}.get(kind, (words,))
        one = verdict(asked, status, field, values=values, wanted=draw(st.booleans()), catalog_value=shown)
        if shown and draw(st.integers(0, 4)) == 0:
            one = replace(one, disagreement=f"listing says {words}, photo looks {shown}")
        evidence = draw(st.sampled_from(list(Evidence)[: 4 if status is UNKNOWN else 3]))
        doubtful = {MET: 0.7, CONTRADICTED: 0.3, UNKNOWN: 0.5}[status]
        found.append(replace(one, evidence=evidence, probability=draw(st.sampled_from((one.probability, doubtful)))))
    return found


FAULTS = re.compile(
    r"\b\w+_\w+\b|\b[a-z]+[A-Z]\w*\b|\b(\w+) \1\b|\bfits\b|\b(?:is|are|not|be) (?:hoodie|umbrella|shirt|jacket|dress)\b"
    r"|\b(?:is|are|isn't) (?:not )?(?:probably )?(?:men|women|boys|girls|kids|males)\b(?!')|\ban? (?:an?|shoes|jeans)\b"
    r"|\ba [aeio]\w|\b[Ii]t (?:is|is not) (?:shoes|jeans|trousers|flip flops)\b|[<>|]|\bNone\b|  | [,.;]|[,.;]{2}"
)
"""Written apart from the product's own check."""


@given(verdict_lists(), st.integers(0, 1 << 16))
def test_templates_have_no_fault_with_fields_and_values_of_any_form(verdicts: list[Verdict], seed: int) -> None:
    for text in (explanation(verdicts), explanation(verdicts, random.Random(seed))):
        plain = re.sub(r"“[^”]*”", "“”", text)
        assert not FAULTS.search(plain), text
        assert find_english_fault(text, verdicts) is None, text
        assert text[0].isupper() or text[0] in "“"
        assert text.endswith(".")


@given(verdict_lists(), st.integers(0, 1 << 16))
def test_templates_say_what_the_verdicts_say(verdicts: list[Verdict], seed: int) -> None:
    for text in (explanation(verdicts), explanation(verdicts, random.Random(seed))):
        assert find_objection(text, verdicts, NO_VOCABULARY) is None, text


@pytest.mark.parametrize(
    ("words", "text", "fault"),
    [
        ("teapot", "It is not teapot.", "is not teapot"),
        ("black boots", "Nothing shows whether it is black boots.", "is black boots"),
        ("teapot", "It does not match “teapot”.", None),
        ("teapot", "It is not a teapot.", None),
        ("striped", "It is not striped.", None),
        ("red", "It is probably red.", None),
        ("for running", "It is for running.", None),
    ],
)
def test_words_that_no_field_explains_are_no_noun_without_an_article(words: str, text: str, fault: str | None) -> None:
    assert find_english_fault(text, [verdict(words, MET)]) == fault


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("style_general", "style"),
        ("product_type", "product type"),
        ("g:color", "color"),
        ("articleType", "article type"),
        ("masterCategory", "master category"),
        ("colour_group_name", "colour group"),
        ("width_cm", "width"),
        ("attribute_pa_fabric", "fabric"),
        ("isSKU", "is sku"),
        ("weight", "weight"),
    ],
)
def test_fields_in_peoples_words(field: str, words: str) -> None:
    assert spoken_field(field) == words


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("Apparel > Tops > Shirts", ["Shirts"]),
        ("a/b/c", ["c"]),
        ("a|b", ["b"]),
        ("red, white, blue", ["red", "white", "blue"]),
        ("['red', 'white']", ["red", "white"]),
        ("1,5 l", ["1,5 l"]),
        ("dark_green", ["dark green"]),
    ],
)
def test_values_in_peoples_words(text: str, values: list[str]) -> None:
    assert values_in(text, is_kind=True) == values


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("hoodie", "a hoodie"),
        ("hoodies", "a hoodie"),
        ("T-Shirts", "a T-Shirt"),
        ("watches", "a watch"),
        ("scarves", "a scarf"),
        ("umbrellas", "an umbrella"),
        ("hour glass", "an hour glass"),
        ("unisex shirt", "a unisex shirt"),
        ("LED lamp", "an LED lamp"),
        ("8 mm drill", "an 8 mm drill"),
        ("running shoes", "running shoes"),
        ("files & rasps", "files and rasps"),
        ("footwear", "footwear"),
        ("dress", "a dress"),
        ("bags for men", "a bag for men"),
    ],
)
def test_nouns_with_their_articles(words: str, said: str) -> None:
    assert noun(words).with_article == said
