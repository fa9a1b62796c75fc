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


SANITY = [
    {"_type": "block", "style": "h2", "markDefs": [], "children": [{"_type": "span", "text": "A mug", "marks": []}]},
    {"_type": "block", "children": [{"_type": "span", "text": "Of "}, {"_type": "span", "text": "clay."}]},
]
SLATE = [
    {"type": "heading", "children": [{"text": "A mug"}]},
    {"type": "list", "children": [{"type": "item", "children": [{"text": "Of "}, {"text": "clay.", "bold": True}]}]},
]
QUILL = {"ops": [{"insert": "A mug\nOf "}, {"insert": "clay.", "attributes": {"bold": True}}, {"insert": "\n"}]}
EDITOR_JS = {
    "time": 1,
    "blocks": [
        {"type": "header", "data": {"text": "A mug", "level": 2}},
        {"type": "list", "data": {"style": "unordered", "items": ["Of clay."]}},
    ],
}
LEXICAL = {"root": {"type": "root", "children": SLATE, "version": 1}}


@pytest.mark.parametrize("document", [SANITY, str(SANITY), SLATE, QUILL, EDITOR_JS, json.dumps(EDITOR_JS), LEXICAL])
def test_the_blocks_of_an_editor_are_lines_of_text(tmp_path: Path, document: object) -> None:
    rows = [{"sku": "A", "title": "Mug", "description": document, "care": document}]
    item = only(write(tmp_path, "a.jsonl", "\n".join(map(json.dumps, rows)))).item
    assert (item.description, dict(item.attributes)) == ("A mug\nOf clay.", {"care": "A mug\nOf clay."})


def test_a_tree_of_names_is_no_text(tmp_path: Path) -> None:
    tree = [{"type": "branch", "name": "Home", "children": [{"name": "Mugs"}]}]
    item = only(write(tmp_path, "a.jsonl", json.dumps({"sku": "A", "title": "Mug", "tree": tree}))).item
    assert item.attributes["tree.children"] == ("Mugs",)


def graphql(variants: list[dict[str, object]], **more: object) -> dict[str, object]:
    product = {"id": "7", "name": "Tee", "slug": "tee", "variants": variants, **more}
    return {"data": {"products": {"items": [product], "totalItems": 1}}}


def gross(amount: float) -> dict[str, object]:
    return {"gross": {"amount": amount, "currency": "USD"}}


SALEOR = graphql(
    [
        {
            "sku": f"T-{size}",
            "attributes": [{"attribute": {"name": "Size"}, "values": [{"name": size}]}],
            "pricing": {"price": gross(price)},
        }
        for size, price in (("S", 20), ("M", 25))
    ],
    attributes=[{"attribute": {"name": "Material", "slug": "material"}, "values": [{"name": "Cotton"}]}],
    pricing={"onSale": False, "priceRange": {"start": gross(20), "stop": gross(25)}},
    media=[{"url": "https://s.example/1.jpg", "type": "IMAGE"}],
)
VENDURE = graphql(
    [
        {
            "sku": f"T-{size}",
            "price": net,
            "priceWithTax": price,
            "currencyCode": "USD",
            "options": [{"code": size.lower(), "name": size, "group": {"name": "Size"}}],
        }
        for size, net, price in (("S", 1600, 2000), ("M", 2000, 2500))
    ],
    facetValues=[{"name": "Cotton", "facet": {"name": "material"}}],
    featuredAsset={"preview": "https://s.example/small.jpg", "source": "https://s.example/1.jpg"},
)
MEDUSA = {
    "products": [
        {
            "id": "7",
            "title": "Tee",
            "handle": "tee",
            "is_giftcard": False,
            "material": "Cotton",
            "images": [{"id": "i", "url": "https://s.example/1.jpg"}],
            "tags": [{"id": "t", "value": "summer"}],
            "variants": [
                {
                    "sku": f"T-{size}",
                    "prices": [{"currency_code": "usd", "amount": price}],
                    "options": [{"value": size, "option": {"title": "Size"}}],
                }
                for size, price in (("S", 20), ("M", 25))
            ],
        }
    ]
}


