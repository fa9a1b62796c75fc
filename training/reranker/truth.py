"""Truth: what is known of a claim about a product, from the product's labels alone."""

from __future__ import annotations

from functools import lru_cache

from search.reranking.verdict import Standing
from training.captions import Claim
from training.product import Product
from training.wording import key

_key = lru_cache(maxsize=100_000)(key)


def standing(product: Product, claim: Claim) -> Standing:
    """Whether a claim holds: contradicted where a label says otherwise, unknown where one is missing and none does.

    ``Facts.matches`` does not tell these two apart: for a contrastive loss a missing label is as good as another one,
    for a verdict it is not. The claim must be worded as the product's own shop words it.
    """
    standings = {_of_field(product, field, value) for field, value in claim}
    for worst in (Standing.CONTRADICTED, Standing.UNKNOWN):
        if worst in standings:
            return worst
    return Standing.MET


def same(one: str, other: str) -> bool:
    """Whether two spellings are of one value."""
    return _key(one) == _key(other)


def _of_field(product: Product, field: str, value: str) -> Standing:
    known = (*product.names, product.title) if field == "kind" else (product.label(field),)
    if not known[0]:
        return Standing.UNKNOWN
    return Standing.MET if _key(value) in {_key(name) for name in known} else Standing.CONTRADICTED
