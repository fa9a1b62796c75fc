"""Colours: families and their shades.

A query for ``blue`` accepts navy; a query for ``navy`` does not accept sky blue. A shade has two names, ``navy`` and
``navy blue``. ``dark blue`` accepts the dark blues, and values that say blue without saying how dark.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from vitrina.search.analysis.spelling import key, split, stem


class Tone(StrEnum):
    """How light a shade is within its family; plain if its name does not say."""

    PLAIN = ""
    DARK = "dark"
    LIGHT = "light"
    BRIGHT = "bright"


TONE_WORDS: Mapping[Tone, tuple[str, ...]] = MappingProxyType(
    {
        Tone.DARK: ("dark", "deep"),
        Tone.LIGHT: ("light", "pale", "pastel", "soft"),
        Tone.BRIGHT: ("bright", "neon", "fluorescent", "hot", "electric", "vivid"),
    }
)

FAMILIES: Mapping[str, Mapping[Tone, tuple[str, ...]]] = MappingProxyType(
    {
        "metallic": {
            Tone.PLAIN: ("gold", "silver", "bronze", "copper", "steel", "brass", "platinum", "rose gold", "gunmetal"),
        },
        "multi": {Tone.PLAIN: ("multicolour", "multicoloured", "colourful", "rainbow", "assorted")},
        "black": {Tone.DARK: ("jet", "jet black", "onyx", "ebony")},
        "white": {Tone.LIGHT: ("off white", "cream", "ivory", "ecru", "eggshell")},
        "grey": {
            Tone.DARK: ("charcoal", "anthracite", "graphite", "slate"),
            Tone.LIGHT: ("ash", "dove"),
            Tone.PLAIN: ("grey melange", "melange", "heather", "heather grey", "marl", "grey marl", "steel"),
        },
        "blue": {
            Tone.DARK: ("navy", "midnight", "petrol", "indigo"),
            Tone.LIGHT: ("sky", "baby blue", "powder blue", "ice blue", "aqua"),
            Tone.BRIGHT: ("cyan",),
            Tone.PLAIN: ("teal", "turquoise", "royal", "cobalt", "azure", "denim", "sapphire"),
        },
        "green": {
            Tone.DARK: ("olive", "bottle green", "forest", "army green", "emerald"),
            Tone.LIGHT: ("mint", "sage", "pistachio"),
            Tone.BRIGHT: ("lime",),
            Tone.PLAIN: ("teal", "khaki", "sea green", "moss", "jade"),
        },
        "red": {
            Tone.DARK: ("maroon", "burgundy", "wine", "bordeaux", "crimson"),
            Tone.BRIGHT: ("scarlet",),
            Tone.PLAIN: ("ruby", "cherry", "brick", "rust"),
        },
        "pink": {
            Tone.LIGHT: ("blush", "peach", "salmon"),
            Tone.BRIGHT: ("magenta", "fuchsia"),
            Tone.PLAIN: ("rose", "coral"),
        },
        "purple": {
            Tone.DARK: ("plum", "aubergine"),
            Tone.LIGHT: ("lavender", "lilac", "mauve"),
            Tone.PLAIN: ("violet", "magenta"),
        },
        "orange": {
            Tone.DARK: ("rust", "terracotta"),
            Tone.LIGHT: ("peach", "apricot"),
            Tone.PLAIN: ("coral", "tangerine"),
        },
        "yellow": {
            Tone.DARK: ("mustard", "ochre"),
            Tone.LIGHT: ("lemon",),
            Tone.PLAIN: ("gold",),
        },
        "brown": {
            Tone.DARK: ("coffee", "chocolate", "chestnut", "walnut", "mocha", "rust"),
            Tone.LIGHT: ("tan", "camel", "mushroom", "taupe", "khaki", "caramel"),
            Tone.PLAIN: ("cognac", "copper", "bronze"),
        },
        "beige": {
            Tone.LIGHT: ("cream", "nude", "ecru"),
            Tone.PLAIN: ("sand", "skin", "khaki", "taupe", "camel", "tan", "oatmeal"),
        },
    }
)
"""Each family's shades. A shade between two families is in both; the first one here is its main family."""


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour: its family, or a shade with the families it belongs to, its main one first, and its tones."""

    shade: str
    families: tuple[tuple[str, Tone], ...]

    @property
    def family(self) -> str:
        """The main family: ``blue`` for teal."""
        return self.families[0][0]


def shades() -> Iterator[Colour]:
    belongs: dict[str, list[tuple[str, Tone]]] = {}
    for family, tones in FAMILIES.items():
        for tone, names in tones.items():
            for name in names:
                belongs.setdefault(name, []).append((family, tone))
    for shade, families in belongs.items():
        yield Colour(shade, tuple(families))


def toned(family: str) -> Iterator[tuple[str, Tone]]:
    """A family's own name in every tone: ``blue``, ``dark blue``, ``deep blue``, ``pale blue``."""
    yield family, Tone.PLAIN
    for tone, words in TONE_WORDS.items():
        yield from ((f"{word} {family}", tone) for word in words)


def spellings(colour: Colour) -> Iterator[str]:
    """The keys of its names: ``navy`` and ``navyblue``."""
    yield key(split(colour.shade))
    for family, _ in colour.families:
        if family not in colour.shade.split():
            yield key(split(f"{colour.shade} {family}"))


def named_colours() -> Iterator[tuple[str, Colour]]:
    for shade in shades():
        yield from ((spelling, shade) for spelling in spellings(shade))
    for family in FAMILIES:
        for name, tone in toned(family):
            yield key(split(name)), Colour(name, ((family, tone),))


COLOURS: Mapping[str, Colour] = MappingProxyType(dict(reversed(list(named_colours()))))
"""Every colour that has a name here, by the name's key."""


def colour_of(words: Sequence[str]) -> Colour | None:
    """The colour that folded words name, whole or at their end (``ocean navy blue`` is a navy), or None."""
    return next((COLOURS[name] for at in range(len(words)) if (name := key(words[at:])) in COLOURS), None)


def same_names(words: Sequence[str]) -> Iterator[str]:
    """The keys of all names of exactly the colour that the words name as a whole."""
    colour = COLOURS.get(key(words))
    if colour is not None:
        yield from spellings(colour)


def family_names(words: Sequence[str]) -> Iterator[str]:
    """The keys of all names that the colour named by the words, or by their end, counts under: ``blue`` and ``dark
    blue`` for navy, and ``navy`` for an ocean navy."""
    colour = colour_of(words)
    if colour is not None:
        yield from spellings(colour)
        for family, own in colour.families:
            yield from (key(split(name)) for name, tone in toned(family) if Tone.PLAIN in (own, tone) or own == tone)


def are_colours(field: str, values: Sequence[Sequence[str]]) -> bool:
    """Whether a field with these values, in folded words, is one of colours: by its name; or because at least half of
    them are, and two are the plain names of families, which no list of fruit holds."""
    if "colour" in map(stem, split(field)):
        return True
    n_known = sum(colour_of(words) is not None for words in values)
    return 2 * n_known >= len(values) and sum(key(words) in FAMILIES for words in values) >= 2