@pytest.mark.parametrize("content", [SALEOR, VENDURE, MEDUSA])
def test_answers_of_shop_systems(tmp_path: Path, content: object) -> None:
    record = only(write(tmp_path, "answer.json", json.dumps(content)))
    assert (record.item.sku, record.item.title, record.item.price_cents, record.item.currency) == (
        "7",
        "Tee",
        2000,
        "USD",
    )
    assert [(each.sku, dict(each.options), each.price_cents) for each in record.item.variants] == [
        ("T-S", {"size": "S"}, 2000),
        ("T-M", {"size": "M"}, 2500),
    ]
    assert (record.item.attributes["material"], record.item.attributes["size"]) == ("Cotton", ("S", "M"))
    assert [image.url for image in record.images] == ["https://s.example/1.jpg"]
    assert record.item.attributes.get("tags", ("summer",)) == ("summer",)


def test_what_json_api_includes_stands_in_the_place_of_links(tmp_path: Path) -> None:
    links = {"images": {"data": [{"id": "5", "type": "image"}]}, "brand": {"data": {"id": "9", "type": "brand"}}}
    product = {"id": "1", "type": "product", "attributes": {**MUG}, "relationships": {**links, "gone": {"data": None}}}
    itself = {"id": "1", "type": "product"}
    included = [
        {"id": "5", "type": "image", "attributes": {"url": "https://s.example/1.jpg"}},
        {"id": "9", "type": "brand", "attributes": {"name": "Acme"}, "relationships": {"of": {"data": [itself]}}},
    ]
    record = only(write(tmp_path, "spree.json", json.dumps({"data": [product], "included": included})))
    assert (record.item.sku, record.item.attributes["brand"]) == ("M", "Acme")
    assert [image.url for image in record.images] == ["https://s.example/1.jpg"]


def test_what_contentful_includes_stands_in_the_place_of_links(tmp_path: Path) -> None:
    def link(kind: str, key: str) -> dict[str, object]:
        return {"sys": {"type": "Link", "linkType": kind, "id": key}}

    fields = {**MUG, "image": [link("Asset", "5")], "category": link("Entry", "9"), "next": link("Entry", "gone")}
    includes = {
        "Asset": [{"sys": {"id": "5", "type": "Asset"}, "fields": {"file": {"url": "//s.example/1.jpg"}}}],
        "Entry": [{"sys": {"id": "9", "type": "Entry"}, "fields": {"title": "Kitchen"}}],
    }
    content = {"items": [{"sys": {"id": "7", "type": "Entry"}, "fields": fields}], "includes": includes}
    record = only(write(tmp_path, "contentful.json", json.dumps(content)))
    assert (record.item.sku, record.item.attributes["category"]) == ("M", "Kitchen")
    assert [image.url for image in record.images] == ["https://s.example/1.jpg"]


@pytest.mark.parametrize(
    ("product", "price"),
    [
        ({"sku": ["M-1"], "price": {"amount": 3500, "divisor": 100, "currency_code": "EUR"}}, (3500, "EUR")),  # Etsy
        ({"sku": "M-1", "default_price": {"unit_amount": 990, "currency": "eur"}}, (990, "EUR")),  # Stripe
    ],
)
def test_prices_in_small_units(tmp_path: Path, product: dict[str, object], price: tuple[int, str]) -> None:
    item = only(write(tmp_path, "a.json", json.dumps({"results": [{"title": "Mug", **product}]}))).item
    assert (item.sku, item.price_cents, item.currency) == ("M-1", *price)


def test_option_values_of_bigcommerce(tmp_path: Path) -> None:
    variants = [
        {
            "id": n,
            "sku": f"M-{label}",
            "price": None,
            "option_values": [{"option_display_name": "Color", "label": label}],
        }
        for n, label in enumerate(("Red", "Blue"))
    ]
    item = only(write(tmp_path, "bc.json", json.dumps({"data": [{**MUG, "variants": variants}]}))).item
    assert [dict(each.options) for each in item.variants] == [{"color": "Red"}, {"color": "Blue"}]


