"""What a survey makes of listings and pictures together."""

from __future__ import annotations

import pytest

from search.reranking.judging.listing import NOTHING, OTHER_LOG_ODDS, SAME_LOG_ODDS, Listed
from search.reranking.judging.survey import share_left_open

NAVY, OTHER = Listed(SAME_LOG_ODDS, "Navy Blue"), Listed(OTHER_LOG_ODDS, "Red")


@pytest.mark.parametrize(
    ("listed", "seen", "share"),
    [
        ([], [], 1.0),
        ([NAVY, OTHER], [3.0, -3.0], 0.0),
        ([NAVY, OTHER], [None, 0.5], 0.0),
        ([NAVY, NOTHING], [3.0, 3.0], 0.5),
        ([NAVY, NOTHING], [-3.0, 3.0], 1.0),
        ([NOTHING, NOTHING], [None, None], 1.0),
    ],
)
def test_a_listing_leaves_open_what_it_does_not_say_and_what_the_picture_contradicts(
    listed: list[Listed], seen: list[float | None], share: float
) -> None:
    assert share_left_open(listed, seen) == share
