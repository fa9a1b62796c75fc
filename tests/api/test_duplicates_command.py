"""``vitrina duplicates``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.api.conftest import Vitrina, make_image


def test_it_lists_what_shows_one_photo(vitrina: Vitrina, tmp_path: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue")):
        (tmp_path / f"{name}.png").write_bytes(make_image(colour))
    catalog = tmp_path / "shop.csv"
    rows = ["1,Red mug,a.png", "2,Red mug L,a.png", "3,Red mug,b.png"]
    catalog.write_text("\n".join(["sku,title,image", *rows]) + "\n", encoding="utf-8")
    vitrina("index", str(catalog))
    status, table, _ = vitrina("duplicates")
    assert status == 0
    assert "1 group of 2 items" in table
    as_json = json.loads(vitrina("duplicates", "--json")[1])
    assert (as_json["total"], as_json["n_items"]) == (1, 2)
    (group,) = as_json["groups"]
    assert group["is_exact"]
    assert [item["sku"] for item in group["items"]] == ["1", "2"]
    _, _, note = vitrina("search", "red mug")
    assert "1 more with the photo of a hit" in note
    assert "with the photo of a hit" not in vitrina("search", "3", "--limit", "1")[2], "it is of a hit further down"
    assert "No two items" in vitrina("delete", "2")[1] + vitrina("duplicates")[1]
