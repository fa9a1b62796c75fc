"""The sentence of a rank explanation: why an item is, or is not, among the hits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from textwrap import shorten

from vitrina.search.analysis.spelling import split
from vitrina.search.reranking.explanations.fields import spoken_field
from vitrina.search.reranking.explanations.templates import explanation
from vitrina.search.types.currencies import amount_text, price_text
from vitrina.search.types.filters import PRICE, AnyOf, Condition, Exists, Not, Range, field_of
from vitrina.search.types.item import Item, Scalar
from vitrina.search.types.query import RELEVANCE, WINDOW, Query, SortOrder
from vitrina.search.types.rank_explanation import FailedFilter, Placement, RankExplanation
from vitrina.search.types.requirement import Evidence, Status, Verdict
from vitrina.search.types.trust import Part

MAX_REASONS = 4
MAX_VALUES = 5
MAX_QUOTED_CHARS = 60

LEAST_GAP = 0.05
"""A part in which the hits lead by less, in standard deviations, is no reason."""

BOUNDS = {"gt": "above", "gte": "at least", "lt": "under", "lte": "at most"}

LESS: Mapping[Part, str] = {
    Part.IMAGE: "its photo is less like what was asked for than the photos of the hits",
    Part.TEXT: "its text is less like what was asked for than the texts of the hits",
    Part.BM25: "its words fit less well than those of the hits",
    Part.WORDS: "it holds fewer of the words than the hits do",
    Part.ALL_WORDS: "it does not hold all of the words",
    Part.TITLE: "what was asked for is not its title",
    Part.VALUE: "what was asked for is the value of more fields of the hits",
    Part.FIELDS: "its fields meet fewer of the requirements than those of the hits",
    Part.PIECES: "word by word its text means less of what was asked for than the texts of the hits",
}

BY: Mapping[Part, str] = {
    Part.IMAGE: "its photo",
    Part.TEXT: "the meaning of its text",
    Part.BM25: "its words",
    Part.WORDS: "how many of the words it holds",
    Part.ALL_WORDS: "holding all of the words",
    Part.TITLE: "its title",
    Part.VALUE: "the values of its fields",
    Part.FIELDS: "the requirements that its fields meet",
    Part.PIECES: "what its text means word by word",
}


def failed_filter(condition: Condition, item: Item) -> FailedFilter:
    """A condition that an item fails, in words."""
    inner = condition.condition if isinstance(condition, Not) else condition
    held = f"{subject(inner.field)}{held_text(item, inner.field)}"
    return FailedFilter(inner.field, condition_text(condition, item.currency), held)


def failed_together(conditions: Sequence[Condition], currency: str | None) -> FailedFilter:
    """Conditions that single variants of an item satisfy, and no variant all of them."""
    fields = dict.fromkeys(field_of(condition) for condition in conditions)
    text = joined([condition_text(condition, currency) for condition in conditions])
    return FailedFilter(" and ".join(fields), text, "none of its variants is all that")


def condition_text(condition: Condition, currency: str | None) -> str:
    """A filter's condition in words: ``colour=red or blue``, ``price under 50.00``, ``colour not red``; prices as in an
    item's ``currency``."""
    denied = isinstance(condition, Not)
    inner = condition.condition if isinstance(condition, Not) else condition
    name = spoken_field(inner.field)
    match inner:
        case AnyOf(field=field, values=values):
            named = joined([value_text(field, value, currency) for value in values[:MAX_VALUES]], "or")
            more = f" or one of {len(values) - MAX_VALUES} more" if len(values) > MAX_VALUES else ""
            return f"{name}{' not ' if denied else '='}{named}{more}"
        case Range(field=field):
            bounds = ((word, getattr(inner, end)) for end, word in BOUNDS.items())
            said = [f"{word} {value_text(field, bound, currency)}" for word, bound in bounds if bound is not None]
            return f"{name} {'not ' if denied else ''}{joined(said)}"
        case Exists():
            return f"no {name}" if denied else f"any {name}"


