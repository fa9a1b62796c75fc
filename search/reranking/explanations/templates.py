"""Explanations by template, and the facts given to a model: what the verdicts say and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import TypeVar

from vitrina.search.analysis.spelling import fold, key, split
from vitrina.search.reranking.explanations.fields import spoken, spoken_field
from vitrina.search.reranking.explanations.nouns import Number, article, enumerated
from vitrina.search.reranking.explanations.phrases import Phrase, Place, filed, phrase
from vitrina.search.types.requirement import Evidence, RequirementSource, Status, Verdict

SURE_FROM = 0.8
"""A verdict less probable than this, either way, is said to be probable."""


def fact(verdict: Verdict) -> str:
    """Write a verdict as ``requirement: status``, with the actual value where it is known.

    ``colour navy: met``, ``article shirt: contradicted, it is dress``, ``not striped: unknown``, ``colour navy: met,
    listing says navy blue, photo looks black``.
    """
    parts = [f"{asked_for(verdict)}: {verdict.status}"]
    if (instead := actual_value(verdict)) is not None:
        parts.append(f"it is {spoken(verdict.requirement, instead)}")
    if verdict.disagreement:
        parts.append(verdict.disagreement)
    return ", ".join(parts)


def asked_for(verdict: Verdict) -> str:
    """Write a requirement with its field if it has one: ``colour navy``, ``see-through``, ``not striped``."""
    requirement = verdict.requirement
    if not requirement.wanted:
        return f"not {requirement.words}"
    return f"{spoken_field(requirement.field)} {requirement.words}" if requirement.field else requirement.words


def actual_value(verdict: Verdict) -> str | None:
    """Return what a product is instead of what is wanted; None if that is unknown, or if the requirement is negated."""
    if verdict.status is not Status.CONTRADICTED or not verdict.requirement.wanted:
        return None
    return verdict.image_value or verdict.catalog_value


Option = TypeVar("Option")


def explanation(verdicts: Sequence[Verdict], rng: Random | None = None, *, has_image: bool = True) -> str:
    """Write why a product is found, and what is not as it was asked for; then what is not known. Empty without
    verdicts.

    "A navy hoodie for men, as asked, but it is by Puma, not Nike. The photo does not tell whether it is made of wool."
    Without ``rng`` the wording is always the same; with it, it is one of several. No photo is mentioned where
    there is none.
    """
    return _Writer(verdicts, rng, has_image=has_image).text()


class _Writer:
    """Writes one explanation; of ``they`` if the product is a pair or a pack."""

    def __init__(self, verdicts: Sequence[Verdict], rng: Random | None, *, has_image: bool) -> None:
        self._rng = rng
        self._has_image = has_image
        self._verdicts = verdicts
        self._are_several = number_of(verdicts) is Number.SEVERAL
        others = [instead(each) for each in verdicts if not each.disagreement]
        self._is_another_kind = any(other is not None and other.place is Place.HEAD for other in others)

    def text(self) -> str:
        by_status = {status: [each for each in self._verdicts if each.status is status] for status in Status}
        met = by_status[Status.MET]
        doubtful = [each for each in met if not is_sure(each) and not each.disagreement]
        reasons = [*self._reasons([each for each in met if is_sure(each)]), *self._probable(doubtful)]
        misses = self._misses([each for each in by_status[Status.CONTRADICTED] if not each.disagreement])
        conflicts = [_pick(conflict_wordings(each), self._rng) for each in self._verdicts if each.disagreement]
        first = _joined("; ".join(reasons), "; ".join(misses), ", but ")
        known = _joined(first, "; ".join(conflicts), "; ")
        unknown = self._unknown([each for each in by_status[Status.UNKNOWN] if not each.disagreement])
        return " ".join(_sentence(sentence) for sentence in (known, *unknown) if sentence)

    def _reasons(self, met: Sequence[Verdict]) -> list[str]:
        """What is met for sure, in clauses: first a noun phrase or one clause, said to be as asked."""
        heads = [each for each in met if said(each).place is Place.HEAD and each.requirement.wanted]
        apart = [each for each in met if said(each).place is Place.APART or each in heads[1:]]
        main = [each for each in met if each not in apart]
        clauses = [self._clause(each) for each in apart]
        if main:
            return [self._agreed(self._main(main, heads[:1]), met), *clauses]
        return [self._agreed(enumerated(clauses), met)] if clauses else []

    def _agreed(self, clause: str, met: Sequence[Verdict]) -> str:
        """A clause that says where the wish comes from: ``as asked``, ``as in your photo``."""
        if {each.requirement.source for each in met} == {RequirementSource.PHOTO}:
            return f"{clause}, as in your photo"
        return _pick((f"{clause}, as asked", f"{clause}, as you asked", f"as you asked, {clause}"), self._rng)

    def _main(self, main: Sequence[Verdict], head: Sequence[Verdict]) -> str:
        """``a navy hoodie for men, not striped``, or without a kind ``it is navy and for men, not striped``."""
        wanted = [said(each) for each in main if each.requirement.wanted]
        denied = enumerated([f"not {said(each).complement}" for each in main if not each.requirement.wanted])
        subject = "they are" if self._are_several else "it is"
        if not wanted:
            return f"{subject} {denied}"
        if not head:
            met = enumerated([*(each.complement for each in wanted), *([denied] if denied else [])])
            return met if self._is_another_kind else f"{subject} {met}"
        opening = _pick(("", "these are " if self._are_several else "this is "), self._rng)
        return _joined(f"{opening}{noun_phrase(wanted, said(head[0]))}", denied, ", ")

    def _probable(self, met: Sequence[Verdict]) -> list[str]:
        """What is met but not for sure: ``it is probably navy and for men``."""
        simple = [each for each in met if said(each).place is not Place.APART and each.requirement.wanted]
        complements = [said(each).complement for each in simple]
        subject = "they are" if self._are_several else "it is"
        together = [f"{subject} probably {enumerated(complements)}"] if complements else []
        return [*together, *(self._clause(each) for each in met if each not in simple)]

    def _clause(self, verdict: Verdict) -> str:
        """A clause that says what is so, of a verdict that is met or that contradicts what was not wanted."""
        is_so = (verdict.status is Status.MET) is verdict.requirement.wanted
        subject = ""
        if is_so and said(verdict).verb == "matches":
            if verdict.evidence is Evidence.FIELD:
                return f"the listing mentions {mentioned(verdict)}"
            subject = "the photo" if verdict.evidence is Evidence.IMAGE else ""
        are_several = self._are_several and not subject
        return said(verdict).clause(is_so=is_so, are_several=are_several, hedge=_hedge(verdict), subject=subject)

    def _misses(self, missed: Sequence[Verdict]) -> Iterator[str]:
        """What is not as it was asked for, and how it is instead; clauses of one form are one clause."""
        unwanted = [each for each in missed if not each.requirement.wanted]
        for verdict in missed:
            if verdict in unwanted:
                continue
            if (other := instead(verdict)) is None:
                yield self._clause(verdict)
                continue
            asked = said(verdict)
            if asked.place is Place.HEAD and other.place is not Place.HEAD:
                yield f"{self._clause(verdict)}; {other.clause(are_several=self._are_several)}"
            else:
                wordings = other.instead_of(asked, are_several=self._are_several, hedge=_hedge(verdict))
                yield _pick(wordings, self._rng)
        if unwanted:
            yield f"{enumerated([self._clause(each) for each in unwanted])}, which you did not want"

    def _unknown(self, verdicts: Sequence[Verdict]) -> Iterator[str]:
        """What is not known, a sentence for each way in which it is not."""
        for opening in _OPENINGS:
            whether = [
                f"whether {said(each).clause(are_several=self._are_several)}"
                for each in verdicts
                if opening_of(each, has_image=self._has_image) == opening
            ]
            if whether:
                last = _pick(
                    (f"{opening} {enumerated(whether, 'or')}", f"{enumerated(whether, 'and')} cannot be told"),
                    self._rng,
                )
                yield last


_UNKNOWN_OPENINGS: Mapping[Evidence, str] = {
    Evidence.NOTHING: "neither the listing nor the photo tells",
    Evidence.FIELD: "the listing does not tell",
    Evidence.IMAGE: "the photo does not tell",
    Evidence.BOTH: "the listing and the photo leave open",
}

DOUBTED_LISTING = "the listing says so, but the photo leaves open"
_OPENINGS = (DOUBTED_LISTING, *_UNKNOWN_OPENINGS.values())


def opening_of(verdict: Verdict, *, has_image: bool) -> str:
    """The beginning of the sentence that says of an unknown verdict why it is."""
    if is_doubted_listing(verdict):
        return DOUBTED_LISTING
    return _UNKNOWN_OPENINGS[verdict.evidence if has_image else Evidence.FIELD]


def is_doubted_listing(verdict: Verdict) -> bool:
    """Whether the listing has what was asked for, and the photo makes it doubtful."""
    return verdict.evidence is Evidence.BOTH and verdict.catalog_agrees and verdict.requirement.wanted


def said(verdict: Verdict) -> Phrase:
    """What the requirement says of a product that meets it."""
    return phrase(verdict.requirement)


def mentioned(verdict: Verdict) -> str:
    """What a listing mentions that meets a free requirement: ``“bin” for “trash can”`` where it has another word."""
    asked, held = said(verdict).core, verdict.catalog_value
    is_synonym = held is not None and key(split(held)) != key(split(verdict.requirement.words))
    return f"“{held}” for {asked}" if is_synonym else asked


def instead(verdict: Verdict) -> Phrase | None:
    """What the product is instead of what was wanted; None if that is unknown, or reads the same."""
    value = actual_value(verdict)
    if value is None or fold(value).startswith("no ") or verdict.requirement.is_free:
        return None
    other, asked = phrase(verdict.requirement, value), said(verdict)
    if asked.prefix == "filed under":
        other = filed(verdict.requirement, value)
    is_same = key(split(other.complement)) == key(split(asked.complement))
    return None if is_same or other.verb != asked.verb or other.subject != asked.subject else other


def number_of(verdicts: Sequence[Verdict]) -> Number:
    """Whether the product is spoken of as several things: by the kind that it is, or else by the one asked for."""
    found = (
        [said(each) for each in verdicts if each.status is Status.MET and each.requirement.wanted],
        [other for each in verdicts if (other := instead(each)) is not None],
        [said(each) for each in verdicts if each.requirement.wanted],
        [said(each) for each in verdicts],
    )
    heads = [each for some in found for each in some if each.place is Place.HEAD]
    return heads[0].number if heads else Number.ONE


def noun_phrase(wanted: Sequence[Phrase], head: Phrase) -> str:
    """``a navy striped hoodie for men and made of cotton``."""
    before = [each.core for each in wanted if each.place is Place.BEFORE]
    after = [each.complement for each in wanted if each.place is Place.AFTER]
    bare = head.core.partition(" ")[2] if head.number is Number.ONE else head.core
    described = " ".join([*before, bare])
    if head.number is Number.ONE:
        described = f"{article(described)} {described}"
    return f"{described} {enumerated(after)}".strip()


def conflict_wordings(verdict: Verdict) -> tuple[str, ...]:
    """How listing and image disagree, in several wordings; each supports the verdict in the check of a text."""
    requirement = verdict.requirement
    verbatim = re.sub(r"\b(listing|photo)\b", r"the \1", verdict.disagreement or "").replace(", the", ", but the")
    if requirement.is_free:
        return (f"the listing mentions {said(verdict).core}, but the photo does not look like it",)
    held = _REPORT.fullmatch(verdict.disagreement or "")
    if held is None:
        return (verbatim,)
    listing, photo, asked = phrase(requirement, held[1]), phrase(requirement, held[2]), said(verdict)
    if verdict.status is Status.MET and requirement.wanted and is_sure(verdict):
        return (_leaning(asked, photo),)
    return (_opposed(listing, photo), f"{_opposed(listing, photo)}, so {asked.complement} is in doubt")


_REPORT = re.compile(r"listing says (.+), photo looks (.+)")


def _leaning(asked: Phrase, photo: Phrase) -> str:
    """``the photo looks more like a jacket than a hoodie``."""
    if photo.place is Place.BEFORE and asked.place is Place.BEFORE:
        return f"the photo looks more {photo.core} than {asked.core}"
    if photo.place is Place.HEAD:
        return f"the photo looks more like {photo.core} than {asked.core}"
    return _photo_clause(photo)


def _opposed(listing: Phrase, photo: Phrase) -> str:
    """``the listing says navy, but the photo looks black``."""
    is_short = listing.place is photo.place and listing.place in (Place.BEFORE, Place.HEAD)
    held = listing.core if is_short else listing.clause()
    photo_says = f"the photo looks {photo.core}" if is_short and photo.place is Place.BEFORE else _photo_clause(photo)
    return f"the listing says {held}, but {photo_says}"


def _photo_clause(photo: Phrase) -> str:
    if photo.place is Place.HEAD:
        return f"the photo looks like {photo.core}"
    if photo.place is Place.AFTER:
        return f"the photo looks more like one {photo.complement}"
    return f"in the photo it looks {photo.core}"


def is_sure(verdict: Verdict) -> bool:
    return max(verdict.probability, 1 - verdict.probability) >= SURE_FROM


def _hedge(verdict: Verdict) -> str:
    return "" if is_sure(verdict) else "probably"


def _pick(options: Sequence[Option], rng: Random | None) -> Option:
    return options[0] if rng is None else rng.choice(options)


def _joined(first: str, second: str, between: str) -> str:
    return f"{first}{between}{second}" if first and second else first or second


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
