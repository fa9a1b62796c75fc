"""The catalog: every product follows from its index and a seed alone."""

from __future__ import annotations

import random
from collections.abc import Iterator
from types import MappingProxyType

from boutique.articles import ALL_COLOURS, ARTICLES, MATERIAL_COLOURS, MATERIAL_PATTERNS, Article
from boutique.product import Product
from boutique.wording import BRANDS, write_description, write_title

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
