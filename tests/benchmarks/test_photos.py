from __future__ import annotations

from benchmarks import photos


def row(colour: str, gender: str = "Men", article: str = "Tshirts") -> dict[str, object]:
    return {"article": article, "gender": gender, "colour": colour}


def test_a_colour_is_asked_for_that_the_article_has_for_the_same_gender() -> None:
    rows = [row("Red"), *[row("Blue")] * 3, *[row("Green", "Women")] * 3, *[row("White")] * 2]
    changes = photos.colour_changes(rows)
    assert {change.colour for change in changes} == {"Blue"}
    assert {change.row for change in changes} == {0, 7, 8}
    assert {change.right for change in changes} == {(1, 2, 3)}
    assert changes[0].in_words == "blue tshirts men"


def test_the_pairs_are_the_same_each_time() -> None:
    rows = [row(colour) for colour in ("Red", "Blue", "Green") for _ in range(20)]
    assert photos.colour_changes(rows, n=7) == photos.colour_changes(rows, n=7)
    assert len(photos.colour_changes(rows, n=7)) == 7
