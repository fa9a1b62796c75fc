"""Titles and descriptions, worded from a product's attributes."""

from __future__ import annotations

import random
from collections.abc import Mapping

BRANDS = (
    "Alder & Finch", "Maren", "Kestrel Row", "Oddfellow", "Linden Lane", "Petra Voss", "Harbour & Hale", "Nomi",
    "Quillon", "Saltgrass", "Tamsin Bell", "Wren & Co", "Bramble", "Ostara", "Fjord Supply", "Juniper West",
    "Casa Lume", "Northway", "Ivo Laurent", "Pilgrim Street",
)  # fmt: skip

_OPENINGS = (
    "{A_thing} in {colour} {material}",
    "{Style} {article} made from {material}, in {colour}",
    "From our workshop, {a_thing} in {colour} {material}",
    "Made of {material} in {colour}: {a_thing}",
    "{Colour} {article}, {style} in shape, made of {material}",
)
_PATTERNS = {
    "solid": ("in one plain colour", "kept plain and simple", "without any print"),
    "striped": ("with even stripes", "with a striped pattern", "striped all over"),
    "checked": ("with a checked pattern", "in a classic check", "checked all over"),
    "dotted": ("scattered with dots", "with a polka dot print", "dotted all over"),
    "floral": ("with a floral print", "covered in small flowers", "with flowers all over"),
    "zigzag": ("with a zigzag pattern", "with zigzag lines", "in a lively zigzag"),
}
_CLOSINGS = {
    "casual": ("Easy to wear every day.", "Made for slow weekends.", "Goes with almost everything."),
    "formal": ("Right for the office and for dinner after.", "Dresses up without effort."),
    "sports": ("Moves with you.", "Light enough for the gym and the park."),
    "party": ("Made for evenings out.", "Turns heads at a summer wedding."),
    "travel": ("Ready for the road, whatever the weather.", "A companion for city and train."),
    "home": ("Looks good on any shelf or table.", "A quiet favourite for the home.", "A present that gets used."),
}
_FOR = {"men": " for men", "women": " for women", "unisex": ""}


def title_case(words: str) -> str:
    """``words`` with each word, and each part of a hyphenated word, capitalised."""
    return " ".join("-".join(part[:1].upper() + part[1:] for part in word.split("-")) for word in words.split())


def write_title(attributes: Mapping[str, str], chance: random.Random) -> str:
    """A title with brand, pattern, material, article and colour, in title case; gender and style now and then."""
    words = [attributes["brand"]]
    if attributes["gender"] != "unisex" and chance.random() < 0.45:
        words.append("Men's" if attributes["gender"] == "men" else "Women's")
    if attributes["pattern"] != "solid":
        words.append(attributes["pattern"])
    words.append(attributes["material"])
    if chance.random() < 0.4:
        words.append(attributes["style"])
    words.append(attributes["article"])
    colour = attributes["colour"]
    if chance.random() < 0.25:
        return title_case(" ".join([words[0], colour, *words[1:]]))
    return f"{title_case(' '.join(words))} in {title_case(colour)}"


def _counted(style: str, article: str) -> str:
    if article.endswith("s") and article != "dress":
        return f"a pair of {style} {article}"
    return f"{'an' if style[0] in 'aeiou' else 'a'} {style} {article}"


def write_description(attributes: Mapping[str, str], chance: random.Random) -> str:
    """One or two sentences that say only what ``attributes`` say."""
    facts = dict(attributes)
    facts["a_thing"] = _counted(attributes["style"], attributes["article"])
    facts["A_thing"] = facts["a_thing"].capitalize()
    facts["Style"], facts["Colour"] = attributes["style"].capitalize(), attributes["colour"].capitalize()
    opening = chance.choice(_OPENINGS).format(**facts)
    pattern = chance.choice(_PATTERNS[attributes["pattern"]])
    first = f"{opening}{_FOR[attributes['gender']]}, {pattern}."
    if chance.random() < 0.25:
        return first
    return f"{first} {chance.choice(_CLOSINGS[attributes['usage']])}"
