"""Prices in a query's words, which filters are for, not requirements."""

from __future__ import annotations

import re

NUMBER = r"(?<![\d.,])\d[\d.,]*+"
CURRENCY = r"(?:[$€£¥₹]|(?<!\w)(?:usd|eur|euros?|gbp|dollars?|pounds?|bucks|inr|rs\.?|rupees?|chf|yen)(?!\w))"
AMOUNT = rf"(?:{CURRENCY}\s?{NUMBER}|{NUMBER}\s?(?:{CURRENCY}|(?<=\d)(?:eur|usd|gbp)(?!\w)))"
BOUND = (
    r"(?<!\w)(?:(?:no|not) (?:more|less) than|(?:less|more|cheaper) than|up to|at (?:most|least)|under|below|over|above"
    r"|max(?:imum)?|min(?:imum)?)"
)
ABOUT = r"(?<!\w)(?:for|from|between|around|about|within)"
MEASURE = (
    r"(?:%|°|(?:cm|mm|m|km|ml|cl|l|litres?|liters?|g|kg|oz|lbs?|inch(?:es)?|ft|years?|yrs?|months?|days?|hours?|w|watts?"
    r"|v|gb|tb|mah|x|pack|pieces?|pcs)(?!\w))"
)
BARE = rf"{NUMBER}(?!\s*-?\s*{MEASURE})(?!\w)"
TO = r"\s*(?:and|to|-|–)\s*"

DIGIT = re.compile(r"\d")
PRICE = re.compile(
    rf"{BOUND}\s+(?:{AMOUNT}|{BARE})"
    rf"|(?<!\w)between\s+(?:{AMOUNT}|{NUMBER}){TO}(?:{AMOUNT}|{BARE})"
    rf"|(?:{ABOUT}\s+)?(?:(?:{AMOUNT}|{NUMBER}){TO})?{AMOUNT}"
)
"""``under 50``, ``between 20 and 50 euros``, ``$50``; not ``under 50 cm``, nor a bare ``50``."""


def without_prices(folded: str) -> str:
    """Folded text with a comma where a price, and what bounds it, was."""
    return PRICE.sub(" , ", folded) if DIGIT.search(folded) else folded