def test_shopifys_products_with_nodes_on_a_line_each(tmp_path: Path) -> None:
    line = {
        "id": "gid://shopify/Product/1", "title": "Lamp", "handle": "lamp",
        "media": {"nodes": [{"image": {"url": f"https://s.example/{n}.jpg"}} for n in range(2)]},
        "variants": {"nodes": [{"sku": "L-1", "price": "10.00"}]},
        "metafields": {"nodes": [{"key": "socket", "value": "E27"}]},
    }  # fmt: skip
    record = only(write(tmp_path, "lamps.jsonl", json.dumps(line) + "\n"))
    assert (record.item.sku, len(record.images), record.item.attributes["socket"]) == ("lamp", 2, "E27")
    del line["media"]
    line["featuredMedia"] = {"preview": {"image": {"url": "https://s.example/0.jpg"}}}
    (image,) = only(write(tmp_path, "lamps.jsonl", json.dumps(line) + "\n")).images
    assert image.url == "https://s.example/0.jpg"


def test_akeneos_values(tmp_path: Path) -> None:
    values = {
        "name": [{"locale": "de_DE", "scope": None, "data": "Hemd"}, {"locale": "en_US", "scope": None, "data": "Tee"}],
        "price": [{"locale": None, "scope": None, "data": [{"amount": "19.90", "currency": "EUR"}]}],
        "color": [{"locale": None, "scope": None, "data": "red"}],
    }
    product = {"identifier": "AK", "family": "tee", "categories": ["tops"], "enabled": True, "values": values}
    item = only(write(tmp_path, "products.json", json.dumps([product]))).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("AK", "Tee", 1990, "EUR")
    assert item.attributes["color"] == "red"


@pytest.mark.parametrize(
    "product",
    [
        {"productId": "A", "attributes": {"title": "Mug"}, "pricing": {"current": {"value": 9.5, "currency": "EUR"}}},
        {"productNumber": "A", "name": None, "translated": {"name": "Mug"}, "price": "9.50", "currency": "EUR"},
        {"code": "A", "name": "Mug", "price": {"EUR": 9.5, "USD": 11}},
        {"code": "A", "name": "Mug", "priceData": {"currency": "EUR", "price": 12, "discountedPrice": 9.5}},
        {"Item": {"pk": {"S": "A"}, "title": {"S": "Mug"}, "price": {"M": {"EUR": {"N": "9.5"}}}}},
    ],
)
def test_names_and_prices_beside_each_other(tmp_path: Path, product: dict[str, object]) -> None:
    item = only(write(tmp_path, "shop.jsonl", json.dumps(product) + "\n")).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("A", "Mug", 950, "EUR")


def test_squares_items(tmp_path: Path) -> None:
    forms = [
        {"id": name, "item_variation_data": {"name": name, "price_money": {"amount": amount, "currency": "USD"}}}
        for name, amount in (("Small", 400), ("Large", 500))
    ]
    cocoa = {"type": "ITEM", "id": "W", "version": 3, "item_data": {"name": "Cocoa", "variations": forms}}
    item = only(write(tmp_path, "square.json", json.dumps({"objects": [cocoa]}))).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("W", "Cocoa", 400, "USD")
    assert [(dict(each.options), each.price_cents) for each in item.variants] == [
        ({"variant": "Small"}, 400),
        ({"variant": "Large"}, 500),
    ]


def test_names_in_an_object_beside_others(tmp_path: Path) -> None:
    feed = "".join(
        f"<product><update_info><id>{n}</id></update_info><product_info><title>Bike</title><sku>F-{n}</sku>"
        f"<price>499.00</price></product_info></product>"
        for n in range(2)
    )
    records, _ = read(write(tmp_path, "feed.xml", f"<products>{feed}</products>"))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("F-0", "Bike", 49900),
        ("F-1", "Bike", 49900),
    ]
    wines = [
        {"basic": {"productId": sku, "productShortName": "Hill Red"}, "shop_price": -1, "other_price": 100}
        for sku in ("17", "18")
    ]
    item = read(write(tmp_path, "wines.json", json.dumps(wines)))[0][0].item
    assert (item.sku, item.title, item.price_cents) == ("17", "Hill Red", 10000)
    line = {"id": "rec1", "createdTime": "2024-01-01", "fields": {"Name": "Mug", "SKU": "A", "Price": 12.5}}
    item = only(write(tmp_path, "airtable.json", json.dumps({"records": [line]}))).item
    assert (item.sku, item.title, item.price_cents) == ("A", "Mug", 1250)


