"""The names of columns: spelled alike, and those that are well known."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from importlib.resources import files

from vitrina.indexer.sources.attributes import attribute_key
from vitrina.indexer.sources.cells import is_blank

_LETTERS = str.maketrans({"ß": "ss", "ł": "l", "ø": "o", "đ": "d", "ı": "i", "æ": "ae", "œ": "oe", "ə": "e"})
"""Letters that are no accented ones, and are left so where names are written without accents."""


def is_noise(name: str) -> bool:
    """Whether a column of this folded name is a shop's bookkeeping, which no shopper searches by and none should see:
    when a row was changed, what the shop paid for the product, what page titles say."""
    return _noise().fullmatch(name) is not None


@cache
def _noise() -> re.Pattern[str]:
    spelled = unicodedata.normalize("NFKD", "|".join(name_table("noise")["patterns"]))  # as Korean names are folded
    return re.compile(spelled)


def n_known_names(names: Sequence[str]) -> int:
    """How many of these texts are well-known names of fields, or made of known words alone: what tells a header from
    the rows around it."""
    folded_names = {own for name in names if name and len(name) <= 80 and (own := folded(name))}
    return sum(
        own in _known_names() or _known_words().issuperset(_BETWEEN.split(own)) or _is_short_name(own)
        for own in folded_names
    )


def _is_short_name(name: str) -> bool:
    """Whether a few signs of a script without blanks have a word for a field in them, as ``宝贝价格``."""
    return (
        name[0] >= WITHOUT_BLANKS
        and len(name) <= _MAX_SHORT_NAME
        and any(has_word(name, "words", field) for field in ("sku", "title", "description", "price", "image", "url"))
    )


@cache
def _known_names() -> frozenset[str]:
    tables = (*name_table("names").values(), *name_table("late").values())
    return frozenset(name for words in tables for name in words)


@cache
def _known_words() -> frozenset[str]:
    tables = (*name_table("words").values(), name_table("not")["other"])
    return frozenset(part for words in tables for word in words for part in word.split("_"))


def names_without_brackets(column: str) -> tuple[str, ...]:
    """What a column's name may be looked up by without what it has in brackets, unless that says that it is another
    column, as in ``Price (old)`` and ``Name [de]``."""
    inside = words_of(folded(" ".join(_BRACKETED.findall(column)))) - {"currency", "tax", "vat", "unit"}
    tables = (*name_table("not").values(), *name_table("codes").values(), ("lang",))
    if not any(inside) or any(not inside.isdisjoint(words) for words in tables):
        return ()
    bare = folded(_BRACKETED.sub("", column))
    return (bare, *plain_names(bare)) if bare else ()


@lru_cache(maxsize=4096)
def plain_names(name: str) -> tuple[str, ...]:
    """What else a column's folded name may be looked up by: with one sign between words, with its number apart and in
    full words (``descr1``, ``lng_txt``), and without a note that tax is in its prices (``prix_ttc``,
    ``hinta_sis_alv``)."""
    bare = re.sub(r"[._]+", "_", name).strip("_")
    words = _NUMBERED.sub("_", bare).split("_")
    full = "_".join(_full_words().get(word, word) for word in words) if len(words) > 1 else bare
    return tuple(dict.fromkeys(each for each in (bare, full, _TAXED.sub("", bare)) if each and each != name))


@cache
def _full_words() -> Mapping[str, str]:
    """The words that those of ERPs are short for."""
    return {short: word for word, all_short in name_table("short").items() for short in all_short}


@lru_cache(maxsize=4096)
def words_of(name: str) -> frozenset[str]:
    """The words of a folded name; of ``produktlank`` also what follows the product, of ``ekpreis`` what is before the
    price, and of ``preis1`` the price."""
    words = {word.rstrip("0123456789") or word for word in _BETWEEN.split(name)}
    for word in tuple(words):
        if found := _OF_PRODUCT.match(word):
            words |= {found[1], word[found.end(1) :]}
        elif found := _AS_PRICE.search(word):
            words |= {found[0], word[: found.start()]}
    return frozenset(words)


def is_named_as(field: str, name: str) -> bool:
    """Whether a folded name has a word of a field, and none of another's; a key's also needs one for products."""
    if not has_word(name, "words", field) or (field == "sku" and not has_word(name, "words", "product")):
        return False
    bare = next(iter(plain_names(name)[-1:]), name)
    others = (field,) if field in ("price", "image") else (field, "other")
    return not any(has_word(bare, "not", other) for other in others)


def is_called(field: str, name: str) -> bool:
    """Whether a folded name is one that a field is known by, or has a word of it."""
    return name in name_table("names")[field] or is_named_as(field, name)


def text_key(cell: Mapping[str, object], *, is_title: bool) -> str | None:
    """The key in an object of the text that it stands for: in English or another language, or of a title what is
    called one, as ``displayTitle``, or else its only text; None if no key is one's."""
    texts = {key: text for key, text in cell.items() if isinstance(text, str) and not is_blank(text)}
    if named := [key for key in (*_TEXTS, *texts) if key in texts and (key in _TEXTS or _LANGUAGE.fullmatch(key))]:
        return named[0]
    words = [key for key, text in texts.items() if any(map(str.isalpha, text)) and "//" not in text]
    titles = [key for key in words if is_named_as("title", folded(key))] or (words if len(texts) == 1 else [])
    return titles[0] if is_title and titles else None


