"""Fields: their names and values in people's words, and the role that the values play in a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from vitrina.search.analysis.spelling import key, split, stem
from vitrina.search.reranking.explanations import lexicon
from vitrina.search.reranking.explanations.nouns import enumerated, noun
from vitrina.search.types.filters import PRICE
from vitrina.search.types.requirement import Requirement, RequirementSource


class Role(Enum):
    """What a field's values are in a sentence."""

    KIND = auto()
    """A noun: ``it is a hoodie``."""
    CATEGORY = auto()
    """``it is filed under kitchen``; a noun where it plainly is one."""
    DESCRIPTION = auto()
    """An adjective: ``it is navy``."""
    AUDIENCE = auto()
    MATERIAL = auto()
    PURPOSE = auto()
    SEASON = auto()
    BRAND = auto()
    SIZE = auto()
    PROPERTY = auto()
    """Anything else: ``its sleeve length is short``."""
    PHRASE = auto()
    """The shopper's words, quoted: ``it matches “beach party”``."""


_ROLES: Final = (
    (Role.DESCRIPTION, lexicon.DESCRIPTIONS),
    (Role.MATERIAL, lexicon.MATERIALS),
    (Role.AUDIENCE, lexicon.AUDIENCES),
    (Role.SEASON, lexicon.SEASONS),
    (Role.PURPOSE, lexicon.PURPOSES),
    (Role.BRAND, lexicon.BRANDS),
    (Role.SIZE, lexicon.SIZES),
    (Role.CATEGORY, lexicon.CATEGORIES),
)

PATH_MARK: Final = re.compile(r"\s*[>»|/›]\s*")
"""What stands between the parts of a path of categories."""

_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NAMESPACE: Final = re.compile(r"^(?:\w+[:.])+|^(?:attribute[ _])?(?:pa_|attr_|meta_|custom_)", re.IGNORECASE)


def spoken_field(field: str) -> str:
    """A field's name in people's words: ``style`` for ``style_general``, ``article type`` for ``articleType``,
    ``colour`` for ``g:colour``, ``width`` for ``width_cm``."""
    if field == PRICE:
        return "price"
    words = field_words(field)
    while len(words) > 1 and words[-1] in lexicon.UNITS:
        words = words[:-1]
    return " ".join(words)


def unit_of(field: str) -> str:
    """The unit that a field's name ends with: ``cm`` for ``width_cm``; empty without."""
    words = field_words(field)
    return lexicon.UNITS.get(words[-1], "") if len(words) > 1 else ""


@lru_cache(maxsize=10_000)
def field_words(field: str) -> tuple[str, ...]:
    """The words of a field's name that say what it holds, in lower case."""
    last = re.split(r"\s*[>|/]\s*", field.strip())[-1]
    apart = _CAMEL.sub(" ", _NAMESPACE.sub("", last))
    words = [word.lower() for word in re.split(r"[\W_]+", apart) if word]
    kept = [word for word in words if word not in lexicon.QUALIFIERS] or words
    return tuple(word for at, word in enumerate(kept) if word != kept[at - 1] or not at)


def role_of(field: str, words: str, values: Sequence[str] = ()) -> Role:
    """The role of words in a field, from the field's name and, where that says little, the words and the ``values``
    that they stand for."""
    if not field:
        return Role.PHRASE
    name = spoken_field(field)
    found = _role_by_name(name)
    stems = [stem(word) for word in split(words)]
    is_about_people = bool(stems) and (stems[-1] in lexicon.PEOPLE or not lexicon.EVERYBODY.isdisjoint(stems))
    if is_about_people and len(stems) <= 3 and found in (Role.AUDIENCE, Role.CATEGORY, None):
        return Role.AUDIENCE
    if name in lexicon.STYLES and any(_is_kind(split(each)[-1]) for each in (words, *values) if split(each)):
        return Role.KIND
    return found or Role.PROPERTY


