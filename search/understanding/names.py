"""Names: synonyms, and every name under which a shopper may ask for a value of the catalog."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import IntEnum
from types import MappingProxyType

from vitrina.search.analysis.bound_words import DENIED_BY
from vitrina.search.analysis.language import Language
from vitrina.search.analysis.measures import Measure, measured
from vitrina.search.analysis.spelling import fold, key, split
from vitrina.search.types.sizes import SAME_SIZES
from vitrina.search.understanding.colours import family_names, same_names

PLACEHOLDERS = frozenset(
    {"", "-", "n/a", "na", "nan", "nil", "none", "null", "other", "others", "undefined", "unknown"}
)
"""Values that mean that there is no value, case-folded."""

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
        # phones and computers
        "smartphones": ("phone", "mobile phone", "cell phone"),
        "mobile phones": ("smartphone", "cell phone", "mobile", "cellphone"),
        "laptops": ("notebook", "notebook computer", "laptop computer"),
        "desktops": ("desktop computer", "desktop pc", "pc"),
        "televisions": ("tv", "telly"),
        "monitors": ("computer screen", "screen", "display"),
        "graphics cards": ("gpu", "video card"),
        "processors": ("cpu",),
        "motherboards": ("mainboard",),
        "power supplies": ("psu",),
        "usb sticks": ("flash drive", "thumb drive", "pen drive", "memory stick"),
        "hard drives": ("hdd", "hard disk"),
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
        "metal": (
            "steel",
            "stainless steel",
            "iron",
            "cast iron",
            "aluminium",
            "brass",
            "copper",
            "zinc",
            "galvanised",
        ),
        "wood": ("oak", "pine", "beech", "walnut", "teak", "birch", "acacia", "mahogany", "bamboo", "plywood", "mdf"),
        "stone": ("marble", "granite", "slate", "sandstone", "limestone"),
        "plastic": ("polypropylene", "acrylic", "pvc", "polycarbonate", "polyethylene", "melamine"),
        "leather": ("suede", "nubuck", "nappa"),
        "wool": ("merino", "cashmere", "lambswool", "alpaca"),
        "ceramic": ("porcelain", "stoneware", "earthenware", "terracotta"),
    }
)
"""Words that mean several kinds of thing, each of which is one: a shopper who asks for kids' shoes accepts boys'."""


class MatchType(IntEnum):
    """How closely a name names a value; smaller is closer."""

    SAME = 0
    """The value itself, in whatever spelling; ``navy`` and ``navy blue`` are the same colour."""
    SYNONYM = 1
    """Another word for it: ``trainers`` for Sports Shoes."""
    NARROWER = 2
    """A wider name that includes it: ``blue`` for Navy Blue, ``jacket`` for Rain Jacket, ``kids`` for Boys."""


PROPER = frozenset(
    {"artist", "author", "brand", "city", "collection", "country", "designer", "label", "maker", "manufacturer"}
    | {"model", "name", "producer", "seller", "series", "store", "supplier", "team", "vendor"}
    | {"marke", "hersteller", "autor", "künstler", "modell", "serie", "lieferant", "verlag", "kollektion", "stadt"}
    | {"marca", "fabricante", "artista", "modelo", "colección", "proveedor", "editorial", "ciudad", "país"}
    | {"marque", "fabricant", "auteur", "artiste", "modèle", "série", "fournisseur", "éditeur", "ville", "pays"}
    | {"produttore", "autore", "modello", "collezione", "fornitore", "editore", "città", "paese"}
    | {"merk", "fabrikant", "kunstenaar", "leverancier", "uitgever", "collectie", "stad", "land"}
    | {"marka", "producent", "seria", "kolekcja", "dostawca", "wydawca", "wydawnictwo", "miasto", "kraj"}
    | {"coleção", "fornecedor", "editora", "cidade", "märke", "varumärke", "tillverkare", "mærke", "merke"}
)
"""Words in the names of fields with proper names, which match as a whole only: Pilgrim Street is not a street."""

DASH = r"\s[-\u2013\u2014]\s"

PART = re.compile(rf"\s*(?:[,;/&+|]|\band\b)\s*|(?<=[^\W\d]){DASH}(?=[^\W\d])|:\s")

PATH = re.compile(r"[>›»]")
"""Between the levels of a path."""

LEVEL = re.compile(r"\s*[>›»]\s*|\s+")
"""Between the words of a value, and between the levels of a path, which some shops write without blanks."""

TURNED = re.compile(rf"\s*[>›»,:]\s*|{DASH}")
"""Between a thing and what kind of it: ``Wine - Red``, ``Rugs, Wool``, ``Boots > Ankle``."""

MAX_TURNED_WORDS = 2
"""Longer parts are no such names."""

ACCESSORIES = frozenset(
    {"accessory", "addon", "attachment", "consumable", "extra", "part", "replacement", "spare", "accessoire"}
    | {"accesorio", "accessori", "accessorio", "acessorio", "ricambi", "ricambio", "repuesto", "recambio", "akcesoria"}
    | {"onderdeel", "onderdelen"}
)
"""Stems of last words of kinds that are for another thing and none of it: ``Car seats > Accessories``."""

ACCESSORY_ENDINGS = ("zubehor", "zubehorteile", "ersatzteil", "ersatzteile", "toebehoren", "tillbehor", "tilbehor")
"""The same in languages that write them as one word with what they are for: ``Handyzubehör``."""

EMPTY_NOUNS = frozenset(
    {"accessory", "care", "colour", "essential", "food", "free", "good", "item", "kit", "other", "piece", "product"}
    | {"set", "size", "thing", "type", "wear"}
)
"""Stems of last words that do not name the kind of value they end: an easy-care shirt is not Personal Care."""


SIZE_KEYS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {key(split(name)): tuple(key(split(other)) for other in names) for names in SAME_SIZES for name in names}
)
"""The keys of all names of a size, by the key of each."""

DENYING = frozenset((*DENIED_BY, "no", "zero", "less", "pas", "não"))
"""Words before a noun that a value says to be missing."""


def other_names() -> Mapping[str, frozenset[str]]:
    """The keys of the synonyms of each key, both ways."""
    related: dict[str, set[str]] = defaultdict(set)
    for kind, others in SYNONYMS.items():
        group = {key(split(name)) for name in (kind, *others)}
        for name in group:
            related[name] |= group - {name}
    return MappingProxyType({name: frozenset(others) for name, others in related.items()})


def covering_names() -> Mapping[str, frozenset[str]]:
    """The keys of wider names of each key, synonyms included: Unisex is for women, and so for ladies."""
    covering: dict[str, set[str]] = defaultdict(set)
    for wide, kinds in COVERS.items():
        name = key(split(wide))
        for kind in kinds:
            covering[key(split(kind))] |= {name} | OTHER_NAMES.get(name, frozenset())
    return MappingProxyType({kind: frozenset(wide) for kind, wide in covering.items()})


OTHER_NAMES = other_names()
COVERING_NAMES = covering_names()


def is_proper(field: str) -> bool:
    """Whether a field holds proper names, judged by its own name."""
    return not PROPER.isdisjoint(split(field))


def names_of(value: str, *, proper: bool = False, colour: bool = False) -> dict[str, MatchType]:
    """The keys of all names of one value, each with how closely it names it.

    ``proper`` is for values that are proper names, ``colour`` for values of a field of colours.
    """
    names: dict[str, MatchType] = {}
    words = split(value)
    found = [(key(words), MatchType.SAME), *(() if proper else common_names(value, words, colour=colour))]
    for name, match_type in found:
        if name:
            names[name] = min(match_type, names.get(name, match_type))
    return names


def with_same_sizes(names: Mapping[str, MatchType]) -> dict[str, MatchType]:
    """The names of a size, each with the others that sizes so called have: ``large`` for ``L``."""
    same = {other: names[name] for name in names for other in SIZE_KEYS.get(name, ())}
    return {**same, **names}


def common_names(value: str, words: Sequence[str], *, colour: bool) -> Iterator[tuple[str, MatchType]]:
    """The names that are not the value itself."""
    own = key(words)
    yield from ((name, MatchType.SYNONYM) for name in OTHER_NAMES.get(own, ()))
    yield from ((name, MatchType.NARROWER) for name in COVERING_NAMES.get(own, ()))
    if colour:
        yield from ((name, MatchType.SAME) for name in same_names(words))
    for part in parts(value):
        its_words = split(part)
        if len(its_words) < len(words):
            yield key(its_words), MatchType.NARROWER
        if colour:
            yield from ((name, MatchType.NARROWER) for name in family_names(its_words))
        else:
            yield from ((name, MatchType.NARROWER) for name in kinds(part))
    yield from ((key(split(level)), MatchType.NARROWER) for level in naming_levels(value))
    if turned := turned_words(value):
        yield key(turned), MatchType.SAME


def levels(value: str) -> list[str]:
    """The levels of a path, folded: what is under ``Helmets > Bicycle`` is a helmet; none of a value that is no path.
    Their last words name none: who asks for tools to carry does not mean all under ``Power tools``."""
    found = [level.strip() for level in PATH.split(fold(value)) if split(level)]
    return found if len(found) > 1 else []


def naming_levels(value: str) -> list[str]:
    """The levels of a path that its items are: what is under ``Car seats > Accessories`` is no car seat."""
    found = levels(value)
    return found[max((at for at, level in enumerate(found) if is_accessory(level)), default=0) :]


def is_accessory(level: str) -> bool:
    """Whether a kind, or a level of a path, is of things for others: ``Spare parts``, but not ``Clothing &
    Accessories``, which lists two."""
    noun = key(split(level)[-1:])
    return len(parts(level)) == 1 and (noun in ACCESSORIES or noun.endswith(ACCESSORY_ENDINGS))


def are_accessories(value: str) -> bool:
    """Whether a kind says that its items are for other things, by itself or by a level of its path."""
    return any(map(is_accessory, levels(value) or [value]))


def turned_words(value: str) -> list[str]:
    """The words of a value as they are spoken, where it has a thing before what kind of it is meant: ``red wine`` of
    ``Wine - Red``; empty for any other value, and for numbers."""
    found = [split(part) for part in TURNED.split(fold(value))][-2:]
    if len(found) < 2 or not all(0 < len(words) <= MAX_TURNED_WORDS for words in found):
        return []
    turned = [*found[1], *found[0]]
    return turned if not any(map(str.isdigit, "".join(turned))) else []


def parts(value: str) -> list[str]:
    """The parts of a value that lists several, folded: ``Kajal and Eyeliner`` lists two things."""
    return [part for part in PART.split(fold(value)) if split(part)]


def kinds(part: str) -> Iterator[str]:
    """The kind of thing that the last word names, its synonyms and wider names: Rain Trousers are pants, solid oak is
    wood. A word joined by a hyphen names none: a T-shirt is not a shirt. Nor does a unit: 8 inches are no kind of
    inch. What is denied is none either: "no key" is no key."""
    last, words = LEVEL.split(part)[-1], split(part)
    noun = key(split(last))
    is_kind = "-" not in last and noun not in EMPTY_NOUNS and not isinstance(measured(words)[-1], Measure)
    if is_kind and DENYING.isdisjoint(words[:-1]):
        yield noun
        yield from OTHER_NAMES.get(noun, ())
        yield from COVERING_NAMES.get(noun, ())


MOST_ENDING = 3
LEAST_SHARED = 3
"""How many letters forms of one word may have after those that they share, and must share: ``guitarrista``, which has
the stem of ``guitarra``, is no form of it."""


class WordForms:
    """Which words of the names of values those of a query are forms of, in one language: ``nere`` of ``nero``. In
    English, whose forms have one key, and in a language without a stemmer, none."""

    def __init__(self, names: Iterable[str], language: Language) -> None:
        self._language = language
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        words = () if language.code in ("", "en") else dict.fromkeys(word for name in names for word in split(name))
        self._known = frozenset(words)
        for word, stem in zip(words, language.stems(tuple(words)), strict=True):
            self._by_stem[stem].append(word)

    def as_known(self, words: Sequence[str]) -> Sequence[str]:
        """A query's words, those that no name has in the form that one has."""
        if self._known.issuperset(words) or not self._known:
            return words
        return [
            word if word in self._known else self._form(word, stem)
            for word, stem in zip(words, self._language.stems(words), strict=True)
        ]

    def _form(self, word: str, stem: str) -> str:
        return next((each for each in self._by_stem.get(stem, ()) if is_form(word, each)), word)


def is_form(word: str, other: str) -> bool:
    """Whether words of one stem differ in nothing but a short ending."""
    n_shared = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(word, other, strict=False)))
    return n_shared >= LEAST_SHARED and max(len(word), len(other)) - n_shared <= MOST_ENDING
