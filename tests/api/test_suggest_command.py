"""``vitrina suggest``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.api.conftest import Vitrina


def test_it_shows_what_a_text_may_become(vitrina: Vitrina, tmp_path: Path) -> None:
    catalog = tmp_path / "shop.csv"
    rows = ["1,Linen shirt,navy", "2,Oxford shirt,navy", "3,Canvas shoes,white"]
    catalog.write_text("\n".join(["sku,title,colour", *rows]) + "\n", encoding="utf-8")
    vitrina("index", str(catalog))
    status, shown, _ = vitrina("suggest", "navy", "sh", "--limit", "1")
    assert (status, shown.strip()) == (0, "navy shirt  (2)")
    as_json = json.loads(vitrina("suggest", "navy sh", "--limit", "1", "--json")[1])
    assert as_json == {"suggestions": [{"text": "navy shirt", "count": 2}]}
    assert "No item has" in vitrina("suggest", "zebra")[2]
    assert vitrina("suggest", "navy", "--limit", "0")[0] == 2
