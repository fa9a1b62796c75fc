"""How shoppers word a label: singular, plural, synonyms, and one key for all spellings of a value."""

from __future__ import annotations

import re

SYNONYMS: dict[str, tuple[str, ...]] = {
    "tshirt": ("t-shirt", "tee", "tee shirt"),
    "longsleeve": ("long sleeve shirt", "long-sleeved t-shirt"),
    "trouser": ("pants", "slacks"),
    "pant": ("trousers",),
    "sweater": ("jumper", "pullover"),
    "sweatshirt": ("hoodie", "sweat shirt"),
    "outwear": ("outerwear", "coat", "jacket"),
    "handbag": ("purse", "ladies bag"),
    "backpack": ("rucksack",),
    "sportsshoe": ("trainers", "running shoes", "sneakers"),
    "casualshoe": ("sneakers", "everyday shoes"),
    "formalshoe": ("dress shoes", "office shoes"),
    "heel": ("high heels", "pumps"),
    "flat": ("ballet flats", "flat shoes"),
    "flipflop": ("thongs", "slippers"),
    "cap": ("baseball cap",),
    "sunglass": ("shades", "sun glasses"),
    "watch": ("wristwatch",),
    "wallet": ("billfold",),
    "perfumeandbodymist": ("perfume", "body mist", "fragrance"),
    "deodorant": ("deo",),
    "nailpolish": ("nail varnish", "nail paint"),
    "necklaceandchain": ("necklace", "chain"),
    "kajalandeyeliner": ("kajal", "eyeliner"),
    "innerwearvest": ("vest", "undershirt"),
    "nightdress": ("nightgown", "nightie"),
    "nightsuit": ("pyjamas", "pajamas"),
    "trackpant": ("joggers", "sweatpants"),
    "tie": ("necktie",),
    "brief": ("underpants",),
    "muffler": ("scarf",),
    "aubergine": ("eggplant",),
    "zucchini": ("courgette",),
    "satsuma": ("mandarin",),
    "redbeet": ("beetroot",),
    "yoghurt": ("yogurt",),
    "innerwear": ("underwear",),
    "topwear": ("top",),
    "bottomwear": ("bottoms",),
    "eyewear": ("glasses",),
    "personalcare": ("cosmetics",),
    "footwear": ("shoes",),
}
"""Other words for a kind of product, by its key. They widen captions; they never say what is a match."""


_UNCOUNTABLE = ("wear", "ery", "apparel", "clothing", "care", "fragrance", "makeup", "milk")


def singular(phrase: str) -> str:
    """The singular of an English phrase's last word, by its ending; good enough for product names."""
    if phrase.endswith("ories"):
        return phrase[:-3] + "y"
    if phrase.endswith(("sses", "ches", "shes", "xes")):
        return phrase[:-2]
    if phrase.endswith("s") and not phrase.endswith(("ss", "us")):
        return phrase[:-1]
    return phrase


def plural(phrase: str) -> str:
    """The plural of an English phrase's last word, by its ending."""
    if phrase.endswith("ory"):
        return phrase[:-1] + "ies"
    if phrase.endswith(_UNCOUNTABLE):
        return phrase
    if phrase.endswith(("ss", "ch", "sh", "x")):
        return phrase + "es"
    return phrase if phrase.endswith("s") else phrase + "s"


def key(value: str) -> str:
    """One key for every spelling of a value: ``T-shirts``, ``Tshirt`` and ``t shirt`` share ``tshirt``."""
    return re.sub(r"[\W_]+", "", singular(value.strip().lower()))


def wordings(kind: str) -> tuple[str, ...]:
    """What a shopper may call this kind of product; the catalog's own word first."""
    one = singular(kind.lower())
    return tuple(dict.fromkeys((kind, one, plural(one), *SYNONYMS.get(key(kind), ()))))
