"""Shelves: products that lie near each other, with graded queries."""

from pathlib import Path

import pytest

from recipes.shelves import Shelf, read_shelves

TEXT = """What this is.

# Kitchen: egg tools
a = Egg Poacher, 20 cm | Egg Cookers | material: steel
b = Egg Timer
? something to poach eggs in | a3 b1
? whisk |

# Lamps
a = Lamp
? light | a2
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "shelves.txt"
    path.write_text(text, encoding="utf-8")
    return path


def test_shelves_are_read_as_they_are_written(tmp_path: Path) -> None:
    kitchen, lamps = read_shelves(written(tmp_path, TEXT))
    products = {"a": ("Egg Poacher, 20 cm", "Egg Cookers", "material: steel"), "b": ("Egg Timer",)}
    assert kitchen == Shelf(
        "Kitchen: egg tools", products, (("something to poach eggs in", {"a": 3, "b": 1}), ("whisk", {}))
    )
    assert lamps.queries == (("light", {"a": 2}),)


@pytest.mark.parametrize(
    ("line", "error"),
    [("b: Lamp", "neither"), ("? light | z3", "no product is z"), ("? light | a9", "no answers such as")],
)
def test_a_line_that_is_neither_is_named(tmp_path: Path, line: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        read_shelves(written(tmp_path, f"Words.\n\n# Lamps\na = Lamp\n{line}\n"))


def test_the_shelves_that_the_encoder_learns_from_are_whole() -> None:
    shelves = read_shelves()
    assert len(shelves) > 1900
    assert all(len(shelf.products) >= 6 and shelf.queries for shelf in shelves)
    queries = [query.casefold() for shelf in shelves for query, _ in shelf.queries]
    assert len(set(queries)) == len(queries)
