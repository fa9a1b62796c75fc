"""The shares of listings and pictures together."""

from __future__ import annotations

import pytest

from vitrina.search.reranking.catalog_evidence import NOTHING, OTHER_LOGIT, SAME_LOGIT, CatalogValue
from vitrina.search.reranking.fusion import MAX_IMAGE_LOGIT
from vitrina.search.reranking.verdicts import catalog_shares
from vitrina.search.types.requirement import Requirement

NAVY, OTHER, NARROWER = (
    CatalogValue(SAME_LOGIT, "Navy Blue"),
    CatalogValue(OTHER_LOGIT, "Red"),
    CatalogValue(2.0, "Blue"),
)
MOST = MAX_IMAGE_LOGIT


@pytest.mark.parametrize(
    ("catalog", "image", "shares"),
    [
        ([], [], (1.0, 0.0)),
        ([NAVY, NARROWER], [3.0, None], (0.0, (MOST + 2.0) / 2)),
        ([NAVY, OTHER], [None, 0.5], (0.0, 0.0)),
        ([NAVY, NOTHING], [3.0, 3.0], (0.5, MOST / 2)),
        ([NAVY, NOTHING], [-3.0, 3.0], (1.0, 0.0)),
        ([NOTHING, NOTHING], [None, None], (1.0, 0.0)),
    ],
)
def test_a_listing_leaves_open_what_it_does_not_say_and_what_the_image_contradicts(
    catalog: list[CatalogValue], image: list[float | None], shares: tuple[float, float]
) -> None:
    requirements = [Requirement(f"word {at}", "colour") for at in range(len(catalog))]
    assert catalog_shares(requirements, catalog, image) == pytest.approx(shares)


def test_what_must_not_be_is_answered_the_other_way_round() -> None:
    denied = [Requirement("red", "colour", ("Red",), wanted=False)]
    assert catalog_shares(denied, [OTHER], [None]) == (0.0, 3.0)
    assert catalog_shares(denied, [NAVY], [None]) == (0.0, -MOST)
