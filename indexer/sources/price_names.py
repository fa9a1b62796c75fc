"""The names of price columns: which of several prices is the one that a shopper pays for the product."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from vitrina.indexer.sources.column_names import folded, is_named_as


def payable_first(columns: Sequence[str]) -> list[str]:
    """Columns of prices as they are, but those with tax before others, and those without tax and first or list prices
    after them; of columns with years in their names, the latest that has begun comes first."""
    return sorted(latest_first(columns), key=lambda column: _rank(folded(column)))


def _rank(name: str) -> int:
    name = re.sub(r"[._]+", "_", name)
    if _WITHOUT_TAX.search(name) or _FIRST.search(name):
        return 2
    return 0 if _WITH_TAX.search(name) else 1


def is_with_tax(name: str) -> bool:
    """Whether a folded name says that tax is in its prices."""
    return _rank(name) == 0


def is_per_measure(name: str) -> bool:
    """Whether a folded name is that of a price per litre, kilo, metre or another measure."""
    framed = f"_{re.sub(r'[._]+', '_', name)}_"
    return _PER_MEASURE.search(framed) is not None or _MEASURED.search(framed) is not None


def is_per_piece(name: str) -> bool:
    """Whether a folded name is that of a price per piece or unit, which may be a part of what is sold."""
    return _PER_PIECE.search(f"_{re.sub(r'[._]+', '_', name)}_") is not None


def is_net_price(name: str) -> bool:
    """Whether a folded name is that of a price without tax."""
    gross = _NET.sub("", name)
    return gross != name and is_named_as("price", gross)


def latest_first(columns: Sequence[str]) -> Sequence[str]:
    """Columns of which the first has a year in its name, that of the latest year and month first which has begun."""
    today = datetime.date.today()

    def months(column: str) -> int:
        month, year = max(_DATED.findall(column.lower()), key=lambda each: each[1], default=("", "0"))
        return 12 * int(year) + (1 + _MONTHS.index(month) if month else 1)

    begun = [column for column in columns if months(column) <= 12 * today.year + today.month]
    return sorted(begun, key=months, reverse=True) if columns and months(columns[0]) > 1 and begun else columns


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATED = re.compile(rf"(?:({'|'.join(_MONTHS)})[a-z]*\W?_?)?(?<!\d)(20[1-9]\d)(?!\d)")
_NET = re.compile(r"_?(?<![^_])(?:netto|net|neta?o?|nett[aie]|liquido|ht)\d?(?![^_])")
_TAX = (
    "vat|tax(?:es)?|impuestos?|impostos?|imposte|ppn|gst|mw_?st|ust|btw|iva|tva|moms|mva|dph|ddv|pdv|pvm|afa|alv|igv"
    "|ндс|пдв|ддс|φπα"
)
_WITH = "incl?|inkl?|including|included|inclusive|inklusive?|with|avec|con|com|cu|su|ar|s|z|sis|met|med|mit|с|з|με"
_WITHOUT = (
    "excl?|exkl?|ekskl|eks|excluding|exclusive|without|sans|sin|sem|senza|bez|brez|be|ilman|fara|uden|uten|utan|ohne"
    "|zonder|без|χωρις"
)
_WITH_TAX = re.compile(
    rf"(?:^|_)(?:(?:{_WITH})_(?:{_TAX})|(?:{_TAX})_(?:incl|inkl|included|inclus[ea]?|incluid[oa]|включен\w*)"
    r"|ttc|brutt?o|ivato|kdv_dahil|kdvli|km_ga|afaval)(?:_|$)|税込|含税|부가세포함"
)
_WITHOUT_TAX = re.compile(
    rf"(?:^|_)(?:(?:{_WITHOUT})_(?:{_TAX})|(?:{_TAX})_(?:excl|excluded|exclu[es]?|excluid[oa]|esclusa)"
    r"|ht|netto|net|neta?o?|kdv_haric|kdvsiz|km_ta|afa_nelkul|alv_0)(?:_|$)|税抜|未税|不含税|부가세별도"
)
_FIRST = re.compile(
    r"(?:^|_)(?:mrp|msrp|rrp|uvp|initial|original|regular|normal|old|before|previous|list|liste|lista|listino"
    r"|alter|vorher|vorheriger|bisheriger|ancien|barre|avant|anterior|antiguo|antigo|precedente|vecchio|stara|stary|staro"
    r"|puvodni|povodna|prejsnja|gammelt?|tidligere|forpris|oude|vechi|eski|regi|начальная|старая|стара|прайсовая)(?:_|$)"
)
_PER = "per|pr|pro|je|par|por|al|au|le|za|na|за|на|ανα|moi|x"
_MEASURE = (
    r"lit(?:er|re|ro|r|ri|ros|res)|lt|l|ltr|kilos?|kilogram(?:m|me|mo|o)?s?|kg|gram(?:m|me|mo|o)?s?|\d+_?k?g|\d+_?m?l"
    r"|g|ml|cl|oz|ounces?|lb|pounds?|met(?:er|re|ro|r|ru|ri|ros|res)|m|m2|m3|qm|sqm|lfm"
    r"|литра?|л|кг|килограмма?|метра?|м|м2|κιλο|λιτρο"
)
_PER_MEASURE = re.compile(rf"_(?:{_PER})_(?:1_)?(?:{_MEASURE})_")
_MEASURED = re.compile(
    r"_(?:(?:lit(?:er|re|ro)|kilo|kg|met(?:er|re|ro))_?(?:preis|pris|prijs|hinta|price|fiyati|ar)|jamforpris|grundpreis"
    r"|(?:price|preis|prix|precio|prezzo|preco|prijs|cena|pris|hinta|цена)_(?:lit(?:er|re|ro|r)|kilo|кг|литр))_|每公斤|每升"
)
_PER_PIECE = re.compile(
    rf"_(?:{_PER})_(?:units?|unite|unidade?|unita|einheit|enhet|enhed|eenheid|jednostk[ae]|jednotku|pieces?|pcs|pc|stuck|stk|st"
    r"|styck|stuk|sztuke|szt|kus|ks|pezzo|pieza|peca|штуку|шт|единицу|ед)_"
)
