"""The fields of a catalog that say what kind of thing an item is, by their names."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from functools import lru_cache

from vitrina.search.analysis.spelling import key, split

KIND_NAMES = ("article", "type", "kind", "subcategory", "category")
"""Names of the field that says what kind of thing an item is, the finest first."""

KIND_FIELDS = frozenset(
    {"group", "productgroup", "itemgroup", "articlegroup", "stockgroup", "materialgroup", "commoditygroup"}
)
"""Keys of whole names of such a field: an age group is none."""

FOREIGN_KIND_NAMES = (
    "artikelart", "produkttyp", "typ", "produktart", "unterkategorie", "kategorie", "warengruppe", "produktgruppe",
    "sous-catégorie", "catégorie", "rubrique", "tipo", "subcategoría", "categoría", "sottocategoria", "categoria",
    "soort", "subcategorie", "categorie", "productgroep", "kategori", "kategoria",
)  # fmt: skip
"""The same in other languages; such values are not read from photos, of which the encoder tells in English."""


@lru_cache(maxsize=64)
def kind_fields(fields: tuple[str, ...]) -> frozenset[str]:
    """Those of a catalog's fields that say what kind of thing an item is."""
    called = field_names(fields)
    named = (called.get(key([name]), ()) for name in (*KIND_NAMES, *FOREIGN_KIND_NAMES))
    return frozenset(itertools.chain.from_iterable(named)) | frozenset(
        each for each in fields if key(split(each)) in KIND_FIELDS
    )


def field_names(fields: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The fields that each name's key stands for, fields of exactly that name first."""
    whole: dict[str, list[str]] = defaultdict(list)
    last: dict[str, list[str]] = defaultdict(list)
    for field in fields:
        words = split(field)
        whole[key(words)].append(field)
        if len(words) > 1:
            last[key(words[-1:])].append(field)
    return {name: (*whole.get(name, ()), *last.get(name, ())) for name in {*whole, *last}}
