"""A dialect: how a catalog's layout is recognised and read, as a TOML file declares it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from vitrina.indexer.sources.column_names import folded, plain_names
from vitrina.indexer.sources.columns import FIELDS
from vitrina.search.types.errors import SourceError

GENERIC = "table"
"""The dialect of what no other knows."""


def _checked_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    return pattern


def _checked_separator(mark: str) -> str:
    if len(mark) > 1 and re.compile(_checked_pattern(mark)).match(""):
        raise ValueError(f"{mark!r} would part every letter: a separator of several signs is a regular expression")
    return mark


def _pair_pattern(pattern: str) -> str:
    named = re.compile(_checked_pattern(pattern)).groupindex
    if not {"name", "value"} <= named.keys():
        raise ValueError("a pattern of pairs needs the groups (?P<name>...) and (?P<value>...)")
    return pattern


def folded_path(name: str) -> str:
    """A column's name folded; of a path such as ``image.src``, its parts; ``option{n}_name`` is left as it is."""
    return name.casefold() if "{" in name else ".".join(map(folded, name.split(".")))


def _recognised_names(names: Sequence[str]) -> tuple[str, ...]:
    """Folded, but for names that begin with a sign, which are recognised as they are (``__parentId``, ``@type``)."""
    return tuple(name if name[:1] in "_@" else folded_path(name) for name in names)


RawNames = Annotated[tuple[str, ...], AfterValidator(_recognised_names)]
Names = Annotated[tuple[str, ...], AfterValidator(lambda names: tuple(map(folded_path, names)))]
"""Columns by their names, in any letter case: the first that a row fills counts."""

