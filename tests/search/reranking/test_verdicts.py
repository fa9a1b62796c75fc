"""Verdicts, from what the catalog says and what the picture shows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vitrina.search.reranking.catalog_evidence import (
    DENIED_LOGIT,
    MENTIONED_LOGIT,
    NARROWER_LOGIT,
    NOTHING,
    OTHER_LOGIT,
    SAME_LOGIT,
    CatalogValue,
)
from vitrina.search.reranking.fusion import MAX_IMAGE_LOGIT
from vitrina.search.reranking.verdicts import DisagreementRule, resolved, verdict_of
from vitrina.search.types.requirement import Evidence, Requirement, Status, Verdict

MET, CONTRADICTED, UNKNOWN = Status
FIELD, IMAGE, BOTH, NONE = Evidence

NAVY = Requirement("navy", "colour", ("Navy Blue",))
NOT_NAVY = Requirement("navy", "colour", ("Navy Blue",), wanted=False)
CATALOG_NAVY, CATALOG_BLACK = CatalogValue(SAME_LOGIT, "Navy Blue"), CatalogValue(OTHER_LOGIT, "Black")
YES, MAYBE, NO = MAX_IMAGE_LOGIT, 0.1, -MAX_IMAGE_LOGIT


@pytest.mark.parametrize(
    ("catalog", "image", "status", "evidence"),
    [
        (CATALOG_NAVY, YES, MET, BOTH),
        (CATALOG_NAVY, None, MET, FIELD),
        (CATALOG_NAVY, MAYBE, MET, FIELD),
        (CATALOG_NAVY, NO, UNKNOWN, BOTH),
        (CatalogValue(NARROWER_LOGIT, "Navy Blue"), None, MET, FIELD),
        (CATALOG_BLACK, YES, UNKNOWN, BOTH),
        (CATALOG_BLACK, None, CONTRADICTED, FIELD),
        (CATALOG_BLACK, NO, CONTRADICTED, BOTH),
        (NOTHING, YES, MET, IMAGE),
        (NOTHING, NO, CONTRADICTED, IMAGE),
        (NOTHING, MAYBE, UNKNOWN, NONE),
        (NOTHING, None, UNKNOWN, NONE),
        (CatalogValue(MENTIONED_LOGIT, "navy"), None, MET, FIELD),
        (CatalogValue(DENIED_LOGIT, "no navy"), None, CONTRADICTED, FIELD),
    ],
)
def test_the_table_of_verdicts(catalog: CatalogValue, image: float | None, status: Status, evidence: Evidence) -> None:
    verdict = verdict_of(NAVY, catalog, image)
    assert (verdict.status, verdict.evidence, verdict.catalog_value) == (status, evidence, catalog.says)
    denied = verdict_of(NOT_NAVY, catalog, image)
    opposite = {MET: CONTRADICTED, CONTRADICTED: MET, UNKNOWN: UNKNOWN}
    assert (denied.status, denied.evidence) == (opposite[status], evidence)
    assert denied.probability == pytest.approx(1 - verdict.probability)


def test_without_evidence_the_probability_is_half() -> None:
    assert verdict_of(NAVY, NOTHING, None).probability == 0.5


logit = st.floats(-3.5, 3.5)


@given(logit, logit, st.floats(0, 3.5))
def test_more_for_it_never_makes_it_less_probable(catalog: float, image: float, more: float) -> None:
    here = verdict_of(NAVY, CatalogValue(catalog), image).probability
    assert verdict_of(NAVY, CatalogValue(catalog + more), image).probability >= here
    assert verdict_of(NAVY, CatalogValue(catalog), image + more).probability >= here
    assert verdict_of(NOT_NAVY, CatalogValue(catalog), image + more).probability <= 1 - here + 1e-9


SHOWS_BLACK = {"navy blue": 0.05, "black": 0.95, "red": 0.05}


@pytest.mark.parametrize(
    ("requirement", "catalog", "image", "own", "candidates", "disagreement"),
    [
        (NAVY, CATALOG_NAVY, NO, "navy blue", SHOWS_BLACK, "listing says Navy Blue, photo looks black"),
        (NOT_NAVY, CATALOG_NAVY, NO, "navy blue", SHOWS_BLACK, "listing says Navy Blue, photo looks black"),
        (
            NAVY,
            CATALOG_BLACK,
            YES,
            "black",
            {"black": 0.1, "navy blue": 0.9},
            "listing says Black, photo looks navy blue",
        ),
        (NAVY, CATALOG_BLACK, YES, "black", {"black": 0.8, "navy blue": 0.9}, None),
        (NAVY, CATALOG_BLACK, YES, "black", {"black": 0.9, "navy blue": 0.8}, None),
        (NAVY, CATALOG_NAVY, NO, "navy blue", {"navy blue": 0.1, "black": 0.6}, None),
        (NAVY, CATALOG_NAVY, NO, "navy blue", {}, None),
    ],
)
def test_where_listing_and_image_disagree(
    requirement: Requirement,
    catalog: CatalogValue,
    image: float,
    own: str,
    candidates: dict[str, float],
    disagreement: str | None,
) -> None:
    verdict = resolved(verdict_of(requirement, catalog, image), (own,), candidates)
    assert verdict.disagreement == disagreement
    if disagreement:
        assert verdict.image_value == max(candidates, key=lambda value: candidates[value])


def test_a_rule_with_a_margin() -> None:
    rule = DisagreementRule(alternative_above=0.5, margin=3.8)
    assert rule.holds(0.6, 0.02)
    assert not rule.holds(0.6, 0.1)
    assert not rule.holds(0.5, 0.001)
    assert not rule.holds(0.9999, 0.4)
    assert not DisagreementRule().holds(0.6, 0.02)


def test_words_of_which_no_other_value_can_be_tried() -> None:
    said = CatalogValue(MENTIONED_LOGIT, "striped")
    contradicted = verdict_of(Requirement("striped"), said, NO)
    assert contradicted.disagreement == "listing says striped, photo does not look like it"
    for catalog, image in ((said, YES), (said, None), (NOTHING, NO), (said, -1.0)):
        assert verdict_of(Requirement("striped"), catalog, image).disagreement is None


def test_the_other_value_is_never_what_was_asked_for() -> None:
    contradicted = Verdict(NAVY, CONTRADICTED, 0.2, BOTH, catalog_value="Black")
    assert resolved(contradicted, ("black",), {"navy blue": 0.9, "black": 0.1}).image_value is None
    assert verdict_of(NAVY, CatalogValue(-3.5, "Black"), 2.0).image_value is None
    assert verdict_of(NAVY, NOTHING, YES).image_value == "navy"
