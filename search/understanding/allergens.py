"""Allergens: who avoids gluten avoids what a field of allergens says to hold wheat, and a vegan what holds milk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from vitrina.search.analysis.spelling import fold, key, split
from vitrina.search.types.requirement import Requirement

FIELD_NAMES = frozenset(
    map(key, (["allergen"], ["allergy"], ["allergene"], ["allergène"], ["alérgeno"], ["alergeno"], ["alergen"]))
) | {"allergeen", "allergenen", "allergeni", "alergeny", "allergener"}
"""Keys of the words in the names of fields that list what an item holds: ``allergens``, ``allergy_advice``."""

WHOLE_FIELD_NAMES = frozenset({"contains", "maycontain", "containsallergen"})
"""Keys of whole names of such fields."""

SHELLFISH = ("crustacean", "mollusc", "mollusk", "crab", "lobster", "prawn", "shrimp", "mussel", "oyster", "squid")
SEAFOOD = ("fish", "shellfish", "seafood", *SHELLFISH)
HELD_IN: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "gluten": ("wheat", "barley", "rye", "oat", "spelt", "kamut", "durum", "semolina", "cereal", "malt"),
        "wheat": ("spelt", "durum", "semolina", "gluten", "cereal"),
        "milk": ("dairy", "lactose", "casein", "whey", "butter", "cream", "cheese"),
        "dairy": ("milk", "lactose", "casein", "whey", "butter", "cream", "cheese"),
        "lactose": ("milk", "dairy", "whey", "cream"),
        "nut": (
            *("tree nut", "almond", "hazelnut", "walnut", "cashew", "pecan", "pistachio", "macadamia", "brazil"),
            *("peanut", "groundnut"),
        ),
        "peanut": ("groundnut",),
        "egg": (),
        "soya": ("soy", "soja", "soybean", "soyabean"),
        "soy": ("soya", "soja", "soybean", "soyabean"),
        "fish": ("seafood",),
        "shellfish": (*SHELLFISH, "seafood"),
        "seafood": SEAFOOD,
        "sesame": (),
        "mustard": (),
        "celery": ("celeriac",),
        "lupin": ("lupine",),
        "sulphite": ("sulfite", "sulphur", "sulfur", "sulphur dioxide", "sulfur dioxide", "so2"),
        "sulfite": ("sulphite", "sulphur", "sulfur", "sulphur dioxide", "sulfur dioxide", "so2"),
        **dict.fromkeys(("almond", "hazelnut", "walnut", "cashew", "pecan", "pistachio"), ("nut", "tree nut")),
        **dict.fromkeys(("crab", "lobster", "prawn", "shrimp"), ("shellfish", "crustacean")),
    }
)
"""What a field may say where an item holds what somebody avoids."""

DIETS: Mapping[tuple[str, ...], tuple[str, ...]] = MappingProxyType(
    {
        ("vegan",): ("milk", "egg", "honey", "seafood"),
        ("vegans",): ("milk", "egg", "honey", "seafood"),
        ("plant", "based"): ("milk", "egg", "honey", "seafood"),
        ("vegetarian",): ("seafood",),
        ("vegetarians",): ("seafood",),
        ("veggie",): ("seafood",),
        ("coeliac",): ("gluten",),
        ("coeliacs",): ("gluten",),
        ("celiac",): ("gluten",),
        ("celiacs",): ("gluten",),
    }
)
"""What those avoid who ask for something of their own, by the words that they ask with."""

NOTHING_MORE = frozenset({"any", "kind", "product", "products", "trace", "traces", "of", "in", "it", "at", "all"})
"""Words beside an allergen that change nothing of what is avoided."""

DENIED = frozenset({"no", "none", "free", "without", "not"})
"""Words of a value that says that an item lacks an allergen."""


def is_of_allergens(field: str) -> bool:
    """Whether a field lists what items hold, judged by its own name."""
    words = split(field)
    return key(words) in WHOLE_FIELD_NAMES or any(key([word]) in FIELD_NAMES or word in FIELD_NAMES for word in words)


def allergen_requirements(
    asked: Sequence[Requirement], words: Sequence[str], fields: Mapping[str, Sequence[str]]
) -> list[Requirement]:
    """What a query asks for, its folded ``words``, with what it avoids as values of a catalog's ``fields`` of
    allergens, one at least: ``gluten`` as ``wheat``. Who asks for something vegan avoids milk."""
    field = min(fields, key=lambda each: ("may" in split(each), -len(fields[each])))
    found = []
    for each in asked:
        held = () if each.wanted else avoided(each.words, fields[field])
        found += [] if held and each.is_free else [each]
        found += [Requirement(each.words, field, held, wanted=False)] if held else []
    diets = (diet for diet in DIETS if any(tuple(words[at : at + len(diet)]) == diet for at in range(len(words))))
    for diet in diets:
        if any(each.wanted and " ".join(diet) in each.words for each in asked):
            taboos = {name: tuple(holding([name], fields[field])) for name in DIETS[diet]}
            found += [Requirement(name, field, held, wanted=False) for name, held in taboos.items() if held]
    return found


def avoided(asked: str, values: Sequence[str]) -> tuple[str, ...]:
    """Those of a field's values that say that an item holds what words deny, if these are allergens alone."""
    names = [key([word]) for word in split(asked) if word not in NOTHING_MORE]
    held_in = {name: tuple(holding([name], values)) for name in names}
    if not all(held or name in HELD_IN for name, held in held_in.items()):
        return ()
    return tuple(dict.fromkeys(value for held in held_in.values() for value in held))


def holding(names: Iterable[str], values: Sequence[str]) -> Iterator[str]:
    """Those of a field's values that say that an item holds any of some allergens."""
    sought = {key(split(each)) for name in names for each in (name, *HELD_IN.get(name, ()))}
    for value in values:
        words = split(fold(value))
        runs = (words[at : at + n] for n in (1, 2) for at in range(len(words)))
        if DENIED.isdisjoint(words) and any(key(run) in sought for run in runs):
            yield value
