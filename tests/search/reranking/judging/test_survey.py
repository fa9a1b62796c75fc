"""What a survey makes of listings and pictures together."""

from __future__ import annotations

import pytest

from search.requirements.requirement import Requirement
from search.reranking.blend import MAX_IMAGE_LOG_ODDS
from search.reranking.judging.listing import NOTHING, OTHER_LOG_ODDS, SAME_LOG_ODDS, Listed
from search.reranking.judging.survey import share_listed

NAVY, OTHER, FAMILY = Listed(SAME_LOG_ODDS, "Navy Blue"), Listed(OTHER_LOG_ODDS, "Red"), Listed(2.0, "Blue")
MOST = MAX_IMAGE_LOG_ODDS


@pytest.mark.parametrize(
    ("listed", "seen", "shares"),
    [
        ([], [], (1.0, 0.0)),
        ([NAVY, FAMILY], [3.0, None], (0.0, (MOST + 2.0) / 2)),
        ([NAVY, OTHER], [None, 0.5], (0.0, 0.0)),
        ([NAVY, NOTHING], [3.0, 3.0], (0.5, MOST / 2)),
        ([NAVY, NOTHING], [-3.0, 3.0], (1.0, 0.0)),
        ([NOTHING, NOTHING], [None, None], (1.0, 0.0)),
    ],
)
def test_a_listing_leaves_open_what_it_does_not_say_and_what_the_picture_contradicts(
    listed: list[Listed], seen: list[float | None], shares: tuple[float, float]
) -> None:
    requirements = [Requirement(f"word {at}", "colour") for at in range(len(listed))]
    assert share_listed(requirements, listed, seen) == pytest.approx(shares)


def test_what_must_not_be_is_answered_the_other_way_round() -> None:
    denied = [Requirement("red", "colour", ("Red",), wanted=False)]
    assert share_listed(denied, [OTHER], [None]) == (0.0, 3.0)
    assert share_listed(denied, [NAVY], [None]) == (0.0, -MOST)