def test_combinations_of_attributes_are_options(tmp_path: Path) -> None:
    forms = [
        {"id": n, "price": 9, "attribute_combinations": [{"name": "Talle", "value_name": str(n)}]} for n in (41, 42)
    ]
    shoe = {
        "id": "MLA9",
        "title": "Runner",
        "price": 9,
        "attributes": [{"id": "B", "name": "Marca", "value_name": "Nord"}],
    }
    item = only(write(tmp_path, "items.json", json.dumps([{**shoe, "variations": forms}]))).item
    assert [dict(each.options) for each in item.variants] == [{"talle": 41}, {"talle": 42}]
    assert item.attributes["marca"] == "Nord"


def test_products_under_a_key_each(tmp_path: Path) -> None:
    products = [
        {"Product": {"Id": str(n), "Name": "Pan", "Price": {"raw": 39.9, "formatted": "39,90"}}} for n in (7, 8)
    ]
    records, _ = read(write(tmp_path, "pans.json", json.dumps(products)))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("7", "Pan", 3990),
        ("8", "Pan", 3990),
    ]


def test_products_under_their_codes_in_a_shops_own_words(tmp_path: Path) -> None:
    document = {
        f"49{n}": {"n": f"Hole saw of {n} mm", "f": f"https://s.example/{n}.jpg", "b": 10.5 * n}
        for n in (20, 25, 32, 40)
    }
    records, _ = read(write(tmp_path, "tools.json", json.dumps(document)))
    first = records[0]
    assert (len(records), first.item.sku, first.item.title) == (4, "4920", "Hole saw of 20 mm")
    assert [each.url for each in first.images] == ["https://s.example/20.jpg"]


def _sku_of_vtex(key: str, colour: str, *offers: tuple[float, float, int]) -> dict[str, object]:
    sellers = [
        {"sellerId": str(n), "commertialOffer": {"Price": price, "ListPrice": old, "AvailableQuantity": quantity}}
        for n, (price, old, quantity) in enumerate(offers)
    ]
    images = [{"imageTag": f"<img src='~/{key}.jpg'>", "imageUrl": f"https://s.example/{key}.jpg"}]
    return {"itemId": key, "variations": ["Colour"], "Colour": [colour], "images": images, "sellers": sellers}


def test_a_sku_of_vtex_costs_what_the_first_seller_with_stock_asks(tmp_path: Path) -> None:
    skus = [
        _sku_of_vtex("1", "red", (0, 0, 0), (3.5, 4, 2)),
        _sku_of_vtex("2", "blue", (2, 2, 0), (5, 5, 9)),
        _sku_of_vtex("3", "grey", (0, 0, 0)),
    ]
    product = {"productId": "7", "productName": "Mug", "linkText": "mug", "brand": "Acme", "brandId": 9, "items": skus}
    record = only(write(tmp_path, "search.json", json.dumps([product])))
    assert (record.item.sku, record.item.title, record.item.price_cents) == ("7", "Mug", 350)
    assert [image.url for image in record.images] == [f"https://s.example/{n}.jpg" for n in (1, 2, 3)]
    assert [(each.sku, each.options["colour"], each.price_cents) for each in record.item.variants][:2] == [
        ("1", "red", 350),
        ("2", "blue", 500),
    ]
    assert record.item.attributes == {"brand": "Acme", "colour": ("red", "blue", "grey")}


@pytest.mark.parametrize(
    ("tiers", "cents"),
    [
        ({"Tiered": [[1, 0.4], [10, 0.3]]}, 40),
        ({"PriceBreaks": [{"Quantity": 20, "UnitPrice": 3}, {"Quantity": 50, "UnitPrice": 2}]}, 300),
        ({"PriceBreaks": [{"Quantity": 1, "Price": "$0.50"}, {"Quantity": 10, "Price": "$0.40"}]}, 50),
        ({"price_breaks": [[1, 0.4], [10, 0.3]], "price": 0.5}, 50),
        ({"tiers": [[10, 0.4], [1, 0.3]]}, None),
        ({"ratings": [[1, 0.4], [10, 0.3]]}, None),
    ],
)
def test_of_prices_by_quantity_the_smallest_counts(tmp_path: Path, tiers: dict[str, object], cents: int | None) -> None:
    item = only(write(tmp_path, "parts.json", json.dumps([{"sku": "A", "name": "Fuse", **tiers}]))).item
    assert item.price_cents == cents


