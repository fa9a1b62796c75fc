"""Products as databases, search engines and APIs wrap them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write

MUG = {"sku": "M", "title": "Mug", "price": 9.5, "tags": ["clay", "blue"]}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("elastic.json", {"took": 3, "hits": {"total": 1, "hits": [{"_index": "p", "_id": "7", "_source": MUG}]}}),
        ("elastic.jsonl", {"_index": "p", "_id": "7", "_score": 1, "_source": MUG}),
        ("strapi.json", {"data": [{"id": 7, "attributes": MUG}], "meta": {"pagination": {"page": 1}}}),
        ("api.json", {"data": [{"type": "products", "id": "7", "attributes": MUG, "links": {"self": "x"}}]}),
        ("contentful.json", {"items": [{"sys": {"id": "7", "type": "Entry"}, "fields": MUG}], "total": 1}),
        ("typesense.json", {"found": 1, "hits": [{"document": MUG, "highlights": [], "text_match": 5}]}),
        (
            "dynamo.jsonl",
            {
                "Item": {
                    "sku": {"S": "M"},
                    "title": {"S": "Mug"},
                    "price": {"N": "9.5"},
                    "tags": {"SS": ["clay", "blue"]},
                }
            },
        ),
        (
            "firestore.json",
            {
                "documents": [
                    {
                        "name": "projects/x/documents/products/7",
                        "fields": {
                            "sku": {"stringValue": "M"},
                            "title": {"stringValue": "Mug"},
                            "price": {"doubleValue": 9.5},
                            "tags": {"arrayValue": {"values": [{"stringValue": "clay"}, {"stringValue": "blue"}]}},
                        },
                    }
                ]
            },
        ),
        ("mongo.jsonl", {**MUG, "_id": {"$oid": "5f"}, "price": {"$numberDecimal": "9.5"}}),
    ],
)
def test_envelopes_are_opened(tmp_path: Path, name: str, content: object) -> None:
    item = only(write(tmp_path, name, json.dumps(content))).item
    assert (item.sku, item.title, item.price_cents, item.attributes["tags"]) == ("M", "Mug", 950, ("clay", "blue"))


def test_the_key_of_an_envelope_is_the_sku_where_there_is_no_other(tmp_path: Path) -> None:
    bulk = '{"index":{"_index":"p","_id":"A"}}\n{"title":"Mug"}\n{"create":{"_id":"B"}}\n{"title":"Cup"}\n'
    records, rejections = read(write(tmp_path, "bulk.ndjson", bulk))
    assert [(each.item.sku, each.item.title) for each in records] == [("A", "Mug"), ("B", "Cup")]
    assert rejections == []


def test_commercetools(tmp_path: Path) -> None:
    def variant(sku: str, cents: int, colour: object) -> dict[str, object]:
        price = {"value": {"type": "centPrecision", "currencyCode": "EUR", "centAmount": cents, "fractionDigits": 2}}
        return {"sku": sku, "prices": [price], "attributes": [{"name": "color", "value": colour}]}

    red = {"key": "r", "label": {"de": "Rot", "en": "Red"}}
    current = {"name": {"de": "Hemd", "en": "Tee"}, "masterVariant": variant("T-1", 1990, red)}
    current["variants"] = [variant("T-2", 2190, "Blue")]
    document = {"count": 1, "results": [{"id": "abc", "masterData": {"current": current, "published": True}}]}
    item = only(write(tmp_path, "products.json", json.dumps(document))).item
    assert (item.sku, item.title, item.price_cents, item.max_price_cents) == ("abc", "Tee", 1990, 2190)
    assert [(each.sku, dict(each.options)) for each in item.variants] == [
        ("T-1", {"color": "Red"}),
        ("T-2", {"color": "Blue"}),
    ]


def test_rich_text_and_shortcodes_are_text(tmp_path: Path) -> None:
    def block(*texts: str) -> dict[str, object]:
        return {"type": "paragraph", "children": [{"type": "text", "value": text} for text in texts]}

    document = json.dumps({"type": "root", "children": [block("Soft ", "mug"), block("Two")]})
    rows = [
        {"sku": "A", "title": "Mug", "description": document, "care": document},
        {
            "sku": "B",
            "title": "Cup",
            "description": '[vc_row][vc_text w="1"]A {{widget type="x"}} cup [Size: M][/vc_text][/vc_row]',
        },
    ]
    records, _ = read(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows))))
    assert (records[0].item.description, records[0].item.attributes["care"]) == ("Soft mug\nTwo",) * 2
    assert records[1].item.description == "A cup [Size: M]"