def value_text(field: str, value: Scalar, currency: str | None) -> str:
    """A value as people write it: prices with the decimals of their currency."""
    if field != PRICE:
        return f"{value:g}" if isinstance(value, float) else str(value)
    try:
        return amount_text(float(value), currency)
    except ValueError:
        return str(value)


def subject(field: str) -> str:
    return "it " if field == "sku" else f"its {spoken_field(field)} "


def held_text(item: Item, field: str) -> str:
    """What an item has in a field, after "its colour": ``is blue``, ``is not given``."""
    builtin: Mapping[str, Scalar | None] = {"sku": item.sku, "currency": item.currency, PRICE: item.price_cents}
    held = builtin[field] if field in builtin else item.attributes.get(field)
    if held is None or held == ():
        return "is not given"
    if field == PRICE and item.price_cents is not None:
        return f"is {price_text(item.price_cents, item.currency)}"
    values = held if isinstance(held, tuple) else (held,)
    texts = [value_text(field, value, item.currency) for value in values]
    return f"is {joined([shorten(text, MAX_QUOTED_CHARS, placeholder=' …') for text in texts])}"


def sentence(explained: RankExplanation, query: Query, text: str = "") -> str:
    """One plain sentence that says why an item is, or is not, among the hits; ``text`` is what was searched for."""
    head = placement_text(explained, query)
    if explained.placement in (Placement.EXCLUDED, Placement.FILTERED) or query.browses:
        return f"{head}."
    if explained.certain:
        return f"{head}: {'the search names it by its identifier' if query.text else 'it is the photo that was given'}."
    if query.sort != RELEVANCE and explained.placement.is_found:
        return f"{head}."
    against = list(dict.fromkeys(reasons_against(explained, text)))[:MAX_REASONS]
    if explained.placement is not Placement.HIT and not is_on_earlier_page(explained, query):
        return f"{head}: {'; '.join(against or [widest_gap(explained)])}."
    favourable = "; ".join(reasons_for(explained, text)) or ("" if against else best_part(explained))
    opposed = f", although {'; '.join(against).replace(', but ', ' and ')}" if against else ""
    return f"{head}{': ' if favourable else ''}{favourable}{opposed}."


def placement_text(explained: RankExplanation, query: Query) -> str:
    """Where the item is in the answer, without the reasons."""
    match explained.placement:
        case Placement.EXCLUDED:
            return "It is left out of a search for items like itself" if query.skus else "The search excludes it"
        case Placement.FILTERED:
            return filters_text(explained.failed_filters)
        case Placement.BELOW_MIN_CONFIDENCE:
            least, confidence = percent(query.min_confidence), percent(explained.confidence or 0.0)
            return f"Its confidence, {confidence}, is below the {least} that the search asks for"
        case Placement.NOT_A_CANDIDATE if explained.rank is not None and explained.rank == explained.n_candidates:
            return f"It is not among the {explained.n_candidates - 1:,} candidates that come closest"
        case Placement.NOT_A_CANDIDATE:
            return f"It is {rank_text(explained)}, and a search ends at the first {WINDOW:,}"
        case Placement.NOT_RELEVANT:
            return f"Only relevant items are sorted by {order_text(query.sort)}, and it is {rank_text(explained)}"
        case Placement.HIT | Placement.OTHER_PAGE:
            return found_text(explained, query)


def found_text(explained: RankExplanation, query: Query) -> str:
    """The rank of an item that some page has, and how the hits are sorted."""
    place = f"It is {rank_text(explained)}"
    if is_on_earlier_page(explained, query):
        place += ", on an earlier page"
    if query.sort == RELEVANCE and not query.browses:
        return place
    return f"{place}, sorted by {order_text(query.sort)}"


def order_text(sort: SortOrder) -> str:
    """An order in words; browsing, relevance is age."""
    if not sort.field:
        return "age, the newest first"
    return f"{spoken_field(sort.field)}, the {'highest' if sort.descending else 'lowest'} first"


def is_on_earlier_page(explained: RankExplanation, query: Query) -> bool:
    return explained.placement.is_found and (explained.rank or 0) <= query.offset


def filters_text(failed: Sequence[FailedFilter]) -> str:
    if len(failed) == 1:
        return f"It fails the filter {failed[0].condition}: {failed[0].reason}"
    return f"It fails the filters {joined([f'{each.condition} ({each.reason})' for each in failed])}"


