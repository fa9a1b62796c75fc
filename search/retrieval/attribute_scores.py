"""Attribute scores: how far the fields of items meet the requirements that name values of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrina.search.analysis.analyser import analyse
from vitrina.search.analysis.measures import Measure, measured
from vitrina.search.index.facet_index import FacetIndex
from vitrina.search.index.replica import IndexReplica
from vitrina.search.lexical.heads import HEAD_FIRST, may_name_a_thing
from vitrina.search.lexical.lexical_index import LexicalIndex
from vitrina.search.retrieval.fusion import Scores
from vitrina.search.store.matching import items_of
from vitrina.search.store.reader import CatalogReader
from vitrina.search.types.arrays import distinct
from vitrina.search.types.filters import AnyOf, facet_value
from vitrina.search.types.query import WINDOW
from vitrina.search.types.requirement import Requirement
from vitrina.search.understanding.catalog_attributes import is_open, is_property
from vitrina.search.understanding.parsed_query import ParsedQuery

OTHER_KIND_WEIGHT = 0.25
"""The weight of the other requirements that an item meets if it is another kind of thing than was asked for: a plain
black shirt is closer to "striped navy shirt for men" than men's striped navy socks are. Set by judgement."""

OTHER_KIND_WORDS_WEIGHT = 0.5
"""The same of the words that it holds: a tool that opens bracelets need not be filed under them. Of 0.25, 0.5, 0.75
and 1 the higher are the better in shoppers' words, the lower in queries made of a shop's labels: docs/LOG.md."""

NARROWER_VALUE_WEIGHT = 0.5
"""The weight of a value that the query's words include but do not name: Navy Blue for "blue"."""

MENTIONED_WEIGHT = 0.5
"""The weight of a tag that an item lacks, but that its words say: a sofa need not have the tag "sofa", but what has may
be meant more."""

CALLED_WEIGHT = 0.7
"""The weight of a kind that an item's title calls it and its fields do not: of 0.5, 0.7, 0.8 and 1 the best."""

LEAST_FILLED = 0.5
"""The share of items that must have a kind for it to tell what they are not: where one product in twenty has a type,
"Passive holder" does not say that a phone stand is none. Set by judgement."""