def images_like(main: str | None) -> re.Pattern[str]:
    """The names of further images: well-known ones, and that of the main one with a number or a word
    for further ones, as ``resim1`` and ``zdjecie_dodatkowe_2``."""
    name = re.escape(main.rstrip("0123456789_")) if main else ""
    numbered = rf"|{name}_?\d+|{name}_(?:{_FURTHER})(?:_?\d+)?|(?:{_FURTHER})_{name}(?:_?\d+)?" if main else ""
    return re.compile(_MORE_IMAGES + numbered)


def has_word(name: str, table: str, field: str) -> bool:
    """Whether a folded name has one of the words or phrases that a table of ``names.toml`` lists for a field."""
    words, phrases, unspaced = _words_for(table, field)
    framed = f"_{name.replace('.', '_')}_"
    return (
        not words.isdisjoint(words_of(name))
        or any(f"_{phrase}_" in framed for phrase in phrases)
        or any(word in name for word in unspaced)
    )


@cache
def _words_for(table: str, field: str) -> tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]:
    """The words, the phrases of several words, and the words of scripts that have no blanks between them."""
    known = name_table(table).get(field, [])
    phrases = tuple(word for word in known if "_" in word)
    return frozenset(known) - {*phrases}, phrases, tuple(word for word in known if word[0] >= WITHOUT_BLANKS)


_TEXTS = ("en_US", "en-US", "en_GB", "en-GB", "en", "default", "value", "text", "name", "html", "rendered", "raw")
_LANGUAGE = re.compile(r"[a-z]{2}(?:[_-][A-Za-z]{2,4})?")
_MORE_IMAGES = (
    r"(?:additional_|all_|(?:product_)?secondary_|alternate_|alternative_|alt_|other_|variant_|product_|more_|extra_|gallery_|weitere_|zusatz)?(?:image|picture|photo|img|pic|bild"
    r"|foto|imagen|image_url|picture_url)(?:_?(?:url|link|path|src|file|location))?(?:s?_?\d+|s)(?:_url)?"
    r"|(?:product_)?(?:additional|secondary|alternate|other|variant|more|extra|detail)_?(?:image|picture|photo)(?:_?(?:url|link|path|src))?s?"
    r"|(?:image|picture|photo)s?_?(?:additional|alternative|other|extra)s?(?:_?\d+)?(?:_url)?|(?:imgurl|image)_alternative|weitere_bilder|embedded_image|media_gallery(?:_entries)?|(?:product_|image_)?gallery(?:_image_?(?:url|link)?s?|_urls?)?"
)
_FURTHER = (
    r"additional|extra|more|zusatz\w*|weitere|supplementaires?|secondaires?|adicional(?:es)?|adicionais|aggiuntiv[aeio]"
    r"|dodatkowe|doplnkov[ey]|dalsi|ek|дополнительн\w+|додатков\w+"
)
_BRACKETED = re.compile(r"\s*[(\[（【].*?[)\]）】]")
_BETWEEN = re.compile(r"[_.]")
_OF_PRODUCT = re.compile(r"(produkt|product|artikel|waren|vare|varu|tuote|toote|termek)(?=s?\w{3})s?")
_AS_PRICE = re.compile(r"(?<=\w\w)(?:preis|prijs|pris|hinta)$")
_NUMBERED = re.compile(r"(?<=[^\W\d_]{3})(?=\d$)")
_TAXED = re.compile(
    r"_(?:(?:incl?|inkl|including|included|avec|con|com|cu|su|ar|s|z|sis|met|m|mit|med|с|з|tax)_)?"
    r"(?:vat|tax(?:es)?|incl|ttc|gst|mwst|mw_st|ust|btw|iva|tva|moms|mva|dph|ddv|pdv|pvm|pvn|km_ga|alv|кдв|пдв|ндс|φπα|ддс)"
    r"|_kdv_dahil|税込|含税|_税込み"
)
_MAX_SHORT_NAME = 6
WITHOUT_BLANKS = "\u0e00"
"""From here on come scripts that are written without blanks between words: Thai, Chinese, Japanese, Korean."""


@lru_cache(maxsize=4096)
def folded(name: str) -> str:
    """A column's name as names are compared: its attribute key without accents."""
    key = attribute_key(name)
    if key.isascii():
        return key
    letters = unicodedata.normalize("NFKD", key.translate(_LETTERS))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


@cache
def name_table(name: str) -> Mapping[str, list[str]]:
    """One table of ``names.toml``, folded."""
    table = tomllib.loads(files(__package__).joinpath("names.toml").read_text("utf-8"))[name]
    if name == "noise":
        return dict(table)
    return {key: list(dict.fromkeys(map(folded, words))) for key, words in table.items()}
