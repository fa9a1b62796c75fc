"""Facts: verdicts in the few words that a model is told them in."""

from __future__ import annotations

from search.reranking.verdict import Standing, Verdict


def fact(verdict: Verdict) -> str:
    """A verdict as ``requirement: standing``, and what the product is instead where that is known.

    ``colour navy: met``, ``article shirt: contradicted, it is dress``, ``not striped: unknown``, ``colour navy: met,
    listing says navy blue, photo looks black``.
    """
    told = [f"{asked_for(verdict)}: {verdict.standing}"]
    if (instead := seen_instead(verdict)) is not None:
        told.append(f"it is {instead}")
    if verdict.disagreement:
        told.append(verdict.disagreement)
    return ", ".join(told)


def asked_for(verdict: Verdict) -> str:
    """The requirement with its field, where the catalog has one: ``colour navy``, ``see-through``, ``not striped``."""
    requirement = verdict.requirement
    if not requirement.wanted:
        return f"not {requirement.words}"
    return f"{requirement.field} {requirement.words}" if requirement.field else requirement.words


def seen_instead(verdict: Verdict) -> str | None:
    """What a product is that is not what was asked for; None where that is not known, or where it should be anything
    but what it is."""
    if verdict.standing is not Standing.CONTRADICTED or not verdict.requirement.wanted:
        return None
    return verdict.seen or verdict.listed