@dataclass(frozen=True, slots=True)
class AttributeScores:
    """The requirements of a query that name values of the catalog's fields, and the ids of items ``found``, ``WINDOW``
    at most, that meet all that are ``wanted``.

    ``is_kind``, shape (n wanted,), marks those that name a kind of thing, in a field that most items have, and
    ``is_rare_kind`` those in a field that few have; ``may_modify`` marks those that may be part of another thing's
    name: all but the last of the query, and the first, too, where heads come first (no ``robe de chambre`` is a robe);
    ``is_purpose`` marks a kind beside a head that has none. ``n_asked`` counts the wanted, free ones included.
    ``priced`` has the ids of the items within the bounds of each that bounds the price, sorted, and ``accessories``
    the values of fields of kinds that say that an item is for other things; none where words beside the thing may ask
    for one of these: ``rain cover for pushchair``. An item must not meet
    any of the ``denied``, which the query's text denies, nor all of ``without`` together, one value a field: avoiding
    "red or blue shirts" does not avoid everything red.
    """

    wanted: tuple[Requirement, ...]
    is_kind: NDArray[np.bool_]
    is_rare_kind: NDArray[np.bool_]
    may_modify: NDArray[np.bool_]
    is_purpose: NDArray[np.bool_]
    n_asked: int
    denied: tuple[Requirement, ...]
    without: tuple[Requirement, ...]
    found: NDArray[np.int64]
    priced: Mapping[Requirement, NDArray[np.int64]]
    accessories: Mapping[str, AbstractSet[str]]

    def met(self, replica: IndexReplica, item_ids: NDArray[np.int64], called: NDArray[np.bool_]) -> Scores:
        """How far each of ``item_ids`` meets each wanted requirement, 0 to 1; shape (n, n wanted). Where an item's
        field is empty, its words tell: a listing with a hole is no product of another kind. So they do where few items
        have a kind, and in part where its tags name something else. What is ``called`` all that the query asks for,
        shape (n,), is nearly of its kind, whatever a field says: a punch bag need not be under Bags."""
        met = shares(replica.facets, self.wanted, item_ids)
        for column, requirement in enumerate(self.wanted):
            if requirement.bounds is not None:
                met[:, column] = np.isin(item_ids, self.priced[requirement], assume_unique=True)
                continue
            said = replica.facets.having(requirement.field, None, item_ids) & ~self.is_rare_kind[column]
            silent = (met[:, column] == 0) & (~said | is_open(requirement.field))
            if silent.any():
                whole = replica.lexical.match(requirement.words).of(item_ids[silent]).whole
                met[silent, column] = np.where(said[silent], MENTIONED_WEIGHT, 1) * whole
        np.maximum(met, CALLED_WEIGHT, out=met, where=called[:, np.newaxis] & self.is_kind)
        if len(self.wanted) > 1 and replica.facets.has_variants:
            met = met_by_one_variant(replica.facets, self.wanted, item_ids, met)
        return met

    def kinds_meant(self, met: Scores, hold_all: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which wanted requirements name the kind of thing that is meant, shape (n wanted,), by how far n items have
        ``met`` each, and which hold all the words of the query or synonyms: where such are bike lights and no bikes, a
        bike is not what is meant. Nor is a purpose: ``lençol infantil`` asks for bed linen, whatever is under
        ``Infantil``."""
        is_of_others = hold_all.any() & ~met[hold_all].any(axis=0)
        return np.asarray(self.is_kind & ~self.is_purpose & ~(self.may_modify & is_of_others))

    def mispriced(self, facets: FacetIndex, item_ids: NDArray[np.int64], met: Scores) -> NDArray[np.bool_]:
        """Which of ``item_ids`` have a price, or an amount, and none within a bound that is set to it, or say no to a
        property asked for, by how far they have ``met`` what is wanted; shape (n,)."""
        out = np.zeros(len(item_ids), np.bool_)
        for column, each in enumerate(self.wanted):
            if each.bounds is not None or is_bound(each.words) or is_property(each.field, each.values):
                out |= facets.having(each.field, None, item_ids) & (met[:, column] == 0)
        return out

    def is_accessory(self, facets: FacetIndex, item_ids: NDArray[np.int64], met: Scores) -> NDArray[np.bool_]:
        """Which of ``item_ids`` are accessories by their fields and of no kind that is asked for, by how far they have
        ``met`` what is wanted; shape (n,). None where the query's head names no kind, or where heads come first."""
        out = np.zeros(len(item_ids), np.bool_)
        asked = self.is_kind & ~self.may_modify & ~self.is_purpose
        if asked.any():
            for field, values in self.accessories.items():
                out |= facets.having(field, values, item_ids)
            out &= met[:, self.is_kind].max(axis=1) == 0
        return out

    def avoided(self, facets: FacetIndex, lexical: LexicalIndex, item_ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which of ``item_ids`` are to be avoided by their fields, shape (n,); not those that say that they lack it."""
        lacked = np.array([lexical.avoid(each.words, item_ids).lacked for each in self.denied], np.bool_).T
        avoided = ((shares(facets, self.denied, item_ids) > 0) & ~lacked).any(axis=1)
        by_field = {each.field: [other for other in self.without if other.field == each.field] for each in self.without}
        met = [shares(facets, alternatives, item_ids).any(axis=1) for alternatives in by_field.values()]
        return np.asarray(avoided | np.all(met, axis=0) if met else avoided, np.bool_)


def is_bound(words: str) -> bool:
    """Whether words are an amount that is bounded on one side: ``at least 16 gb``."""
    first = next(iter(measured(analyse(words))), "")
    return isinstance(first, Measure) and first.is_open


def met_by_one_variant(
    facets: FacetIndex, wanted: Sequence[Requirement], item_ids: NDArray[np.int64], met: Scores
) -> Scores:
    """How far each item meets each requirement, shape (n, n wanted), where one of its variants has to meet all that
    single variants do: "red" and "M" are no match for a product that is red in S alone. ``met``: by any variant."""
    shares_of = [dict[int, float]() for _ in wanted]
    for column, requirement in enumerate(wanted):
        for values, share in ((requirement.narrower, NARROWER_VALUE_WEIGHT), (named_values(requirement), 1.0)):
            for key in facets.variants_having(requirement.field, map(facet_value, values), item_ids).tolist():
                shares_of[column][key] = share
    keys = np.array(sorted(set().union(*shares_of)), np.int64)
    if not len(keys):
        return met
    by_variant = np.array([[each.get(key, 0.0) for each in shares_of] for key in keys.tolist()])  # (k, n wanted)
    owners, first = np.unique(items_of(keys), return_index=True)
    is_varied = np.maximum.reduceat(by_variant > 0, first)  # (n owners, n wanted)
    order = np.lexsort((-by_variant.sum(axis=1), items_of(keys)))  # the best variant of each item first
    best = by_variant[order[first]]
    rows = np.searchsorted(item_ids, owners)
    together = met.copy()
    together[rows] = np.where(is_varied, best, met[rows])
    return together


def with_another_variant(
    facets: FacetIndex, denied: Sequence[Requirement], item_ids: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The items that have a variant with another value than each denied one, so that "not red" leaves a product that is
    blue, too."""
    found = item_ids
    for requirement in denied:
        of_field = facets.variants_having(requirement.field, None, found)
        values = map(facet_value, (*requirement.values, *requirement.narrower))
        others = np.setdiff1d(of_field, facets.variants_having(requirement.field, values, found), assume_unique=True)
        found = distinct(items_of(others))
    return found


def named_values(requirement: Requirement) -> list[str]:
    """The values that a requirement's words name, without those that they only include."""
    return [value for value in requirement.values if value not in requirement.narrower]


def attribute_scores(
    reader: CatalogReader,
    facets: FacetIndex,
    parsed: ParsedQuery,
    within: NDArray[np.int64] | None,
    lexical: LexicalIndex,
) -> AttributeScores:
    """Find the items whose fields meet the requirements of a query's words; ``within`` are the ids that pass its
    filters."""
    wanted = tuple(each for each in parsed.of_catalog if each.wanted and not each.is_free)
    denied = tuple(each for each in parsed.of_catalog if not each.wanted and not each.is_free)
    # free requirements are left to the lexical index
    without = () if any(each.is_free for each in parsed.of_without) else parsed.of_without
    priced = {each: facets.passing(reader, (each.bounds,)) for each in wanted if each.bounds is not None}
    conditions = [AnyOf(each.field, tuple(map(facet_value, each.values))) for each in wanted if each not in priced]
    for item_ids in priced.values():
        within = item_ids if within is None else np.intersect1d(within, item_ids, assume_unique=True)
    found = facets.satisfying(conditions, WINDOW, within) if conditions else np.empty(0, np.int64)
    is_kind = np.array([each.field in parsed.vocabulary.kind_fields for each in wanted], np.bool_)
    is_filled = np.array([facets.share_having(each.field) >= LEAST_FILLED for each in wanted], np.bool_)
    asked = [each for each in parsed.of_text if each.wanted and each.bounds is None]
    head = asked[:1] if lexical.language in HEAD_FIRST else asked[-1:]
    may_modify = np.array([each not in head for each in wanted], np.bool_)
    if lexical.language in HEAD_FIRST:
        is_purpose = may_modify & (may_modify.any() and bool(head) and is_held_head(lexical, head[0]))
    else:
        word = lexical.head(parsed.text)
        is_purpose = np.array([bool(word) and is_beside(each, word) for each in wanted], np.bool_)
        is_purpose &= is_purpose.any() and is_held(lexical, word)
    return AttributeScores(
        wanted=wanted,
        is_kind=is_kind & is_filled,
        is_rare_kind=is_kind & ~is_filled,
        may_modify=may_modify | (lexical.language in HEAD_FIRST),
        is_purpose=is_purpose,
        n_asked=sum(each.wanted for each in parsed.of_catalog),
        denied=denied,
        without=without,
        found=found,
        priced=priced,
        accessories={} if any(each.is_free for each in asked) else parsed.vocabulary.accessories,
    )


def is_beside(requirement: Requirement, head: str) -> bool:
    """Whether a requirement has but the wider name of what meets it, such as a department's, beside a query's ``head``:
    a "smart watch for swimming" is nothing that is filed under ``Swimming``."""
    return set(requirement.values) == set(requirement.narrower) and head not in analyse(requirement.words)


def is_held_head(lexical: LexicalIndex, requirement: Requirement) -> bool:
    """Whether a requirement is a word that may name a thing and that some item holds, and no value of a field."""
    is_thing = requirement.is_free and may_name_a_thing(requirement.words.partition(" ")[0])
    return is_thing and is_held(lexical, requirement.words)


def is_held(lexical: LexicalIndex, words: str) -> bool:
    """Whether some item holds one of these words, in any form."""
    return len(lexical.match(words).best(1)) > 0


def n_met(met: Scores, is_kind: NDArray[np.bool_]) -> Scores:
    """How many of m requirements each of n items meets, shape (n,); for things of another kind the others count less.
    ``met``, shape (n, m), says how far each is met, 0 to 1, and ``is_kind``, shape (m,), which of them name a kind."""
    others = met[:, ~is_kind].sum(axis=1)
    return np.asarray(met[:, is_kind].sum(axis=1) + others * kind_factor(met, is_kind, OTHER_KIND_WEIGHT))


def kind_factor(met: Scores, is_kind: NDArray[np.bool_], weight: float) -> Scores:
    """How much counts what else n items have, shape (n,): ``weight`` where their fields say that they are another kind
    of thing than was asked for; 1 where none was asked for. Other arguments as for ``n_met``."""
    if not is_kind.any():
        return np.ones(len(met))
    return np.asarray(weight + (1 - weight) * met[:, is_kind].max(axis=1))


def shares(facets: FacetIndex, requirements: Sequence[Requirement], item_ids: NDArray[np.int64]) -> Scores:
    """How far each item meets each requirement by its fields; shape (n, len(requirements)). ``item_ids``: sorted."""
    met = np.zeros((len(item_ids), len(requirements)))
    for column, requirement in enumerate(requirements):
        narrower = set(map(facet_value, requirement.narrower))
        named = set(map(facet_value, requirement.values)) - narrower
        met[facets.having(requirement.field, narrower, item_ids), column] = NARROWER_VALUE_WEIGHT
        met[facets.having(requirement.field, named, item_ids), column] = 1.0
    return met
