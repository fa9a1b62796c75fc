"""A photo as a query: same article, colour and pattern as what it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from search.requirements.requirement import Requirement
from search.requirements.spelling import fold, split
from search.requirements.vocabulary import Vocabulary


def photo_requirements(
    seen: Mapping[str, str], vocabulary: Vocabulary, asked: Sequence[Requirement] = ()
) -> tuple[Requirement, ...]:
    """What a photo asks for, from what somebody read off it: ``{"article": "shirt", "colour": "navy"}``, in its order.

    Each value is looked up in the field of that name first, then in any; one that the catalog does not know becomes a
    free requirement. ``asked`` is what the query says in words, which goes before the photo: with "in red" or "not
    blue" the photo's colour is left out.
    """
    said = {requirement.field for requirement in asked} - {""}
    found = (photo_requirement(field, value, vocabulary) for field, value in seen.items() if split(value))
    return tuple(requirement for requirement in dict.fromkeys(found) if requirement.field not in said)


def photo_requirement(field: str, value: str, vocabulary: Vocabulary) -> Requirement:
    words, shown = split(value), " ".join(fold(value).split())
    fields = (field, *vocabulary.fields_called(split(field)))
    within = (vocabulary.sense_within(each, words) for each in fields)
    sense = next(filter(None, within), None) or vocabulary.sense(words)
    return Requirement(shown, sense.field, sense.values, family=sense.family) if sense else Requirement(shown)
