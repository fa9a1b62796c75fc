"""Catalog attributes: a vocabulary of one catalog, made of the values that its items have."""

from __future__ import annotations

import itertools
import re
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.language import Language
from vitrina.search.analysis.measures import UNITS_CALLED, Measure, amount_of, is_same, measured
from vitrina.search.analysis.spelling import fold, growing_keys, key, split
from vitrina.search.store.catalog import Catalog
from vitrina.search.types.filters import PRICE, facet_value
from vitrina.search.types.item import Item, Scalar
from vitrina.search.types.sizes import LONGEST_SIZE, is_of_sizes
from vitrina.search.understanding.allergens import is_of_allergens
from vitrina.search.understanding.colours import are_colours
from vitrina.search.understanding.kind_fields import field_names, kind_fields
from vitrina.search.understanding.names import (
    PLACEHOLDERS,
    MatchType,
    WordForms,
    are_accessories,
    is_proper,
    names_of,
    with_same_sizes,
)

MAX_VALUE_WORDS = 6
MAX_VALUE_CHARS = 60
"""Longer values are sentences, addresses or texts, not names that a shopper types."""

MAX_NAME_WORDS = 2
SENTENCE_ENDS = (".", "!", "?")
"""A value of more words that ends so is a sentence, too."""

MAX_MEASURES = 500
"""Fields with more values are not read as measures, which would take more than a millisecond a query."""

SIZE_VALUE = re.compile(r"\D{0,4}(\d{1,3}(?:[.,]\d)?)(?:\s*(?:-|–|/|to|bis)\s*(\d{1,3}(?:[.,]\d)?))?")
"""A size in numbers, or a range of them: ``EU 41``, ``39-42``."""

MAX_PROBED = 20
"""Values that are read first: where none of them is an amount, the field is none of amounts."""

OPEN_NAMES = frozenset(
    {"tag", "keyword", "schlagwort", "schlagwörter", "stichwort", "stichwörter", "motsclé", "motcle"}
    | {"etiqueta", "etichetta", "trefwoord"}
)
"""Keys of the names of fields with any words that a shop thought of."""

TEXT_NAMES = frozenset(
    {"description", "summary", "tagline", "slogan", "subtitle", "headline", "comment", "beschreibung", "descripción"}
    | {"descripcion", "descrizione", "omschrijving", "descrição", "descricao", "opis", "beskrivning"}
    | {"kurzbeschreibung"}
)
"""Words in the names of fields with texts."""

OF_OTHERS = frozenset(
    {
        "with",
        "for",
        "related",
        "compatible",
        "compatibility",
        "accessory",
        "accessories",
        "similar",
        "matching",
        "upsell",
    }
    | {"recommended", "companion", "fits", "suits", "pairs", "passend", "passt", "zubehör", "kompatibel", "compatibile"}
    | {"compatibles", "accessoires", "accesorios", "accessori", "relacionados", "akcesoria"}
)
"""Words of the names of fields that say what else an item goes with: ``compatible with``, ``pairs well with``."""

YES = frozenset({"true", "yes", "y", "ja", "oui", "sí", "si", "sì", "sim", "tak", "kyllä", "ano", "igen", "да", "evet"})
TRUE_OR_FALSE = YES | frozenset(
    {"false", "no", "n", "nein", "nee", "non", "não", "nao", "nie", "nej", "nei", "ei", "ne", "nem", "нет", "hayır"}
)
"""Values of fields that only say whether: ``waterproof: Yes``."""


OF_SHOPS = frozenset(
    {"new", "sale", "featured", "bestseller", "popular", "gift", "stock", "active", "online", "visible"}
)
"""What a field says yes or no to on a shop's behalf, and not of the thing: new shoes may have long been there."""


@dataclass(frozen=True, slots=True)
class AttributeMatch:
    """The attribute that words match: a field, and the values that satisfy them, values that the words name first.

    ``narrower`` are the ``values`` that the words do not name but include, as ``blue`` includes Navy Blue.
    """

    field: str
    values: tuple[str, ...]
    narrower: tuple[str, ...] = ()
    match_type: MatchType = MatchType.SAME
    is_colour: bool = False