def rank_text(explained: RankExplanation) -> str:
    """The rank among the candidates: ``34th of 812``, ``2nd of 812 (5th before reranking)``."""
    rank, before = explained.rank or explained.n_candidates, explained.retrieval_rank
    moved = "" if before is None or before == rank else f" ({ordinal(before)} before reranking)"
    return f"{ordinal(rank)} of {explained.n_candidates:,}{moved}"


def reasons_against(explained: RankExplanation, text: str) -> Iterator[str]:
    """Clauses on what speaks against the item: what is to be avoided, words that it lacks, requirements not met."""
    if not text:  # the query is a photo, and requirements are only what was read from it
        yield from [widest_gap(explained)] if any(each.gap >= LEAST_GAP for each in explained.parts) else []
    contradicted = [verdict for verdict in explained.verdicts if verdict.status is Status.CONTRADICTED]
    told = {verdict.requirement.words.casefold() for verdict in contradicted}
    avoided = [words for words in explained.avoided if words.casefold().removeprefix("not ") not in told]
    if avoided:
        yield f"it holds {joined([quoted(words) for words in avoided])}, which is to be avoided"
    yield from words_lacked(explained, text)
    in_doubt = [each for each in explained.verdicts if each.status is Status.UNKNOWN and each.disagreement]
    if told_of := clause_of([*contradicted, *in_doubt]):
        yield told_of
    for verdict in explained.verdicts:
        if verdict.evidence is Evidence.NOTHING and verdict.requirement.field:
            yield f"{subject(verdict.requirement.field)}is not given"


def clause_of(verdicts: Sequence[Verdict]) -> str:
    """What the explanation of verdicts says, as part of a sentence: ``it is blue, not red``; empty without verdicts."""
    text = explanation(verdicts)
    return text[:1].lower() + text[1:].rstrip(".")


def words_lacked(explained: RankExplanation, text: str) -> Iterator[str]:
    """Which of the words the item holds, if it lacks any that others hold."""
    words = explained.words
    share = next((each for each in explained.parts if each.part is Part.WORDS), None)
    if all(words.values()) or share is None or share.rank == 1:
        return
    held = [quoted(word) for word, is_held in words.items() if is_held]
    yield f"its words hold {f'only {joined(held)}' if held else 'none'} of {quoted(text)}"


def reasons_for(explained: RankExplanation, text: str) -> Iterator[str]:
    """Clauses on what speaks for the item: requirements met, words held."""
    words, has_all = explained.words, all(explained.words.values())
    met = [
        each
        for each in explained.verdicts
        if each.status is Status.MET and (has_all or not (each.requirement.is_free and each.evidence is Evidence.FIELD))
    ]
    if met:
        yield clause_of(met)
    told = {word for each in met for word in split(each.requirement.words)}
    if words and has_all and not told >= set(words):
        yield f"its words hold all of {quoted(text)}"


def best_part(explained: RankExplanation) -> str:
    """The part of the score by which the item ranks best, in words; empty where none adds anything."""
    ranked = [each for each in explained.parts if each.rank is not None and each.contribution > 0]
    best = min(ranked, key=lambda each: (each.rank or 0, -each.contribution), default=None)
    return f"{ordinal(best.rank or 0)} by {BY[best.part]}" if best else ""


def widest_gap(explained: RankExplanation) -> str:
    """The part of the score in which the hits are furthest ahead, in words."""
    gaps = sorted(explained.parts, key=lambda each: -each.gap)
    return LESS[gaps[0].part] if gaps and gaps[0].gap >= LEAST_GAP else "others fit as well or better"


def ordinal(number: int) -> str:
    """``1st``, ``2nd``, ``11th``, ``1,234th``."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def percent(probability: float) -> str:
    return f"{min(max(round(100 * probability), 1), 99)}%"


def quoted(text: str) -> str:
    return f"“{shorten(text, MAX_QUOTED_CHARS, placeholder=' …')}”"


def joined(parts: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}" if len(parts) > 1 else "".join(parts)