Pattern = Annotated[str, AfterValidator(_checked_pattern)]
PairPattern = Annotated[str, AfterValidator(_pair_pattern)]
Separator = Annotated[str, AfterValidator(_checked_separator)]
"""What stands between values: one sign, which a backslash before it makes a letter, or a regular expression."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=False)


class Recognition(_Part):
    """The columns that a layout has: all of ``all``, one of each list in ``any``, and none of ``none``."""

    all: RawNames = ()
    any: tuple[RawNames, ...] = ()
    none: RawNames = ()


class Pair(_Part):
    """Two columns that hold the name and the value of an option or attribute; ``{n}`` stands for their number.

    ``split`` is what stands between several values; ``between`` what stands between several names, and so between
    the values of each. ``part`` finds what of a name or a value counts, by its group if it has one.
    """

    name: str
    value: str
    split: Separator = ""
    between: Separator = ""
    part: Pattern = ""


class PairList(_Part):
    """A column that holds several names with values, each as ``pattern`` finds it, in the rows ``of`` this kind."""

    column: str
    pattern: PairPattern
    split: Separator = ""
    of: Literal["all", "product", "variant"] = "all"


class ObjectList(_Part):
    """A column with objects, each of which holds the name and the value of an attribute under these keys, and the unit.

    With ``columns`` they are cells of the row, which fields may be read from.
    """

    column: str
    name: tuple[str, ...]
    value: tuple[str, ...]
    unit: tuple[str, ...] = ()
    columns: bool = False


class Kinds(_Part):
    """What a row is, by what a column holds; without a match, it is a product.

    ``attribute`` rows hold a name and a value of their product (``pairs``). ``rule`` rows say what the variant of their
    sku costs: ``[FIXED]30``, or with ``[ADD]`` and ``[REMOVE]`` more or less than the product. ``default_translation``
    are translations that count instead of the product's own row.
    """

    column: Names
    variant: Pattern | None = None
    image: Pattern | None = None
    attribute: Pattern | None = None
    rule: Pattern | None = None
    translation: Pattern | None = None
    ignored: Pattern | None = None
    default_translation: Pattern | None = None


class Join(_Part):
    """How rows become one product.

    ``group`` joins rows that hold the same value, with ``alone`` one by itself, too; ``order`` joins the rows after a
    product to it; ``parent`` joins a row to the one whose ``names`` it gives, or that names it among its ``children``,
    ``prefix`` to the one whose name its own begins with; ``children`` joins it to the one that lists it, by ``pattern``
    with options or by its name alone; ``nested`` finds the variants as a list in the product's own row.

    Rows in which none of the ``continued`` columns says anything hold more values of the row before them. Where each
    names one child, ``option_name`` and ``option_value`` are the columns of its option.
    """

    by: Literal["group", "order", "parent", "prefix", "children", "nested"]
    column: Names = ()
    names: tuple[str, ...] = ()
    pattern: PairPattern | None = None
    children: Names = ()
    between: str = "|"
    alone: bool = False
    continued: Names = ()
    option_name: Names = ()
    option_value: Names = ()
    kinds: Kinds | None = None


class Parts(_Part):
    """A column with the names of other products, of which a product without a price is one, or consists.

    ``between`` stands between them, and ``pattern`` finds what is said of each: its ``sku``, and under these keys the
    name of the choice that it is made from, how many of it are taken, and whether one is needed (0 if not). Without a
    pattern each is a name, up to an ``=``.
    """

    column: Names
    between: str = ","
    pattern: PairPattern | None = None
    choice: str = "name"
    quantity: str = "default_qty"
    required: str = "required"


class Variants(_Part):
    """Where a variant's row holds what; ``when`` are columns of which one is filled where a row is a variant.

    ``options`` are columns that are options where they differ within a product, ``named`` finds columns that are
    options by the name in its group; ``title`` says what a variant is that has none. ``surcharge`` is what a variant
    costs more than its product. ``expand`` is what stands between the skus of several variants in one row, each of
    which has one combination of the row's options.
    """

    sku: Names = ()
    price: Names = ()
    price_cents: Names = ()
    sale_price: Names = ()
    currency: Names = ()
    identifiers: Names = ()
    image: Names = ()
    url: Names = ()
    title: Names = ()
    options: Names = ()
    named: Pattern | None = None
    surcharge: Names = ()
    when: Names = ()
    expand: str = ""


class Sale(_Part):
    """The columns with the first and the last day of a sale price, or with both and a slash between them; and one that
    says whether it counts at all."""

    active: Names = ()
    begins: Names = ()
    ends: Names = ()
    during: Names = ()


class Discount(_Part):
    """The columns of what is taken off the prices of a product and its variants, and of its kind: a percentage where
    ``percent`` matches the kind, and else an amount."""

    value: Names = ()
    kind: Names = ()
    percent: Pattern = ""


class Hidden(_Part):
    """What the shop does not show: rows in which one of these columns has a value that ``values`` matches, of products
    and variants, or ``of`` products alone."""

    column: Names
    values: Pattern
    of: Literal["all", "product"] = "all"


class Stock(_Part):
    """The columns that say whether a row is in stock: a ``flag``, or else a ``quantity`` of more than 0, a ``policy``
    that allows orders of what is not there, or ``tracked`` where it matches ``untracked``, as nobody counts then."""

    flag: Names = ()
    quantity: Names = ()
    policy: Names = ()
    tracked: Names = ()
    untracked: Pattern = ""


class CatalogDialect(_Part):
    """One layout: how to recognise it, which columns it prefers, and how its rows become products.

    ``prefixes`` are taken off columns (``g:``), which then beat those without; ``aliases`` are other names of columns,
    as in translated exports; ``fields`` are the columns of each field, the surest first; ``fill`` fills an empty column
    from others, ``derive`` from a template such as ``images/{id}.jpg``; ``split`` says what stands between the values
    of a column; ``blank`` are words that mean nothing; ``ignore`` are columns that become no attributes; ``usual`` are
    values that say nothing in a column since most rows have them (``status = ["active"]``); ``hidden`` tells what the
    shop does not show, ``stock`` what is there; ``image_folders`` are where images may lie, from the file's own folder.
    ``currency_in_header`` finds a currency's code in the names of columns. ``joins_last`` says that writers leave
    commas in the last column unquoted.
    """

    name: str
    recognise: Recognition = Recognition()
    prefixes: tuple[str, ...] = ()
    aliases: Mapping[str, Names] = {}
    fields: Mapping[str, Names] = {}
    fill: Mapping[str, Names] = {}
    derive: Mapping[str, str] = {}
    split: Mapping[str, Separator] = {}
    blank: tuple[str, ...] = ()
    ignore: tuple[Pattern, ...] = ()
    usual: Mapping[str, tuple[str, ...]] = {}
    hidden: tuple[Hidden, ...] = ()
    stock: Stock = Stock()
    image_folders: tuple[str, ...] = ()
    currency_in_header: Pattern | None = None
    joins_last: bool = False
    pairs: tuple[Pair, ...] = ()
    lists: tuple[PairList, ...] = ()
    objects: tuple[ObjectList, ...] = ()
    join: Join | None = None
    parts: tuple[Parts, ...] = ()
    variants: Variants = Variants()
    sale: Sale = Sale()
    discount: Discount = Discount()

    def currency(self, columns: Sequence[str]) -> str | None:
        """The code of the currency that the names of the columns say."""
        pattern = self.currency_in_header
        found = (match for column in columns if pattern and (match := re.search(pattern, column, re.IGNORECASE)))
        return next((match[1].upper() for match in found), None)

    @property
    def merges_rows(self) -> bool:
        """Whether an item may take several rows."""
        return self.join is not None and self.join.by != "nested"

    def matches(self, columns: Sequence[str]) -> int:
        """How many of the columns that it is recognised by are there; 0 if one is missing."""
        aliased = {each for name in self.aliased(columns) for each in (name, folded(name))}
        known = {*columns, *map(str.lower, columns), *map(folded, columns), *aliased}
        rule = self.recognise
        if not set(rule.all) <= known or known & set(rule.none) or not all(known & set(names) for names in rule.any):
            return 0
        return len(known & {*rule.all, *(name for names in rule.any for name in names)})

    def aliased(self, columns: Sequence[str]) -> dict[str, str]:
        """The names that aliases stand for, with the columns that have them."""
        return {name: column for column in columns if (name := self.alias(column)) is not None}

    def alias(self, column: str) -> str | None:
        """The name that a column is called by in this dialect if it is not its own; None if it is."""
        bare = column.strip().lstrip("*")
        prefix = next((prefix for prefix in self.prefixes if bare.casefold().startswith(prefix.casefold())), "")
        key = folded(bare[len(prefix) :])
        spellings = (key, *plain_names(key)[:1])
        own = next((found for each in spellings if (found := self._named(each)) is not None), None)
        return own if own is not None else bare[len(prefix) :].strip() if prefix and key else None

    def _named(self, key: str) -> str | None:
        if key in self._plain_aliases:
            return self._plain_aliases[key]
        matches = ((pattern.fullmatch(key), name) for pattern, name in self._numbered_aliases)
        found = next((name.replace("{n}", match.groupdict().get("n", "")) for match, name in matches if match), None)
        return self._run_together.get(key) if found is None else found

    @cached_property
    def _run_together(self) -> dict[str, str]:
        """Names of several words without what parts them, as a database writes ``productImageUrl``."""
        rule, join, own = self.recognise, self.join or Join(by="group"), self.variants
        kinds = join.kinds.column if join.kinds else ()
        of_variants = (own.sku, own.price, own.sale_price, own.image, own.surcharge, own.title, own.when)
        hidden = (each.column for each in self.hidden)
        groups = (rule.all, *rule.any, *self.fields.values(), *of_variants, join.column, kinds, self.usual, *hidden)
        names = [*(each for names in groups for each in names), *self.aliases, *self.ignore]
        pairs = (
            each.replace("{n}", str(n)) for pair in self.pairs for each in (pair.name, pair.value) for n in range(1, 7)
        )
        numbered = (name.replace("{n}", str(n)) for name in names for n in range(1, 10))
        every = {each for each in (*numbered, *pairs) if re.fullmatch(r"[a-z]\w*", each)}
        spelled = {
            name.replace("_", ""): name
            for name in sorted(every, key=lambda each: (-each.count("_"), each))
            if "_" in name
        }
        return {name: own for name, own in spelled.items() if name not in every}

    @cached_property
    def _plain_aliases(self) -> dict[str, str]:
        return {alias: name for name, names in self.aliases.items() for alias in names if "{" not in alias}

    @cached_property
    def _numbered_aliases(self) -> list[tuple[re.Pattern[str], str]]:
        patterns = ((name, re.escape(alias)) for name, names in self.aliases.items() for alias in names if "{" in alias)
        return [
            (re.compile(alias.replace(r"\{n\}", r"(?P<n>\d+)").replace(r"\{\*\}", ".*")), name)
            for name, alias in patterns
        ]


def load_dialect(path: Path) -> CatalogDialect:
    """Read a dialect's file. Raises ``SourceError`` that names what is wrong in it."""
    try:
        return _parsed(path.name, path.read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"The dialect {path} cannot be read: {error}.", remedy="Check the path.") from error