def test_a_products_name_under_its_content(tmp_path: Path) -> None:
    images = [{"imageUrl": "//img.example/1.jpg", "cmsId": "7"}]
    size = {"attributeFQN": "tenant~size", "attributeDetail": {"name": "Size", "inputType": "List"}}
    row = {
        "productCode": "A",
        "content": {"productName": "Mug", "productFullDescription": "Of clay", "productImages": images},
        "price": {"price": 9, "catalogListPrice": 9},
        "properties": [{**size, "values": [{"value": "s", "stringValue": "Small"}, {"value": 40}]}],
    }
    record = only(write(tmp_path, "a.jsonl", json.dumps(row)))
    assert (record.item.title, record.item.description, record.item.price_cents) == ("Mug", "Of clay", 900)
    assert [image.url for image in record.images] == ["https://img.example/1.jpg"]
    assert dict(record.item.attributes) == {"size": ("Small", "40")}
    row = {"sku": "A", "title": "Mug", "content": {"productName": "Cup"}}
    assert only(write(tmp_path, "b.jsonl", json.dumps(row))).item.title == "Mug"


def test_prices_of_medusa_and_of_vendures_search_are_in_cents(tmp_path: Path) -> None:
    prices = [
        {"id": "ma_01", "currency_code": "eur", "amount": 1950},
        {"id": "ma_02", "currency_code": "usd", "amount": 1850},
    ]
    one = {"id": "p", "title": "Tee", "handle": "tee", "variants": [{"sku": "T-S", "prices": prices}]}
    item = only(write(tmp_path, "a.json", json.dumps({"products": [one]}))).item
    assert (item.price_cents, item.currency) == (1950, "EUR")
    calculated = {"calculated_amount": 19.5, "currency_code": "eur"}
    one["variants"] = [{"sku": "T-S", "title": "S", "calculated_price": calculated}]
    item = only(write(tmp_path, "b.json", json.dumps({"products": [one]}))).item
    assert (item.price_cents, item.currency) == (1950, "EUR")
    found = {"sku": "V", "productName": "Cup", "priceWithTax": {"min": 1200, "max": 1500}, "currencyCode": "GBP"}
    item = only(write(tmp_path, "c.json", json.dumps({"data": {"search": {"items": [found]}}}))).item
    assert (item.price_cents, item.currency) == (1200, "GBP")


def test_groups_of_names_and_values_are_attributes(tmp_path: Path) -> None:
    weight = {"code": "w", "name": "Weight", "featureUnit": {"name": "gram"}, "featureValues": [{"value": "100"}]}
    colour = {"code": "c", "name": "Colour", "featureValues": [{"value": "Black"}, {"value": "Silver"}]}
    row = {
        "code": "A",
        "name": "Camera",
        "classifications": [{"code": "622", "name": "Technical", "features": [weight, colour]}],
        "variationAttributes": [{"id": "size", "name": "Size", "values": [{"name": "S", "value": "01"}]}],
    }
    item = only(write(tmp_path, "a.json", json.dumps({"products": [row]}))).item
    assert dict(item.attributes) == {"weight": "100 gram", "colour": ("Black", "Silver"), "size": "S"}


def test_a_list_of_a_text_in_several_languages_is_read_in_one(tmp_path: Path) -> None:
    names = [{"language": "de", "value": "Becher"}, {"language": "en", "value": "Mug"}]
    numbered = [{"id": "1", "value": "<p>Of clay</p>"}, {"id": "2", "value": "En argile"}]
    row = {"sku": "A", "price": 9, "name": names, "description": numbered, "tags": [{"id": 1, "value": "New"}]}
    for name, text in (("a.json", json.dumps([row])), ("b.jsonl", json.dumps(row))):
        item = only(write(tmp_path, name, text)).item
        assert (item.title, item.description) == ("Mug", "Of clay")
        assert dict(item.attributes) == {"tags": ("New",)}


