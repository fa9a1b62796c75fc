"""Choosing the columns of each field."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from vitrina.indexer.sources.attributes import attribute_key
from vitrina.indexer.sources.cells import is_blank
from vitrina.indexer.sources.column_names import (
    folded,
    images_like,
    is_named_as,
    name_table,
    names_without_brackets,
    plain_names,
    words_of,
)
from vitrina.indexer.sources.column_values import (
    Sample,
    are_amounts,
    are_images,
    are_unused,
    are_zero,
    cell_at,
    is_product,
    tell_by_values,
)
from vitrina.indexer.sources.currencies import currency_in_name, currency_of
from vitrina.indexer.sources.keys import KeyedBy, found_keys, no_key, shown_columns
from vitrina.indexer.sources.price_names import is_net_price, is_per_measure, is_per_piece, is_with_tax, payable_first
from vitrina.search.types.errors import SourceError

FIELDS = ("sku", "title", "description", "price", "sale_price", "price_cents", "currency", "url", "image")
"""What ``--map FIELD=COLUMN`` may name; any other name makes the column an attribute of that name."""

LOCALES = ("en_us", "en_gb", "en_int", "en")
"""Of a field in several languages, the columns taken first; then other English ones, then the file's order."""

MAX_KEYS = 10_000
"""Columns remembered, of objects that all have other keys."""

_LOCALE = re.compile(
    r"[_.](?!de_(?:la|le|el|lo)\b|de_(?:la|le|el|lo)_)(?P<locale>[a-z]{2}(?:_[a-z]{2}(?:_(?P<channel>[a-z0-9_]+))?)?)"
)
_CURRENCY = re.compile(r"(?:_in)?[_.]?r?(?P<currency>[a-z]{3})")  # r for retail, as Hotline's priceRUAH


_SPANISH = frozenset({"precio", "precios", "pvp"})


class AttributeKeys(dict[str, str | None]):
    """The attributes that columns become, found as they are asked for; None for those that are read otherwise."""

    def __init__(self, consumed: set[str], renamed: Mapping[str, str]) -> None:
        self._consumed = consumed
        self._renamed = renamed

    def __missing__(self, column: str) -> str | None:
        key = None if column in self._consumed else self._renamed.get(column) or attribute_key(column)
        if len(self) < MAX_KEYS:
            self[column] = key
        return key


@dataclass(frozen=True, slots=True)
class Columns:
    """``fields`` maps a field to its columns, of which the first that a row fills counts; ``images`` are the columns
    with images, ``renamed`` maps a column to the attribute it is to become, ``currencies`` maps a price's column to the
    currency that its name says. ``ignored`` columns are no attributes; every other one is, under its own key.
    A row without an image is looked for one in ``spare_images``.
    ``currency`` is that of prices which name none, and ``decimal_mark`` theirs, where they show only one. Items
    are ``keyed_by`` their titles where nothing is a key, and where these repeat, by what else a row says as well.
    ``no_price`` is called the price, and is none.
    """

    fields: Mapping[str, tuple[str, ...]]
    images: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    currencies: Mapping[str, str] = field(default_factory=dict)
    ignored: frozenset[str] = frozenset()
    currency: str | None = None
    decimal_mark: Literal[".", ","] | None = None
    keyed_by: KeyedBy = "key"
    spare_images: tuple[str, ...] = ()
    no_price: str | None = None
    _keys: dict[tuple[str, ...], AttributeKeys] = field(default_factory=dict, compare=False, repr=False)

    def attribute_keys(self, used: Mapping[str, str]) -> AttributeKeys:
        """The attributes that columns become in a row whose fields are read from the columns ``used``."""
        read = tuple(used.values())
        if read not in self._keys:
            heads = (column.partition(".")[0] for column in self.images)
            self._keys[read] = AttributeKeys({*read, *self.images, *heads, *self.ignored}, self.renamed)
        return self._keys[read]

    @property
    def has_pesos(self) -> bool:
        """Whether the price is called so in Spanish, where ``$`` may be of any country."""
        return any(not _SPANISH.isdisjoint(words_of(folded(each))) for each in self.fields.get("price", ()))

    @property
    def told_by_no_digest(self) -> frozenset[str]:
        """The columns that may change without making a row another item where items are keyed by their rows."""
        prices = (each for name in ("price", "sale_price", "price_cents") for each in self.fields.get(name, ()))
        return frozenset((*prices, *self.ignored))

    @property
    def consumed(self) -> frozenset[str]:
        """The columns that become no attributes where a row fills them: each field's first, and the images."""
        return frozenset({*(columns[0] for columns in self.fields.values()), *self.images, *self.ignored})

    @property
    def used_by_fields(self) -> frozenset[str]:
        """All columns that a field or an image may be read from."""
        names = (*(name for names in self.fields.values() for name in names), *self.images, *self.renamed)
        return frozenset((*names, *(name.partition(".")[0] for name in names if "." in name)))

    def used(self, cells: Mapping[str, object]) -> dict[str, str]:
        """The column that each field of a row is read from: the first with a value, or else the first."""
        return {
            name: columns[0]
            if len(columns) == 1
            else next((column for column in columns if not is_blank(cell_at(cells, column))), columns[0])
            for name, columns in self.fields.items()
        }