def open_dialect(name: str) -> CatalogDialect:
    """A built-in dialect by its file's name, as ``shopify``, or else the dialect in a file. Raises ``SourceError``."""
    known = built_in()
    if name in known:
        return known[name]
    path = Path(name).expanduser()
    if not path.is_file():
        raise SourceError(
            f"There is no dialect {name[:200]!r}.",
            remedy=f"Give a TOML file, or one of: {', '.join(sorted(known))}. docs/dialects.md says how to write one.",
        )
    return load_dialect(path)


@cache
def built_in() -> Mapping[str, CatalogDialect]:
    """The dialects that come with Vitrina, by the names of their files."""
    found = (file for file in files(__package__).iterdir() if file.name.endswith(".toml"))
    return {file.name.removesuffix(".toml"): _parsed(file.name, file.read_text("utf-8")) for file in found}


def recognise_dialect(columns: Sequence[str]) -> CatalogDialect:
    """The dialect that knows most of a table's columns; the generic one if none knows them."""
    known = built_in()
    ranked = ((dialect.matches(columns), name) for name, dialect in sorted(known.items()) if name != GENERIC)
    n_matched, name = max(ranked, key=lambda pair: pair[0])
    return known[name if n_matched else GENERIC]


def _parsed(name: str, text: str) -> CatalogDialect:
    remedy = "docs/dialects.md describes the file."
    try:
        dialect = CatalogDialect.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SourceError(f"The dialect {name} is no valid TOML: {error}.", remedy=remedy) from error
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'the file'}: {each['msg']}" for each in error.errors()[:5]
        )
        raise SourceError(f"The dialect {name} cannot be used: {problems}.", remedy=remedy) from error
    if unknown := [field for field in dialect.fields if field not in FIELDS]:
        raise SourceError(
            f"The dialect {name} cannot be used: fields.{unknown[0]} is no field.",
            remedy=f"Fields are {', '.join(FIELDS)}.",
        )
    return dialect