def test_a_link_to_what_the_api_is_asked_for_is_nothing(tmp_path: Path) -> None:
    link = {"resource": {"id": False, "url": "products/1/images", "link": "https://api.example/products/1/images"}}
    row = {"id": 1, "title": "Cup", "images": link, "brand": link, "image": {"src": "https://l.example/1.jpg"}}
    record = only(write(tmp_path, "a.json", json.dumps({"products": [row]})))
    assert [image.url for image in record.images] == ["https://l.example/1.jpg"]
    assert (dict(record.item.attributes), record.problems) == ({}, ())


@pytest.mark.parametrize(
    ("prices", "cents", "regular"),
    [
        ({"price": "1800", "regular_price": "2400", "minor_unit": 2, "currency": "USD"}, 1800, 24.0),
        ({"price": 1800, "currency_minor_unit": 0, "currency": "JPY"}, 1800, None),
        ({"price": "18.00", "minor_unit": 2, "currency": "USD"}, 1800, None),
        ({"price": {"amount": 1800, "minor_unit": 2, "currency": "USD"}}, 1800, None),
        ({"price": "1800", "minor_unit": "none", "currency": "USD"}, 180000, None),
        ({"price": 1800, "minor_unit": 2.0, "currency": "USD"}, 1800, None),
        ({"amount": 1800, "minor_unit": 2, "currency": "USD"}, 1800, None),
        ({"price": {"amount": 1800, "currency": "USD"}, "minor_unit": 2}, 1800, None),
        ({"price": 1800, "currency": {"code": "USD", "minor_unit": 2}}, 1800, None),
        ({"price": {"amount": 1800, "currency": {"code": "USD", "minor_unit": 2}}}, 1800, None),
        ({"price_cents": 1800, "minor_unit": 2, "currency": "USD"}, 1800, None),
        ({"priceInCents": 1800, "minorUnit": 2, "currency": "USD"}, 1800, None),
        ({"price_cents": 2400, "sale_price_cents": 1800, "minor_unit": 2, "currency": "USD"}, 1800, 24.0),
        ({"price": 18, "price_cents": 1800, "minor_unit": 2, "currency": "USD"}, 1800, None),
        ({"price": 1800, "price_cents": 1800, "minor_unit": 2, "currency": "USD"}, 1800, None),
        ({"unit_amount": 1800, "amount_cents": 1800, "minor_unit": 2, "currency": "USD"}, 1800, None),
    ],
)
def test_prices_beside_the_number_of_their_decimals(
    tmp_path: Path, prices: dict[str, object], cents: int, regular: float | None
) -> None:
    for name in ("shop.json", "shop.jsonl"):
        content = json.dumps({"sku": "A", "name": "Mug", **prices})
        item = only(write(tmp_path, name, f"[{content}]" if name == "shop.json" else content)).item
        assert (item.price_cents, item.attributes.get("regular_price")) == (cents, regular)


def test_variants_beside_the_number_of_their_decimals(tmp_path: Path) -> None:
    variants = [
        {"sku": "A-1", "price": 1800, "colour": "red", "weight": {"amount": 500, "unit": "g"}},
        {"sku": "A-3", "price": "22.00", "colour": "green"},
        {"sku": "A-4", "price": 24, "minor_unit": 0, "colour": "white"},
    ]
    row = {"sku": "A", "name": "Mug", "minor_unit": 2, "currency": "USD", "variants": variants}
    item = only(write(tmp_path, "shop.json", json.dumps([row]))).item
    assert [variant.price_cents for variant in item.variants] == [1800, 2200, 2400]
    cents = [
        {"sku": "A-1", "price_cents": 1800, "colour": "red"},
        {"sku": "A-2", "price_cents": 2000, "colour": "blue"},
    ]
    item = only(write(tmp_path, "shop.json", json.dumps([{**row, "variants": cents}]))).item
    assert [variant.price_cents for variant in item.variants] == [1800, 2000]