class Vocabulary:
    """The attributes that words match, from each field's values as the catalog writes them. Immutable.

    ``version`` is the catalog's sequence number at which these values were first read; ``currencies`` are those of its
    prices, ISO 4217, None if nothing has a price. In a ``language`` other than English any form of its words names
    a value.
    """

    def __init__(
        self,
        values: Mapping[str, Iterable[str]],
        version: int = 0,
        currencies: tuple[str, ...] | None = None,
        language: str = "",
    ) -> None:
        self.version = version
        self.currencies = currencies
        known = {field: [value for value in held if is_name(value)] for field, held in values.items()}
        self.fields: Mapping[str, tuple[str, ...]] = MappingProxyType(
            {field: tuple(held) for field, held in known.items() if held}
        )
        self.allergens = {field: held for field, held in self.fields.items() if is_of_allergens(field)}
        """The fields that list what items hold, which no words name: ``milk`` asks for no cheese."""
        self._matches = attribute_matches({f: held for f, held in self.fields.items() if f not in self.allergens})
        described = (held for field, held in self.fields.items() if not is_proper(field))
        self._forms = WordForms(itertools.chain.from_iterable(described), Language(language))
        self._field_names = field_names(self.fields)
        self.kind_fields = kind_fields(tuple(self.fields))
        """The fields that say what kind of thing an item is."""
        of_kinds = {field: filter(are_accessories, self.fields[field]) for field in sorted(self.kind_fields)}
        accessories = {field: frozenset(map(facet_value, held)) for field, held in of_kinds.items()}
        self.accessories = {field: held for field, held in accessories.items() if held}
        """Their values, as values compare, that say that an item is for other things."""
        longest = max((len(split(value)) for held in self.fields.values() for value in held), default=0) + 1
        self.longest = max(longest, LONGEST_SIZE)
        """The most words in a row that can match: those of the longest value, one more as parts of a compound."""

    def match(self, words: Sequence[str]) -> AttributeMatch | None:
        """The attribute that folded words match as a whole, or None; the best one if several fields match.

        The field whose value the words name most closely comes first, then fields without proper names, then those of
        what an item is rather than of what it goes with, then the field with the most values.
        """
        return next(iter(self.matches(words)), None)

    def matches(self, words: Sequence[str]) -> tuple[AttributeMatch, ...]:
        """The same in every field that matches, best first."""
        return self._matches.get(key(words)) or self._matches.get(key(self._forms.as_known(words)), ())

    def prefix_matches(self, words: Sequence[str]) -> Iterator[tuple[int, tuple[AttributeMatch, ...]]]:
        """Every number of first words that match together, with the matches. Costs one look-up each."""
        words = words[: self.longest]
        both = zip(growing_keys(words, len(words)), growing_keys(self._forms.as_known(words), len(words)), strict=True)
        for (n_words, name), (_, as_known) in both:
            if found := self._matches.get(name) or self._matches.get(as_known):
                yield n_words, found

    def match_in(self, field: str, words: Sequence[str]) -> AttributeMatch | None:
        """The attribute that folded words match in one field, or None."""
        return next((match for match in self.matches(words) if match.field == field), None)

    def measure_match(self, asked: Measure, named: Sequence[str] = ()) -> AttributeMatch | None:
        """The values that are an amount, or within its bounds, in the only field whose name says the unit of its
        numbers: ``players: 2-6`` for ``4 people``, ``weight_kg: 1.2`` for ``under 2 kg``. Of a bounded amount it may be
        the only field of such amounts, or else the first that words beside it ``named``, even if none of its values is
        within the bounds. The number of a size is a value of a field of sizes, or within one: ``39-42`` for
        ``size 41``; or else a length. None without any."""
        if asked.is_size:
            lengths = {
                field: [(value, each) for value, each in held if any(unit.quantity == "length" for unit in each.units)]
                for field, held in self._measures.items()
            }
            of_length = self._answers(asked, {field: held for field, held in lengths.items() if held})
            found = [*self._sizes(amount_of(asked.numbers[0])), *of_length]
            return next((each for each in found if each.values), None)
        held_by = self._measures | self._amounts if asked.is_open else self._measures
        named_by = {field: held_by.get(field) or self._amounts_in(field) for field in named if field in self.fields}
        of_named = self._answers(asked, {field: held for field, held in named_by.items() if held})
        found = of_named[:1] or [each for each in self._answers(asked, held_by) if each.values]
        return found[0] if len(found) == 1 else None

    def _answers(self, asked: Measure, held_by: Mapping[str, Sequence[tuple[str, Measure]]]) -> list[AttributeMatch]:
        """The values of each field that are what is asked for, of those whose values measure that."""
        return [
            AttributeMatch(field, tuple(value for value, same in answers if same))
            for field, held in held_by.items()
            if (answers := [(value, is_same(asked, measure)) for value, measure in held]) and answers[0][1] is not None
        ]

    def _sizes(self, size: float) -> Iterator[AttributeMatch]:
        """The values of each field of sizes that are a number, or a range that it is within. Where a pair of numbers
        falls, as in jeans of ``34/32``, pairs are no ranges."""
        named = [field for field in self.fields if is_of_sizes(field)]
        for field in sorted(named, key=lambda each: len(split(each))):
            found = ((value, SIZE_VALUE.fullmatch(fold(value))) for value in self.fields[field][:MAX_MEASURES])
            pairs = {value: (amount_of(each[1]), amount_of(each[2] or each[1])) for value, each in found if each}
            is_ranged = all(least <= most for least, most in pairs.values())
            within = [v for v, (least, most) in pairs.items() if least <= size <= most and (least == most or is_ranged)]
            yield AttributeMatch(field, tuple(sorted(within, key=lambda each: pairs[each][0] < pairs[each][1])))

    @cached_property
    def _amounts(self) -> dict[str, list[tuple[str, Measure]]]:
        """The same of the fields most of whose values are amounts with their unit: ``ram: 16 GB``."""
        found = {field: self._amounts_in(field) for field in self.fields if self._amounts_in(field, MAX_PROBED)}
        return {field: held for field, held in found.items() if 2 * len(held) > len(self.fields[field])}

    def _amounts_in(self, field: str, most: int = MAX_MEASURES) -> list[tuple[str, Measure]]:
        """The first values of a field that tell one amount, with it: ``16 GB DDR5``."""
        values = self.fields[field][:most] if len(self.fields[field]) <= MAX_MEASURES else ()
        told = ((value, [part for part in measured(analyse(value)) if isinstance(part, Measure)]) for value in values)
        return [(value, amounts[0]) for value, amounts in told if len(amounts) == 1 and amounts[0].units]

    @cached_property
    def _measures(self) -> dict[str, list[tuple[str, Measure]]]:
        """Each value of the fields that are named for a unit, as a measure."""
        named = {field: split(field)[-1:] for field in self.fields if len(self.fields[field]) <= MAX_MEASURES}
        units = {field: "years" if unit == ["age"] else unit[0] for field, unit in named.items() if unit}
        found = {field: list(measures_of(self.fields[field], unit)) for field, unit in units.items()}
        return {field: held for field, held in found.items() if held}

    def fields_called(self, words: Sequence[str]) -> tuple[str, ...]:
        """The fields that folded words name, whole or by their last word: ``size`` names ``size`` and ``shoe_size``."""
        return self._field_names.get(key(words), ())


