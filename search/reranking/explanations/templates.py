"""Explanations by template, and the facts given to a model: what the verdicts say and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import TypeVar

from vitrina.search.types.requirement import Status, Verdict


def fact(verdict: Verdict) -> str:
    """Write a verdict as ``requirement: status``, with the actual value where it is known.

    ``colour navy: met``, ``article shirt: contradicted, it is dress``, ``not striped: unknown``, ``colour navy: met,
    listing says navy blue, photo looks black``.
    """
    parts = [f"{asked_for(verdict)}: {verdict.status}"]
    if (instead := actual_value(verdict)) is not None:
        parts.append(f"it is {instead}")
    if verdict.disagreement:
        parts.append(verdict.disagreement)
    return ", ".join(parts)


def asked_for(verdict: Verdict) -> str:
    """Write a requirement with its field if it has one: ``colour navy``, ``see-through``, ``not striped``."""
    requirement = verdict.requirement
    if not requirement.wanted:
        return f"not {requirement.words}"
    return f"{requirement.field} {requirement.words}" if requirement.field else requirement.words


def actual_value(verdict: Verdict) -> str | None:
    """Return what a product is instead of what is wanted; None if that is unknown, or if the requirement is negated."""
    if verdict.status is not Status.CONTRADICTED or not verdict.requirement.wanted:
        return None
    return verdict.image_value or verdict.catalog_value


Option = TypeVar("Option")

Wording = Callable[[Verdict], str]
"""One clause about one verdict."""


def explanation(verdicts: Sequence[Verdict], rng: Random | None = None) -> str:
    """Write what is met in one sentence, and what is not met or unknown in another; empty without verdicts.

    Without ``rng`` the wording is always the same; with it, it is one of several.
    """
    met = [verdict for verdict in verdicts if verdict.status is Status.MET and not verdict.disagreement]
    rest = [_clause(verdict, rng) for verdict in verdicts if verdict not in met]
    sentences = _sentence(_praised(met, rng)), _sentence("; ".join(rest))
    return " ".join(sentence for sentence in sentences if sentence)


def _praised(met: Sequence[Verdict], rng: Random | None) -> str:
    wanted = [verdict for verdict in met if verdict.requirement.wanted]
    parts = [_pick((_as_words, _as_fields, _as_asked), rng)(wanted)] if wanted else []
    parts += [_clause(verdict, rng) for verdict in met if not verdict.requirement.wanted]
    return _enumerated(parts)


def _as_words(verdicts: Sequence[Verdict]) -> str:
    return f"it fits {_enumerated([verdict.requirement.words for verdict in verdicts])}"


def _as_fields(verdicts: Sequence[Verdict]) -> str:
    parts = [f"{_subject(verdict)} is {verdict.requirement.words}" for verdict in verdicts if verdict.requirement.field]
    free = [verdict for verdict in verdicts if verdict.requirement.is_free]
    return _enumerated([*parts, *([_as_words(free)] if free else [])])


def _as_asked(verdicts: Sequence[Verdict]) -> str:
    return f"as you asked, {_as_fields(verdicts)}"


def _clause(verdict: Verdict, rng: Random | None) -> str:
    if verdict.disagreement:
        return _pick(_DISAGREEING, rng)(verdict)
    return _pick(_WORDINGS[verdict.status, verdict.requirement.wanted], rng)(verdict)


def _is(verdict: Verdict) -> str:
    return f"{_subject(verdict)} is {verdict.requirement.words}"


def _is_not(verdict: Verdict) -> str:
    return f"{_subject(verdict)} is not {verdict.requirement.words}"


def _is_not_but(verdict: Verdict) -> str:
    instead = actual_value(verdict)
    return f"{_is_not(verdict)} but {instead}" if instead else _is_not(verdict)


def _is_other_than(verdict: Verdict) -> str:
    instead = actual_value(verdict)
    return f"{_subject(verdict)} is {instead}, not {verdict.requirement.words}" if instead else _is_not(verdict)


_CANNOT_BE_TOLD: tuple[Wording, ...] = (
    lambda verdict: f"whether {_is(verdict)} cannot be told",
    lambda verdict: f"nothing shows whether {_is(verdict)}",
)

_WORDINGS: Mapping[tuple[Status, bool], tuple[Wording, ...]] = {
    (Status.MET, True): (_is,),
    (Status.MET, False): (_is_not, lambda verdict: f"{_is_not(verdict)}, as you asked"),
    (Status.CONTRADICTED, True): (_is_not_but, _is_other_than),
    (Status.CONTRADICTED, False): (
        lambda verdict: f"{_is(verdict)}, which you did not want",
        lambda verdict: f"you did not want {verdict.requirement.words}, but {_is(verdict)}",
    ),
    (Status.UNKNOWN, True): _CANNOT_BE_TOLD,
    (Status.UNKNOWN, False): _CANNOT_BE_TOLD,
}
"""By status, and by whether the requirement is wanted."""

_DISAGREEING: tuple[Wording, ...] = (
    lambda verdict: f"as to {verdict.requirement.words}, {verdict.disagreement}",
    lambda verdict: f"{verdict.disagreement}, so {verdict.requirement.words} is in doubt",
)


def _subject(verdict: Verdict) -> str:
    return f"the {verdict.requirement.field}" if verdict.requirement.field else "it"


def _pick(options: Sequence[Option], rng: Random | None) -> Option:
    return options[0] if rng is None else rng.choice(options)


def _enumerated(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return f"{', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "".join(parts)


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}." if text else ""