def _is_kind(last: str) -> bool:
    """Whether a value of a field of styles is a kind of thing, ``hoodie`` or ``kurtas``, and not ``casual``."""
    return stem(last) in lexicon.STYLE_KINDS or last in lexicon.PAIRS or (len(last) > 4 and last != noun(last).words)


def _role_by_name(name: str) -> Role | None:
    stems = [stem(word) for word in name.split()]
    if name in lexicon.KINDS:
        return Role.KIND
    if "colour" in stems:
        return Role.DESCRIPTION
    if len(stems) > 1 and stems[-1] == "type":
        stems = stems[:-1]
    return next((role for role, names in _ROLES if stems and stems[-1] in names), None)


def values_in(text: str, *, is_kind: bool = False) -> list[str]:
    """The values of a text that lists several, each in people's words: ``red, white`` and ``red;white`` are two; of a
    path of categories only the last part is kept."""
    if text.startswith("["):
        text = re.sub(r"[\[\]'\"]", "", text)
    if is_path(text, is_kind=is_kind):
        text = PATH_MARK.split(text.strip(" >»|/›"))[-1]
    parts = re.split(r"\s*[;|]\s*|\s*,\s+|,(?!\d)", text)
    spoken = [" ".join(part.replace("_", " ").split()) for part in parts]
    return list(dict.fromkeys(part for part in spoken if part.strip("[](){}'\" ")))


def is_path(text: str, *, is_kind: bool = False) -> bool:
    """Whether a text is a path of categories: ``Apparel > Tops``, ``a | b`` or ``a/b/c`` of a kind of thing."""
    if re.search(r"[^\s>»›][\s]*[>»›]\s*[^\s=]", text):
        return True
    return is_kind and (" / " in text or text.strip("/").count("/") > 1 or "|" in text)


def spoken(requirement: Requirement, text: str | None = None) -> str:
    """A requirement's words, or a value of its field, in people's words: a list with ``and``, alternatives with
    ``or``."""
    role = role_of(requirement.field, requirement.words, requirement.values)
    said = requirement.words if text is None else text
    if role is Role.PHRASE:
        return " ".join(said.split())
    if role not in (Role.BRAND, Role.PROPERTY):
        said = said.replace(" & ", " and ")
    parts = values_in(said, is_kind=role in (Role.KIND, Role.CATEGORY))
    parts = [_cased(part, role, requirement) for part in parts] or [said.strip()]
    if text is None and _are_alternatives(requirement):
        return re.sub(r" (?:and|&) ", " or ", enumerated(parts, "or"))
    return enumerated(parts)


def _are_alternatives(requirement: Requirement) -> bool:
    """Whether a product need have only one of the values that the words name."""
    named = {key(split(value)) for value in requirement.values if value not in requirement.narrower}
    return requirement.source is RequirementSource.WORDS and len(named) > 1


def _cased(text: str, role: Role, requirement: Requirement) -> str:
    """Proper names and codes as the catalog writes them, other words in lower case."""
    if role in (Role.BRAND, Role.SIZE, Role.PROPERTY):
        as_written = (value for value in requirement.values if key(split(value)) == key(split(text)))
        text = next(as_written, text).replace("_", " ")
        return text if role is not Role.BRAND or text != text.lower() else text.title() if text.isascii() else text
    is_shouted = text.isupper() and len(text) > 4
    return " ".join(_word_cased(word, is_shouted=is_shouted) for word in text.split())


def _word_cased(word: str, *, is_shouted: bool) -> str:
    if word.lower() in lexicon.ACRONYMS:
        return word.upper()
    is_code = not is_shouted and (word.isupper() and 1 < len(word) <= 4 and word.isalpha())
    has_own_capitals = not is_shouted and re.match(r"[a-z]+[A-Z]", word) is not None
    return word if is_code or has_own_capitals else re.sub(r"^t-?shirt", "T-shirt", word.lower())