def measures_of(values: Iterable[str], unit: str) -> Iterator[tuple[str, Measure]]:
    """Those of some values that are measures, each with what it is: in its own unit, or else in a given one; none where
    that is no unit."""
    for value in values if (unit,) in UNITS_CALLED else ():
        terms = analyse(value)
        both = (measured(each) for each in (terms, [*terms, unit]) if 0 < len(each) <= MAX_VALUE_WORDS)
        whole = (parts[0] for parts in both if len(parts) == 1)
        if measure := next((part for part in whole if isinstance(part, Measure)), None):
            yield value, measure


def is_open(field: str) -> bool:
    """Whether a field is an open list of words, judged by its own name: an item without the tag ``sofa`` may be one."""
    return any(key([word]) in OPEN_NAMES for word in split(field)[-1:])


def is_text(field: str) -> bool:
    """Whether a field holds texts, judged by its own name: a ``short_description`` of a few words names no value."""
    return not TEXT_NAMES.isdisjoint(split(field))


def is_property(field: str, values: Iterable[str]) -> bool:
    """Whether values say yes to what a thing is or can do, and not the shop with it: ``dishwasher_safe: yes``."""
    said = {facet_value(value) for value in values}
    return bool(said) and said <= YES and OF_SHOPS.isdisjoint(split(field))


def is_of_others(field: str) -> bool:
    """Whether a field names other things, judged by its own name: ``goes with: yoghurt`` makes a spoon no yoghurt."""
    return not OF_OTHERS.isdisjoint(split(field))


def item_scalars(item: Item, field: str) -> tuple[Scalar, ...]:
    """What an item holds in a field, as the catalog writes it, without placeholders; empty where it says nothing."""
    held = item.attributes.get(field, ()) if field else ()
    values = held if isinstance(held, tuple) else (held,)
    return tuple(value for value in values if facet_value(value) not in PLACEHOLDERS)


def item_values(item: Item, field: str) -> tuple[str, ...]:
    """The same, as values compare (``facet_value``)."""
    return tuple(facet_value(value) for value in item_scalars(item, field))


