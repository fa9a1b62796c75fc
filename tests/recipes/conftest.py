"""What the tests of the recipes share."""

from __future__ import annotations

from pathlib import Path

import pytest

from recipes.shops import Nouns

NOUNS = """\
offset\tlexname\tsynonyms\thypernyms\tgloss
1\tartifact\tskirt\tgarment\ta garment hanging from the waist (worn by women); she wore it
2\tartifact\tshirt, sark\tgarment\ta garment worn on the upper half of the body
3\tartifact\tpear\ttoy\tone sense
4\tfood\tpear\tfruit\tand another
5\tact\tapple\tdeed\tnothing that is sold
"""


@pytest.fixture
def nouns(tmp_path: Path) -> Nouns:
    """Two nouns of one sense, a thing of two, and an act."""
    path = tmp_path / "nouns.tsv"
    path.write_text(NOUNS, encoding="utf-8")
    return Nouns(path)
