"""The catalog: every product, with its words, follows from its index and a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from recipes.boutique.articles import ALL_COLOURS, ARTICLES, MATERIAL_COLOURS, MATERIAL_PATTERNS, Article


@dataclass(frozen=True, slots=True)
class Product:
    """One product as a shop would list it.

    ``attributes`` are ground truth for the image, lower case: ``category``, ``subcategory``, ``article``, ``style``,
    ``colour``, ``pattern``, ``material``, ``gender``, ``season``, ``usage`` and ``brand`` (the one written as a name).
    ``price_cents`` counts the smallest unit of ``currency``, an ISO 4217 code.
    """

    sku: str
    title: str
    description: str
    attributes: Mapping[str, str]
    price_cents: int
    currency: str


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


_WARM, _COLD = ("linen", "silk"), ("wool",)
_SEASONS = {
    "shorts": "summer", "sandals": "summer", "sunglasses": "summer", "beanie": "winter", "boots": "winter",
    "jumper": "winter", "hoodie": "autumn", "jacket": "autumn", "umbrella": "autumn", "dress": "summer",
}  # fmt: skip


def _season(article: Article, material: str) -> str:
    if article.category == "home":
        return "all year"
    if material in _COLD:
        return "winter"
    return _SEASONS.get(article.name, "summer" if material in _WARM else "all year")


def _attributes(article: Article, chance: random.Random) -> dict[str, str]:
    material = chance.choice(article.materials)
    allowed = MATERIAL_PATTERNS.get(material, article.patterns)
    dyes = MATERIAL_COLOURS.get(material, ALL_COLOURS)
    return {
        "category": article.category,
        "subcategory": article.subcategory,
        "article": article.name,
        "style": chance.choice(article.styles),
        "colour": chance.choice([colour for colour in article.colours if colour in dyes]),
        "pattern": chance.choice([pattern for pattern in article.patterns if pattern in allowed]),
        "material": material,
        "gender": chance.choice(article.genders),
        "season": _season(article, material),
        "usage": chance.choice(article.usages),
        "brand": chance.choice(BRANDS),
    }


def product(index: int, *, seed: int = 0) -> Product:
    """Product number ``index`` (from 0) of the endless catalog ``seed``; the same arguments give the same product.

    Articles take turns, so any run of ``len(ARTICLES)`` indexes holds each once. Raises ``ValueError`` for a negative
    index.
    """
    if index < 0:
        raise ValueError(f"A product's index counts from 0; got {index}.")
    chance = random.Random(f"boutique {seed} {index}")
    article = ARTICLES[index % len(ARTICLES)]
    attributes = _attributes(article, chance)
    low, high = article.price
    return Product(
        sku=f"VB{seed:02d}-{index:07d}",
        title=write_title(attributes, chance),
        description=write_description(attributes, chance),
        attributes=MappingProxyType(attributes),
        price_cents=chance.randint(low, high) * 100 + chance.choice((0, 50, 90, 95)),
        currency="EUR",
    )


def products(n: int, *, seed: int = 0) -> Iterator[Product]:
    """The first ``n`` products of catalog ``seed``, made as they are asked for. ``ValueError`` if ``n`` is negative."""
    if n < 0:
        raise ValueError(f"A catalog cannot hold {n} products; ask for 0 or more.")
    return (product(index, seed=seed) for index in range(n))
