"""Facts, and the sentences made of them."""

import random

import pytest

from vitrina.search.reranking.explanations.templates import explanation, fact
from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict

MET, CONTRADICTED, UNKNOWN = Status.MET, Status.CONTRADICTED, Status.UNKNOWN


def verdict(
    words: str,
    status: Status,
    field: str = "",
    *,
    wanted: bool = True,
    image_value: str | None = None,
    disagreement: str | None = None,
) -> Verdict:
    requirement = Requirement(words, field, (words,) if field else (), wanted)
    return Verdict(requirement, status, 0.5, Evidence.IMAGE, image_value=image_value, disagreement=disagreement)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (verdict("navy", MET, "colour"), "colour navy: met"),
        (verdict("shirt", CONTRADICTED, "article", image_value="dress"), "article shirt: contradicted, it is dress"),
        (verdict("shirt", CONTRADICTED, "article"), "article shirt: contradicted"),
        (verdict("striped", UNKNOWN, "pattern", wanted=False), "not striped: unknown"),
        (verdict("striped", CONTRADICTED, wanted=False, image_value="striped"), "not striped: contradicted"),
        (
            verdict("navy", MET, "colour", disagreement="listing says navy, photo looks black"),
            "colour navy: met, listing says navy, photo looks black",
        ),
    ],
)
def test_a_verdict_in_few_words(given: Verdict, words: str) -> None:
    assert fact(given) == words


@pytest.mark.parametrize(
    ("verdicts", "sentences"),
    [
        ([], ""),
        ([verdict("navy", MET, "colour"), verdict("pockets", MET)], "It fits navy and pockets."),
        ([verdict("shirt", CONTRADICTED, "article", image_value="dress")], "The article is not shirt but dress."),
        ([verdict("striped", MET, wanted=False)], "It is not striped."),
        ([verdict("striped", CONTRADICTED, wanted=False)], "It is striped, which you did not want."),
        (
            [
                verdict("navy", MET, "colour"),
                verdict("linen", UNKNOWN, "material"),
                verdict("men", CONTRADICTED, "gender"),
            ],
            "It fits navy. Whether the material is linen cannot be told; the gender is not men.",
        ),
        (
            [verdict("navy", MET, "colour", disagreement="listing says navy, photo looks black")],
            "As to navy, listing says navy, photo looks black.",
        ),
    ],
)
def test_sentences_say_what_the_verdicts_say(verdicts: list[Verdict], sentences: str) -> None:
    assert explanation(verdicts) == sentences


def test_rng_choose_other_words_for_the_same() -> None:
    verdicts = [verdict("navy", MET, "colour"), verdict("men", CONTRADICTED, "gender", image_value="women")]
    said = {explanation(verdicts, random.Random(seed)) for seed in range(50)}
    assert len(said) > 3
    assert all("navy" in text and "men" in text and "women" in text for text in said)
    assert all(text.endswith(".") and text.count(".") <= 2 for text in said)