def choose_columns(
    columns: Sequence[str],
    mapping: Mapping[str, str],
    *,
    preferred: Mapping[str, Sequence[str]] | None = None,
    ignored: frozenset[str] = frozenset(),
    source: str,
    sample: Sample = tuple,
) -> Columns:
    """Find each field's columns: ``mapping`` first, then the dialect's ``preferred`` keys, then well-known names, also
    with a locale or a currency behind them, and then names with a telling word in them. Where none of them is the key,
    the first column serves that has a telling word and another value in each row of the ``sample``. The mapping may
    also say what currency prices are in that name none: ``EUR`` in place of a column.

    Where none has, titles serve if they all differ. Raises ``SourceError`` for a mapped column that does not exist,
    and if no column can serve as sku.
    """
    names = _Names(columns, ignored)
    preferred = preferred or {}
    currency = _constant_currency(mapping, columns)
    mapping = {name: column for name, column in mapping.items() if name != "currency" or currency is None}
    chosen = {
        name: _existing(column, columns, source) for name, column in mapping.items() if name not in ("image", "images")
    }
    images = _chosen_images(columns, mapping, source)
    fields: dict[str, tuple[str, ...]] = {name: (column,) for name, column in chosen.items() if name in FIELDS}
    reserved = () if images else names.declared(preferred.get("image", ()))
    taken = {*chosen.values(), *images}
    shared = {column for name in ("title", "url") for column in names.declared(preferred.get(name, ()))}
    for name in FIELDS[:-1]:
        own = names.currencies_of(fields.get("price", ())) if name == "currency" else []
        if name not in fields and (found := names.of_field(name, [*preferred.get(name, ()), *own], taken, reserved)):
            fields[name] = found
            taken.update(found if name != "sku" else set(found[:1]) - shared)
    if "price" in fields.keys() - mapping.keys() - preferred.keys():
        fields["price"] = names.prices_above_zero(fields["price"], taken, sample)
        taken.update(fields["price"])
    is_image = not images and "url" in fields.keys() - mapping.keys() - preferred.keys()
    if is_image and are_images(sample, fields["url"], named := names.images(preferred.get("image", ()), taken)):
        images = (*fields.pop("url"), *named)
    keyed_by: KeyedBy = "key"
    is_told = "sku" in mapping or "sku" in preferred
    if "sku" not in fields or names.is_late(fields["sku"][0]) or (not is_told and are_unused(sample(), fields["sku"])):
        free = [column for column in columns if column not in taken]
        named = images or names.images(preferred.get("image", ()), taken)
        keys, keyed_by = found_keys(fields, free, sample, named, is_alone=len(columns) == 1)
        if not keys or (keyed_by != "key" and is_product(columns)):
            raise no_key(columns, source)
        fields = {"sku": keys, **fields}
    late = [each for each in fields.get("price", ()) if "price" not in mapping and names.is_late(each, "price")]
    if late and len(late) == len(fields["price"]) and are_zero(sample(), late):
        del fields["price"]  # a weight, or a list price that no shop filled in
    renamed = {column: attribute_key(name) or name for name, column in chosen.items() if name not in FIELDS}
    currencies = {
        column: code
        for column in fields.get("price", ())
        if (code := names.currency(column) or currency_in_name(column))
    }
    found_images = images or names.images(preferred.get("image", ()), taken)
    untold = [column for column in columns if column not in {*taken, *ignored, *found_images}]
    no_price = tell_by_values(
        fields, {"image": found_images, **preferred, **dict.fromkeys(chosen, ("",))}, sample, untold
    )
    found_images = found_images or fields.pop("image", ())
    kept = (ignored | {no_price} if no_price else ignored) - renamed.keys()
    is_open = not images and not preferred.get("image")
    spare = tuple(each for each in names.known_images() if each in untold) if is_open else ()
    return Columns(fields, found_images, renamed, currencies, kept, currency, None, keyed_by, spare, no_price)


def _constant_currency(mapping: Mapping[str, str], columns: Sequence[str]) -> str | None:
    """The currency that a mapping names itself, where there is no such column."""
    named = mapping.get("currency", "")
    alike = {attribute_key(column) for column in columns}
    return None if not named or named in columns or attribute_key(named) in alike else currency_of(named, None)


