"""Prices: the bounds that a query's words set to them, in the languages that most shops are written in.

``under 50``, ``between 20 and 50 euros``, ``$50``; ``unter 50 Euro``, ``moins de 50 €``. A bare number is a price where
words that bound something come before it and no unit after it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from decimal import Decimal

from vitrina.search.analysis.bound_words import CARRIERS, NEGATIONS
from vitrina.search.analysis.measures import UNITS, all_names
from vitrina.search.types.currencies import n_decimals
from vitrina.search.types.filters import PRICE, Range
from vitrina.search.types.requirement import Requirement

NUMBER = r"(?<![\d.,])\d[\d.,]*+"
DOLLARS = ("USD", "AUD", "CAD", "HKD", "MXN", "NZD", "SGD", "TWD")
KRONER = ("SEK", "NOK", "DKK")
CURRENCIES = {
    "$": DOLLARS, "dollar": DOLLARS, "bucks": DOLLARS, "usd": ("USD",), "€": ("EUR",),
    "eur": ("EUR",), "euro": ("EUR",),
    "£": ("GBP",), "gbp": ("GBP",), "pound": ("GBP",), "quid": ("GBP",), "¥": ("JPY", "CNY"), "yen": ("JPY",),
    "₹": ("INR",), "inr": ("INR",), "rs": ("INR", "PKR", "LKR"), "rupee": ("INR", "PKR", "LKR"), "chf": ("CHF",),
    "franken": ("CHF",), "zł": ("PLN",), "zl": ("PLN",), "złoty": ("PLN",), "złote": ("PLN",), "złotych": ("PLN",),
    "pln": ("PLN",), "kr": KRONER, "kronor": KRONER, "kroner": KRONER, "sek": ("SEK",), "nok": ("NOK",),
    "dkk": ("DKK",), "r$": ("BRL",), "reais": ("BRL",), "₺": ("TRY",), "₽": ("RUB",), "kč": ("CZK",),
}  # fmt: skip
"""The currencies that a sign or a word, less its plural, may mean."""

CURRENCY = (
    r"(?:r\$|[$€£¥₹₺₽]|(?<![^\W\d])(?:usd|euros?|eur|gbp|dollars?|pounds?|quid|bucks|inr|rs\.?|rupees?|chf|franken|yen"
    r"|zł|zl|złot(?:y|e|ych)|pln|kr|kronor|kroner|sek|nok|dkk|reais|kč)(?!\w))"
)
AMOUNT = rf"(?:{CURRENCY}\s?{NUMBER}|{NUMBER}\s?{CURRENCY})"
UNDER = (
    r"(?:less|cheaper|lower) than|up to|at most|under|below|unter|h[oö]chstens|bis zu"
    r"|(?:weniger|billiger|günstiger) als"
    r"|(?:à |a )?moins de|en[- ]dessous de|jusqu['a]?\s?à|sous|au (?:plus|maximum)|inférieure?s? à"
    r"|(?:por )?menos de|por debajo de|hasta|(?:como )?m[aá]ximo|(?:inferior(?:es)?|menor(?:es)?) a"
    r"|(?:a )?meno di|sotto|al di sotto (?:di|dei)|fino a|al massimo|massimo|entro|inferior[ei] a"
    r"|onder|minder dan|goedkoper dan|hoogstens|maximaal|ten hoogste"
    r"|abaixo d(?:e|os)|no m[aá]ximo|poniżej|mniej niż|taniej niż|tańsz[aey] niż|maksymalnie|najwyżej"
    r"|upp till|op til|opp til|högst|højst|høyst|mindre (?:än|end|enn)|billi[gk]are än|billigere (?:end|enn)"
)
OVER = (
    r"(?:more(?: expensive)?|dearer|pricier|higher) than|exceed(?:s|ing)?|at least|over|above|[üu]ber"
    r"|(?:mehr|teurer) als|mindestens|plus de|plus chers? que|au moins|au[- ]dessus de|supérieure?s? à|m[aá]s de"
    r"|m[aá]s car[oa]s? (?:que|de)|al menos|por encima de|(?:como )?m[ií]nimo|superior(?:es)? a|pi[uù] di|almeno"
    r"|oltre|sopra|al di sopra (?:di|dei)|superior[ei] a|meer dan|duurder dan|boven|minstens|minimaal|ten minste"
    r"|mais de|acima d(?:e|os)|pelo menos|no m[ií]nimo|powyżej|ponad|więcej niż|drożej niż|droższ[aey] niż"
    r"|co najmniej|przynajmniej|över|mer än|mere end|mer enn|minst|mindst|dyrare än"
)
NOT = rf"(?!no m[aáií][xn])(?:{'|'.join(NEGATIONS)})\s+(?:(?:{'|'.join(CARRIERS)})\s+){{0,2}}"
UP_TO = r"max(?:imum|imal)?\.?|maks\.?|within|bis|tot|até|do"
FROM = r"min(?:imum|imal)?\.?|from|ab|dès|à partir de|desde|a partire? d[ae]|vanaf|od|från|fra"
BETWEEN = r"between|zwischen|entre|tra|fra|tussen|między|pomiędzy|mellan|mellem|mellom"
SINCE = r"from|von|de|desde|du|da|dai|dal|van|od|från|fra"
ABOUT = (
    r"for|around|about|für|um|ca\.?|circa|etwa|rund|ungefähr|pour|environ|autour de|por|para|unos|alrededor de"
    r"|aproximadamente|per|sui|intorno ai?|attorno ai?|voor|ongeveer|rond|cerca de|uns|por volta de|za|około|ok\."
    r"|omkring|runt|cirka"
)
AT_MOST = (
    r"or (?:less|under|below|cheaper)|tops|max(?:imum|imal)?\.?|h[oö]chstens|oder weniger|ou moins|au plus|o menos"
    r"|como m[aá]ximo|o meno|al massimo|of minder|ou menos|no m[aá]ximo|lub mniej|eller mindre"
)
AT_LEAST = (
    r"or (?:more|over|above)|and (?:up|over|above)|min(?:imum|imal)?\.?|ou plus|et plus|o m[aá]s|o pi[uù]|in su"
    r"|oder mehr|of meer|ou mais|lub więcej|eller mer"
)
ARTICLE = r"(?:(?:the|de|die|den|les|los|las|i|gli|os)\s+)?"
TO = r"\s*(?:and|to|und|bis|et|à|y|a|ai|al|e|en|hasta|até|tot|do|i|och|og|till|til|-|–)\s*"
COUNTED = (
    r"days?|x|tog|psi|bar|lux|nm|speeds?|kapseln?|capsules?|tablets?|teeth|colou?rs|stunden|tagen?|giorn[oi]|or[ae]"
    r"|post[oi]|d[ií]as?|horas?|plazas?|lugares|jours?|heures?|places|dagen|uur|dni|godzin|dagar"
)
NO_UNITS = frozenset({"man", "set", "count"})
"""What else may be counted or measured, and names of units that may follow a price."""

MEASURE = (
    rf"(?:%|°|[\"″'′]|(?:{COUNTED}"
    rf"|{'|'.join(sorted({name.split()[0] for unit in UNITS for name in all_names(unit)} - NO_UNITS))})(?!\w))"
)
NO_SIZE = r"(?<!spf )(?<!size )(?<!sizes )(?<!age )(?<!aged )(?<!gr[oö](?:ß|s)e )(?<!größe )(?<!taille )(?<!talla )"
BARE = rf"{NUMBER}(?!\s*-?\s*{MEASURE})(?!\w)"

HUNDREDS = rf"(?=\d[\d.,]*\d\d){NUMBER}"
"""What a bare number with ``max`` after it must have to be a price, and no model."""

DIGIT = re.compile(r"\d")
PRICES = re.compile(
    rf"(?<!\w){NO_SIZE}(?P<not>{NOT})?(?:(?P<under>{UNDER})|(?P<over>{OVER}))\s+{ARTICLE}(?:{AMOUNT}|{BARE})"
    rf"|{AMOUNT}\s+(?:(?P<at_most>{AT_MOST})|(?P<at_least>{AT_LEAST}))(?!\w)"
    rf"|(?<!\w){NO_SIZE}(?P<last>{NUMBER}\s+or (?:less|cheaper)|{HUNDREDS}\s+(?:max(?:imum)?|tops))\.?(?=\s*(?:,|$))"
    rf"|(?<!\w){NO_SIZE}(?:{BETWEEN})\s+(?:{AMOUNT}|{NUMBER}){TO}(?:{AMOUNT}|{BARE})"
    rf"|(?<!\w)(?:{SINCE})\s+(?:{AMOUNT}|{NUMBER}){TO}{AMOUNT}"
    rf"|(?:(?<!\w)(?:(?P<up_to>{UP_TO})|(?P<from>{FROM})|(?:{ABOUT}))\s+{ARTICLE})?(?:(?:{AMOUNT}|{NUMBER}){TO})?{AMOUNT}"
)
"""A price and its bound in a folded text; not ``under 50 cm``, nor a bare ``50``, nor ``Air Max 90``,
nor ``Zenfone 3 Max``."""

MOST_CENTS = 10**15
"""What costs more is no price, but digits."""

NEAR = 0.25
"""How far from ``$50`` a price may be that is as asked."""


def without_prices(folded: str) -> str:
    """Folded text with a comma in place of each price and its bound."""
    return PRICES.sub(" , ", folded) if DIGIT.search(folded) else folded


def price_requirements(folded: str, currencies: Collection[str] | None) -> Iterator[Requirement]:
    """What a folded text asks of the price, in a catalog whose prices are in ``currencies``: none if they have none,
    None if nothing has a price. An amount in another currency asks for nothing that the catalog could tell."""
    for found in PRICES.finditer(folded) if currencies is not None and DIGIT.search(folded) else ():
        asked = currencies_in(found.group())
        fitting = [each for each in currencies or () if each in asked]
        if asked and currencies and not fitting:
            continue
        unit = 10 ** n_decimals(next(iter(fitting or currencies or ()), None))
        cents = [number_of(each) * unit for each in re.findall(NUMBER, found.group())]
        if 0 < max(cents) <= MOST_CENTS:
            yield Requirement(found.group().strip(), PRICE, bounds=bounds_of(found, cents))


def currencies_in(text: str) -> tuple[str, ...]:
    """The currencies that the first sign or word of a price may mean; empty without one."""
    sign = re.search(CURRENCY, text)
    if sign is None:
        return ()
    name = sign.group().rstrip(".")
    return CURRENCIES.get(name) or CURRENCIES[name.removesuffix("s")]


def bounds_of(found: re.Match[str], cents: list[Decimal]) -> Range:
    """The bounds that a match sets with its amounts, in cents."""
    first, last = float(min(cents)), float(max(cents))
    if len(cents) > 1:
        return Range(PRICE, gte=first, lte=last)
    is_denied = found["not"] is not None
    if found["over" if is_denied else "under"] or found["up_to"] or found["at_most"] or found["last"]:
        return Range(PRICE, lte=last)
    if found["under" if is_denied else "over"] or found["from"] or found["at_least"]:
        return Range(PRICE, gte=first)
    return Range(PRICE, gte=first * (1 - NEAR), lte=last * (1 + NEAR))


def number_of(text: str) -> Decimal:
    """A number as people write it: ``1,500`` and ``1.500`` are thousands, ``19,99`` and ``19.99`` are not."""
    text = text.rstrip(".,")
    mark = max(text.rfind("."), text.rfind(","))
    digits = re.sub(r"[.,]", "", text)
    n_after = len(text) - mark - 1
    is_grouped = n_after == 3 and not text.startswith("0") and not ("." in text and "," in text)
    return Decimal(digits) if mark < 0 or is_grouped else Decimal(digits).scaleb(-n_after)
