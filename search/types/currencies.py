"""Currencies: how many decimals an amount has, and prices as people write them."""

from __future__ import annotations

N_DECIMALS = {
    **dict.fromkeys(str.split("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"), 0),
    **dict.fromkeys(str.split("BHD IQD JOD KWD LYD OMR TND"), 3),
}
"""ISO 4217 minor units where they are not 2."""


def n_decimals(currency: str | None) -> int:
    """The decimals of a currency's smallest unit (ISO 4217): 2 if it is not known."""
    return N_DECIMALS.get(currency or "", 2)


def amount_text(cents: float, currency: str | None) -> str:
    """An amount of a currency's smallest unit as people write it, without its currency: ``1,299.00``."""
    decimals = n_decimals(currency)
    return f"{cents / 10**decimals:,.{decimals}f}"


def price_text(cents: float, currency: str | None) -> str:
    """An amount of a currency's smallest unit as people write it: ``1,299.00 EUR``."""
    return f"{amount_text(cents, currency)} {currency or ''}".rstrip()


def price_range_text(cents: int | None, max_cents: int | None, currency: str | None) -> str:
    """The price of a thing, from its lowest to its highest where they differ; empty without one."""
    if cents is None:
        return ""
    least = "" if max_cents in (None, cents) else f"{amount_text(cents, currency)} to "
    return least + price_text(cents if max_cents is None else max_cents, currency)