class _Names:
    """A table's columns by their folded names."""

    def __init__(self, columns: Sequence[str], ignored: frozenset[str]) -> None:
        self._columns = columns
        self._ignored = ignored
        self._by_name = {folded(column): column for column in reversed(columns) if column}
        for name, column in reversed(list(self._by_name.items())):
            for own in (*plain_names(name), *names_without_brackets(column)):  # "Art.-Nr.", "Price (gross)"
                self._by_name.setdefault(own, column)
        for column in columns:
            if column.rstrip()[-1:] in ("#", "№"):  # "Style #"
                self._by_name.setdefault(f"{folded(column)}_number", column)
        self._bare = list(self._without_prefix())
        for name, column in self._bare:
            self._by_name.setdefault(name, column)
        self._run_together = {name.replace("_", ""): column for name, column in reversed(list(self._by_name.items()))}
        self._currencies: dict[str, str] = {}

    def _without_prefix(self) -> Iterator[tuple[str, str]]:
        """The columns' names without a short prefix that nearly all have, as ``v_products_name`` and ``p_name``."""
        heads = Counter(head for name in self._by_name if (head := name.partition("_")[0]) and len(head) <= 3)
        for head, n in heads.most_common(1):
            if n >= 4 and n >= 0.8 * len(self._columns):
                prefix = f"{head}_"
                yield from (
                    (name[len(prefix) :], own) for name, own in self._by_name.items() if name.startswith(prefix)
                )

    def of_field(
        self, name: str, preferred: Sequence[str], taken: Iterable[str], reserved: Iterable[str]
    ) -> tuple[str, ...]:
        """The columns of a field, the surest first, none of them ``taken``; those ``reserved`` only if preferred."""
        own = [column for each in preferred for column in self._spelled(each, name)]
        known = [column for each in name_table("names")[name] for column in self._spelled(each, name)]
        late = [column for each in name_table("late").get(name, ()) for column in self._spelled(each, name)]
        if own and name in ("price", "sale_price"):  # what a dialect does not name is another price
            known, late = [], []
        free = [column for column in known if column not in self._ignored and column not in reserved]
        found = [column for column in (*own, *free) if column not in taken]
        if not found and name != "url":  # those are told by their values
            found = self._named_by_words(name, {*taken, *late})[:1]
        elif name == "price" and not own:
            others = self._named_by_words(name, {*taken, *late, *found})
            found = payable_first([*(column for column in others if is_with_tax(folded(column))), *found])
        late = [column for column in late if column not in taken and column not in self._ignored]
        if name == "price" and not (found or late):
            late = [each for own, each in self._ordered() if each not in taken and is_net_price(own)][:1]
            late = late or [*self._by_words(name, taken)][:1]
        again = [f"{column}_2" for column in found if f"{column}_2" in self._columns and name != "sku"]
        free_again = [column for column in again if column not in taken and column not in reserved]
        return tuple(dict.fromkeys((*found, *free_again, *late)))

    def prices_above_zero(self, found: tuple[str, ...], taken: Iterable[str], sample: Sample) -> tuple[str, ...]:
        """The columns of prices behind the first that says more where they are 0 in every row, as an offer's may be."""
        others = self._named_by_words("price", taken) if are_zero(sample(), found) else []
        return (*[each for each in others if are_amounts(sample(), each)][:1], *found)

    def images(self, preferred: Sequence[str], taken: Iterable[str]) -> tuple[str, ...]:
        """The columns with images: the dialect's, or else the main one, and those numbered or called additional."""
        if declared := [column for column in self.declared(preferred) if column not in taken]:
            return tuple(declared)
        taken = {*taken, *self._ignored}
        main = next((column for column in self.known_images() if column not in taken), None)
        named = self._with_all_names
        like = images_like(main and folded(main))
        more = [column for name, column in named if like.fullmatch(name) and column not in taken]
        if main is None and not more:
            more = list(self._by_words("image", taken))
        return tuple(dict.fromkeys((*((main,) if main else ()), *more)))

    def known_images(self) -> Iterator[str]:
        """All columns with a well-known name for images."""
        return (self._by_name[name] for name in name_table("names")["image"] if name in self._by_name)

    def declared(self, names: Sequence[str]) -> tuple[str, ...]:
        """The columns that a dialect names for images."""
        return tuple(dict.fromkeys(column for name in names for column in self._declared(name)))

    def _declared(self, name: str) -> Iterator[str]:
        """The columns of a dialect's name, in which ``{n}`` stands for a number."""
        if "{n}" not in name:
            head, dot, rest = name.partition(".")
            if name in self._by_name:
                yield self._by_name[name]
            elif dot and head in self._by_name:
                yield f"{self._by_name[head]}.{rest}"
            return
        pattern = re.compile(r"(\d+)".join(map(re.escape, name.split("{n}"))))
        found = ((int(match[1]), column) for own, column in self._ordered() if (match := pattern.fullmatch(own)))
        yield from (column for _, column in sorted(found))

    def currency(self, column: str) -> str | None:
        """The ISO 4217 code in the name of a price's column."""
        return self._currencies.get(column)

    def currencies_of(self, prices: Sequence[str]) -> list[str]:
        """The names that a column with the currency of the first price may have, as ``price1_currency``."""
        return [f"{folded(price)}_{each}" for price in prices[:1] for each in name_table("names")["currency"]]

    def is_late(self, column: str, field: str = "sku") -> bool:
        """Whether a column's name counts for a field only where no other does."""
        return any(column in self._spelled(each, field) for each in name_table("late")[field])

    def _ordered(self) -> Iterator[tuple[str, str]]:
        return ((folded(column), column) for column in self._columns if column)

    @cached_property
    def _with_all_names(self) -> Sequence[tuple[str, str]]:
        """The columns in order, each under its own name and under those without a prefix that all have."""
        bare: dict[str, list[str]] = {}
        for name, column in self._bare:
            bare.setdefault(column, []).append(name)
        return [(own, column) for name, column in self._ordered() for own in (name, *bare.get(column, ()))]

    @cached_property
    def _with_plain_names(self) -> Sequence[tuple[str, str]]:
        return [(each, column) for own, column in self._ordered() for each in (own, *plain_names(own))]

    def _spelled(self, name: str, field_name: str) -> Iterator[str]:
        """The columns of this name: the name itself, then with locales or currencies behind it."""
        head, _, rest = name.partition(".")
        if name in self._by_name:
            yield self._by_name[name]
        elif "_" in name and (joined := name.replace("_", "")) in self._run_together:
            yield self._run_together[joined]
        elif rest and head in self._by_name:
            yield f"{self._by_name[head]}.{rest}"
        if field_name in ("title", "description"):
            yield from self._localised(name)
        elif field_name in ("price", "sale_price"):
            for own, column in self._with_plain_names:
                match = _CURRENCY.fullmatch(own[len(name) :]) if own.startswith(name) else None
                if match and match["currency"] in name_table("codes")["currencies"]:
                    self._currencies[column] = match["currency"].upper()
                    yield column

    def _localised(self, name: str) -> Iterator[str]:
        found: list[tuple[int, str]] = []
        for own, column in self._with_all_names:
            match = _LOCALE.fullmatch(own[len(name) :]) if own.startswith(name) and own != name else None
            if match and match["locale"][:2] in name_table("codes")["languages"]:
                found.append((_locale_rank(match["locale"]), column))
        is_key = len(found) == 1 and folded(found[0][1]).endswith("id")  # urun_id is no name in Indonesian
        yield from () if is_key else (column for _, column in sorted(found, key=lambda pair: pair[0]))

    def _named_by_words(self, name: str, taken: Iterable[str]) -> list[str]:
        """The columns with a word of this field in their names; of prices those that are paid for the product first,
        then those per piece, and none per measure."""
        found = [*self._by_words(name, taken)]
        if name != "price":
            return found
        whole = [column for column in found if not is_per_measure(folded(column))]
        return sorted(payable_first(whole), key=lambda column: is_per_piece(folded(column)))

    def _by_words(self, name: str, taken: Iterable[str]) -> Iterator[str]:
        """The columns with a word of this field in their names, and neither a word nor the name of another's."""
        names = name_table("names").items()
        others = {each for field, words in names if field not in (name, "description") for each in words}
        for own, column in self._ordered():
            if own not in others and column not in taken and column not in self._ignored and is_named_as(name, own):
                yield column


def _locale_rank(locale: str) -> int:
    if locale in LOCALES:
        return LOCALES.index(locale)
    return len(LOCALES) + (0 if locale.startswith("en") else 1)


def _chosen_images(columns: Sequence[str], mapping: Mapping[str, str], source: str) -> tuple[str, ...]:
    named = mapping.get("image", mapping.get("images"))
    if named is None:
        return ()
    names = [named] if named in columns else named.split(",")
    return tuple(_existing(name.strip(), columns, source) for name in names)


def _existing(column: str, columns: Sequence[str], source: str) -> str:
    if column in columns:
        return column
    alike = [name for name in columns if attribute_key(name) == attribute_key(column)]
    if len(alike) == 1:
        return alike[0]
    if "." in column and column.split(".")[0] in columns:
        return column
    raise SourceError(
        f"{source} has no column {column!r}. Its columns are: {shown_columns(columns)}.",
        remedy="Map the field to one of these: --map FIELD=COLUMN.",
        details={"column": column, "columns": list(columns)},
    )