def is_name(value: str) -> bool:
    """Whether a value is a name that a shopper may type: a few words, no address, no placeholder, no sentence."""
    if len(value) > MAX_VALUE_CHARS or "://" in value or "@" in value or facet_value(value) in PLACEHOLDERS:
        return False
    n_words = len(split(value))
    return 0 < n_words <= MAX_VALUE_WORDS and not (n_words > MAX_NAME_WORDS and value.rstrip().endswith(SENTENCE_ENDS))


def attribute_matches(fields: Mapping[str, Sequence[str]]) -> dict[str, tuple[AttributeMatch, ...]]:
    """The matches of every name's key, best first."""
    found: dict[str, list[AttributeMatch]] = defaultdict(list)
    for field, values in fields.items():
        for name, match in attribute_matches_within(field, values):
            found[name].append(match)

    def rank(match: AttributeMatch) -> tuple[int, bool, bool, int, str]:
        field = match.field
        return match.match_type, is_proper(field), is_of_others(field), -len(fields[field]), field

    return {name: tuple(sorted(of_name, key=rank)) for name, of_name in found.items()}


def attribute_matches_within(field: str, values: Sequence[str]) -> Iterable[tuple[str, AttributeMatch]]:
    if {facet_value(value) for value in values} <= TRUE_OR_FALSE:
        yes = tuple(value for value in values if facet_value(value) in YES)
        return [(key(flag_words(field)), AttributeMatch(field, yes))] if yes and flag_words(field) else []
    proper, colour = is_proper(field), are_colours(field, [split(value) for value in values])
    named: dict[str, list[tuple[MatchType, str]]] = defaultdict(list)
    for value in values:
        names = names_of(value, proper=proper, colour=colour)
        for name, match_type in (with_same_sizes(names) if is_of_sizes(field) else names).items():
            named[name].append((match_type, value))
    return [(name, attribute_match_of(field, found, is_colour=colour)) for name, found in named.items()]


def attribute_match_of(field: str, found: Sequence[tuple[MatchType, str]], *, is_colour: bool) -> AttributeMatch:
    ordered = sorted(found)
    closest = ordered[0][0]
    narrower = tuple(value for match_type, value in ordered if match_type > closest or match_type == MatchType.NARROWER)
    return AttributeMatch(field, tuple(value for _, value in ordered), narrower, closest, is_colour)


def flag_words(field: str) -> list[str]:
    """The words that a field of true and false stands for: ``waterproof`` for ``is_waterproof``."""
    words = split(field)
    return words[1:] if words[:1] in (["is"], ["has"]) else words


MAX_VALUES = 5000
"""Fields with more values hold titles, keys or addresses. A value costs one seek to read, and about 1 kB of memory."""

NOT_TYPED = frozenset({"sku", PRICE, "currency"})
"""Facets that every item has and that a query's words do not name."""


class CatalogVocabulary:
    """Keeps the vocabulary of one catalog up to date. Safe to use from several threads."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._sequence = -1
        self._vocabulary = Vocabulary({})
        self._language = ""
        self._values: dict[str, tuple[str, ...]] = {}
        self._currencies: tuple[str, ...] | None = None
        self._written: dict[str, dict[str, str]] = {}
        self._too_wide: set[str] = set()

    def current(self, language: str = "") -> Vocabulary:
        """The vocabulary as of the last commit, in the catalog's language. Blocks.

        Reads one row if nothing changed; else seeks each value of each field once, and rebuilds the vocabulary if
        values were added or removed.
        """
        sequence = self._catalog.sequence()
        with self._lock:
            known = self._values, self._currencies, self._language
            if sequence > self._sequence:
                self._values, self._currencies = self._read()
                self._sequence = sequence
            self._language = language
            if (self._values, self._currencies, language) != known:
                self._vocabulary = Vocabulary(self._values, sequence, self._currencies, language)
            return self._vocabulary

    def _read(self) -> tuple[dict[str, tuple[str, ...]], tuple[str, ...] | None]:
        """Each field's values as the catalog writes them, and the currencies of its prices."""
        values: dict[str, tuple[str, ...]] = {}
        with self._catalog.reading() as reader:
            fields = reader.facets.fields()
            codes = tuple(map(str.upper, reader.facets.distinct_values("currency", MAX_VALUES)))
            currencies = codes if PRICE in fields else None
            for field in fields:
                if field in NOT_TYPED or field in self._too_wide or is_text(field):
                    continue
                held = reader.facets.distinct_values(field, MAX_VALUES + 1)
                if len(held) > MAX_VALUES:
                    self._too_wide.add(field)
                    continue
                written = self._written.setdefault(field, {})
                new = {value: item_id for value, item_id in held.items() if value not in written}
                written |= reader.facets.original_spellings(field, new)
                values[field] = tuple(written[value] for value in held)
        return values, currencies
