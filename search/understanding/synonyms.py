"""Synonyms: other words for what shops sell, and wider words that include several kinds."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SYNONYMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        # clothes
        "tshirts": ("t-shirt", "tee", "tee shirt"),
        "longsleeve": ("long sleeve shirt", "long-sleeved t-shirt"),
        "trousers": ("pants", "slacks"),
        "pants": ("trousers",),
        "sweaters": ("jumper", "pullover"),
        "sweatshirts": ("hoodie", "sweat shirt"),
        "outwear": ("outerwear", "coat", "jacket"),
        "nightdress": ("nightgown", "nightie"),
        "night suits": ("pyjamas", "pajamas"),
        "track pants": ("joggers", "sweatpants"),
        "briefs": ("underpants",),
        "innerwear vests": ("vest", "undershirt"),
        "innerwear": ("underwear",),
        "topwear": ("top",),
        "bottomwear": ("bottoms",),
        "mufflers": ("scarf",),
        "ties": ("necktie",),
        "caps": ("baseball cap",),
        # shoes
        "footwear": ("shoes",),
        "sports shoes": ("trainers", "running shoes", "sneakers"),
        "casual shoes": ("sneakers", "everyday shoes"),
        "formal shoes": ("dress shoes", "office shoes"),
        "heels": ("high heels", "pumps"),
        "flats": ("ballet flats", "flat shoes"),
        "flip flops": ("thongs", "slippers"),
        # bags and what else one carries
        "handbags": ("purse", "ladies bag"),
        "backpacks": ("rucksack",),
        "wallets": ("billfold",),
        "watches": ("wristwatch",),
        "eyewear": ("glasses",),
        "sunglasses": ("shades", "sun glasses"),
        "necklace and chains": ("necklace", "chain"),
        # care
        "personal care": ("cosmetics",),
        "perfume and body mist": ("perfume", "body mist", "fragrance"),
        "deodorant": ("deo",),
        "nail polish": ("nail varnish", "nail paint"),
        "kajal and eyeliner": ("kajal", "eyeliner"),
        # groceries
        "aubergine": ("eggplant",),
        "zucchini": ("courgette",),
        "satsumas": ("mandarin",),
        "red beet": ("beetroot",),
        "yoghurt": ("yogurt",),
        # home
        "sofas": ("couch", "settee"),
        "curtains": ("drapes",),
        "rugs": ("carpet",),
        "wardrobes": ("closet",),
        # whom it is for
        "men": ("gents", "gentlemen", "male", "guys", "him"),
        "women": ("ladies", "female", "her"),
        "kids": ("children", "youth"),
        "boys": ("lads",),
        "unisex": ("gender neutral",),
        # when and what for
        "fall": ("autumn",),
        "formal": ("office", "business"),
        "sports": ("gym", "athletic", "workout"),
        "ethnic": ("traditional",),
        # patterns and mixtures of colours
        "multi": ("multicolour", "multicoloured", "colourful", "rainbow", "assorted"),
        "striped": ("stripes", "stripy", "stripey"),
        "checked": ("checks", "checkered", "chequered", "plaid", "tartan", "gingham"),
        "dotted": ("dots", "polka dots", "spotted"),
        "floral": ("flowers", "flowery", "flower print"),
        "solid": ("plain", "unpatterned"),
        "zigzag": ("chevron",),
    }
)
"""Other words for a value. The training captions are worded with them too; there they never say what is a match."""

COVERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "men": ("unisex",),
        "women": ("unisex",),
        "kids": ("boys", "girls"),
        "nightwear": ("night suits", "nightdress"),
        "coats": ("jackets",),
        "hats": ("caps", "beanies"),
        "bags": ("handbags", "backpacks", "clutches", "rucksacks"),
        "jewellery": ("earrings", "rings", "necklace and chains", "bracelets", "bangles", "pendants"),
        "fruits": ("apples", "pears", "melons", "bananas"),
    }
)
"""Words that mean several kinds of thing, each of which is one: a shopper who asks for kids' shoes accepts boys'."""
