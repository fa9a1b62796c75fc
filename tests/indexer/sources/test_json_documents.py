"""JSON documents: arrays, API answers, GraphQL edges, JSON-LD in files and in web pages."""

# ruff: noqa: E501 -- the samples are as wide as the real ones

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Rejection
from vitrina.indexer.sources.json_places import Utf8Bytes
from vitrina.search.types.errors import SourceError

PRODUCT = {
    "@context": "https://schema.org",
    "@type": "Product",
    "name": "Lamp",
    "sku": "JL-1",
    "image": ["https://s.example/1.jpg", {"@type": "ImageObject", "url": "https://s.example/2.jpg"}],
    "brand": {"@type": "Brand", "name": "Acme"},
    "offers": {
        "@type": "Offer",
        "price": "19.90",
        "priceCurrency": "EUR",
        "availability": "https://schema.org/InStock",
        "url": "https://s.example/lamp",
    },
    "additionalProperty": [{"@type": "PropertyValue", "name": "Socket", "value": "E27"}],
    "weight": {"@type": "QuantitativeValue", "value": "0.5", "unitCode": "KGM"},
}
GROUP = {
    "@type": "https://schema.org/ProductGroup",
    "name": "Tee",
    "productGroupID": "G-1",
    "hasVariant": [
        {
            "@type": "Product",
            "sku": f"G-1-{colour}",
            "color": colour,
            "image": f"https://s.example/{colour}.jpg",
            "gtin13": code,
            "offers": {"@type": "Offer", "price": price, "priceCurrency": "USD"},
        }
        for colour, code, price in (("Red", "4006381333931", 10), ("Blue", "4006381333948", 12))
    ],
}
SHOPIFY = {
    "products": [
        {
            "id": 1,
            "title": "Tee",
            "handle": "tee",
            "body_html": "<p>Soft</p>",
            "vendor": "Acme",
            "tags": ["new", "cotton"],
            "variants": [
                {"id": 11, "sku": "T-R", "price": "25.00", "option1": "Red", "option2": "S", "image_id": 5, "barcode": "1"},
                {"id": 12, "sku": "T-B", "price": "27.00", "option1": "Blue", "option2": "S", "image_id": None},
            ],
            "options": [{"name": "Color", "values": ["Red", "Blue"]}, {"name": "Size", "values": ["S"]}],
            "images": [{"id": 4, "src": "https://s.example/4.jpg"}, {"id": 5, "src": "https://s.example/5.jpg"}],
        },
        {
            "id": 2,
            "title": "Card",
            "handle": "card",
            "variants": [{"id": 21, "sku": "CARD", "price": "5.00", "option1": "Default Title", "title": "Default Title"}],
            "options": [{"name": "Title", "values": ["Default Title"]}],
            "images": [],
        },
    ]
}  # fmt: skip
BULK = """\
{"id": "gid://shopify/Product/1", "handle": "tee", "title": "Tee", "descriptionHtml": "<p>Soft</p>"}
{"id": "gid://shopify/ProductVariant/11", "sku": "T-R", "price": "25.00", "barcode": "1", "selectedOptions": [{"name": "Color", "value": "Red"}], "image": {"url": "https://s.example/r.jpg"}, "__parentId": "gid://shopify/Product/1"}
{"id": "gid://shopify/MediaImage/5", "image": {"url": "https://s.example/1.jpg"}, "__parentId": "gid://shopify/Product/1"}
{"id": "gid://shopify/Product/2", "handle": "card", "title": "Card"}
{"id": "gid://shopify/Metafield/9", "key": "care", "value": "x", "__parentId": "gid://shopify/ProductVariant/11"}
{"id": "gid://shopify/ProductVariant/12", "sku": "T-B", "price": "27.00", "selectedOptions": [{"name": "Color", "value": "Blue"}], "__parentId": "gid://shopify/Product/1"}
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", json.dumps([PRODUCT, GROUP])),
        ("a.json", json.dumps({"@context": "https://schema.org", "@graph": [{"@type": "WebSite"}, PRODUCT, GROUP]})),
        ("a.jsonld", json.dumps({"@graph": [PRODUCT, GROUP]}, indent=2)),
        ("a.html", f'<html><script type="application/ld+json">{json.dumps([PRODUCT, GROUP])}</script></html>'),
        (
            "a.htm",
            f"<script type=application/ld+json>\n<!--\n{json.dumps({'mainEntity': [PRODUCT, GROUP]})}\n--></script>",
        ),
    ],
)
def test_json_ld(tmp_path: Path, name: str, content: str) -> None:
    (lamp, tee), rejections = read(write(tmp_path, name, content))
    assert rejections == []
    assert (lamp.item.sku, lamp.item.title, lamp.item.price_cents, lamp.item.currency) == ("JL-1", "Lamp", 1990, "EUR")
    assert lamp.item.url == "https://s.example/lamp"
    assert [image.url for image in lamp.images] == ["https://s.example/1.jpg", "https://s.example/2.jpg"]
    assert lamp.item.attributes == {"brand": "Acme", "weight": "0.5 KGM", "availability": "InStock", "socket": "E27"}
    assert [(each.sku, dict(each.options), each.price_cents, each.images) for each in tee.item.variants] == [
        ("G-1-Red", {"color": "Red"}, 1000, (0,)),
        ("G-1-Blue", {"color": "Blue"}, 1200, (1,)),
    ]
    assert (tee.item.sku, tee.item.currency, tee.item.variants[0].identifiers) == ("G-1", "USD", ("4006381333931",))


def test_pages_without_products(tmp_path: Path) -> None:
    page = (
        '<script type="application/ld+json">{"@type": "WebSite"}</script><script type="application/ld+json">{x</script>'
    )
    with pytest.raises(SourceError, match=r"embeds no schema.org Product as JSON-LD \(1 blocks of JSON-LD in it"):
        open_source(str(write(tmp_path, "a.html", page)))


@pytest.mark.parametrize("indent", [None, 2])
def test_products_json_of_shopify(tmp_path: Path, indent: int | None) -> None:
    (tee, card), _ = read(write(tmp_path, "products.json", json.dumps(SHOPIFY, indent=indent)))
    assert (tee.item.sku, tee.item.description, tee.item.attributes["tags"]) == ("tee", "Soft", ("new", "cotton"))
    assert [(each.sku, dict(each.options), each.price_cents, each.images) for each in tee.item.variants] == [
        ("T-R", {"color": "Red", "size": "S"}, 2500, (1,)),
        ("T-B", {"color": "Blue", "size": "S"}, 2700, ()),
    ]
    assert (card.item.price_cents, card.item.variants, card.item.attributes) == (500, (), {"variant_sku": "CARD"})


def test_lines_of_a_bulk_operation_are_joined_by_their_parents(tmp_path: Path) -> None:
    (tee, card), rejections = read(write(tmp_path, "bulk.jsonl", BULK))
    assert (rejections, tee.n_rows, card.n_rows) == ([], 5, 1)
    assert [(each.sku, dict(each.options), each.price_cents) for each in tee.item.variants] == [
        ("T-R", {"color": "Red"}, 2500),
        ("T-B", {"color": "Blue"}, 2700),
    ]
    assert [image.url for image in tee.images] == ["https://s.example/1.jpg", "https://s.example/r.jpg"]


@pytest.mark.parametrize(
    "document",
    [
        [{"sku": 1, "title": "a"}, {"sku": 2, "title": "b"}],
        {"data": {"products": {"edges": [{"node": {"sku": 1, "title": "a"}}, {"node": {"sku": 2, "title": "b"}}]}}},
        {"meta": {"pages": [{"n": 1}]}, "items": [{"sku": 1, "title": "a"}, {"sku": 2, "title": "b"}]},
        {"whatever": [{"sku": 1, "title": "a"}, {"sku": 2, "title": "b"}]},
    ],
)
@pytest.mark.parametrize("indent", [None, 2])
def test_lists_of_products_in_documents(tmp_path: Path, document: object, indent: int | None) -> None:
    if isinstance(document, dict) and "whatever" in document and indent is None:
        return  # one line with one object that nothing tells from a product
    records, rejections = read(write(tmp_path, "a.json", json.dumps(document, indent=indent)))
    assert rejections == []
    assert [(record.item.sku, record.item.title) for record in records] == [("1", "a"), ("2", "b")]


def test_one_product_over_several_lines(tmp_path: Path) -> None:
    product = {
        "sku": 1,
        "title": "a",
        "variants": [{"sku": "v", "price": 3, "options": [{"name": "Size", "value": "S"}]}],
    }
    item = only(write(tmp_path, "a.json", json.dumps(product, indent=1))).item
    assert [(each.sku, dict(each.options), each.price_cents) for each in item.variants] == [("v", {"size": "S"}, 300)]


def test_a_document_that_is_cut_keeps_the_products_before(tmp_path: Path) -> None:
    content = json.dumps([{"sku": number, "title": "a"} for number in range(3)])[:-9]
    records, (rejection,) = read(write(tmp_path, "a.json", content))
    assert [record.item.sku for record in records] == ["0", "1"]
    assert "broken after product 2" in rejection.reason


def test_the_amazon_review_data(tmp_path: Path) -> None:
    of_2014 = (
        "{'asin': '1', 'title': 'Girl\\'s skirt', 'price': 3.17, 'imUrl': 'https://i.example/1.jpg', 'brand': 'A'}\n"
    )
    skirt = only(write(tmp_path, "meta.json", of_2014))
    assert (skirt.item.sku, skirt.item.title, skirt.item.price_cents) == ("1", "Girl's skirt", 317)
    assert [image.url for image in skirt.images] == ["https://i.example/1.jpg"]
    of_2023 = {
        "main_category": "Fashion",
        "title": "Socks",
        "features": ["Soft"],
        "description": ["One", "Two"],
        "price": "$12.99",
        "images": [{"large": "https://i.example/l.jpg", "hi_res": "https://i.example/h.jpg", "variant": "MAIN"}],
        "details": {"Department": "mens"},
        "parent_asin": "B01",
    }
    socks = only(write(tmp_path, "meta.jsonl", json.dumps(of_2023)))
    assert (socks.item.sku, socks.item.description, socks.item.price_cents) == ("B01", "One\nTwo", 1299)
    assert socks.item.attributes["details.department"] == "mens"


def test_variants_that_name_their_group_or_are_named_by_it_are_one_product(tmp_path: Path) -> None:
    def offer(price: float) -> dict[str, object]:
        return {"@type": "Offer", "price": price, "priceCurrency": "EUR"}

    graph = [
        {"@type": "ProductGroup", "productGroupID": "G1", "name": "Coat", "hasVariant": [
            {"@id": "#red"}, {"@type": "Product", "sku": "G1-B", "color": "Blue", "offers": offer(20)}]},
        {"@type": "Product", "@id": "#red", "sku": "G1-R", "color": "Red", "offers": offer(10)},
        {"@type": "Product", "sku": "G2-S", "size": "S", "offers": offer(5),
         "isVariantOf": {"@type": "ProductGroup", "productGroupID": "G2", "name": "Tee", "brand": {"name": "Acme"}}},
        {"@type": "Product", "sku": "G2-M", "size": "M", "offers": offer(6), "isVariantOf": {"@id": "G2"}},
        {"@type": "Product", "sku": "G3-S", "name": "Cap", "size": "S", "inProductGroupWithID": "G3",
         "offers": offer(7)},
        {"@type": "Product", "sku": "G3-M", "name": "Cap", "size": "M", "inProductGroupWithID": "G3",
         "offers": offer(8)},
    ]  # fmt: skip
    records, rejections = read(
        write(tmp_path, "a.jsonld", json.dumps({"@context": "https://schema.org", "@graph": graph}))
    )
    assert not rejections
    found = {record.item.sku: record.item for record in records}
    assert {sku: item.title for sku, item in found.items()} == {"G1": "Coat", "G2": "Tee", "G3": "Cap"}
    forms = [[(each.sku, dict(each.options), each.price_cents) for each in item.variants] for item in found.values()]
    assert forms == [
        [("G1-B", {"color": "Blue"}, 2000), ("G1-R", {"color": "Red"}, 1000)],
        [("G2-S", {"size": "S"}, 500), ("G2-M", {"size": "M"}, 600)],
        [("G3-S", {"size": "S"}, 700), ("G3-M", {"size": "M"}, 800)],
    ]
    assert found["G2"].attributes == {"brand": "Acme", "size": ("S", "M")}


@pytest.mark.parametrize(
    "content",
    [
        '[["sku","title"],["A","Hat"],["B","Cap"]]',
        '{"columns":["sku","title"],"index":[0,1],"data":[["A","Hat"],["B","Cap"]]}',
        '{"sku":{"0":"A","1":"B"},"title":{"0":"Hat","1":"Cap"}}',
        '{"A":{"title":"Hat"},"B":{"title":"Cap"}}',
        '{\n"A": {"title": "Hat"},\n"B": {"title": "Cap"}\n}',
        '{"sku":"A","title":"Hat"},\n{"sku":"B","title":"Cap"},\n',
        '{"productVariations":[{"sku":"A","title":"Hat"},{"sku":"B","title":"Cap"}]}',
        '{"code":200,"result":[{"id":"A","name":"Hat"},{"id":"B","name":"Cap"}]}',
    ],
)
def test_tables_by_columns_and_products_by_keys(tmp_path: Path, content: str) -> None:
    records, rejections = read(write(tmp_path, "a.json", content))
    assert [(each.item.sku, each.item.title) for each in records] == [("A", "Hat"), ("B", "Cap")]
    assert rejections == []


@pytest.mark.parametrize(
    "content",
    [
        [{"category": "Kitchen", "items": [{"id": 1, "name": "Mug"}]}, {"category": "Garden", "items": [{"id": 2, "name": "Pot"}]}],
        {"payload": {"catalog": {"sections": [{"title": "Kitchen", "products": [{"id": 1, "name": "Mug"}, {"id": 2, "name": "Pot"}]}]}}},
        {"results": [{"product": {"id": 1, "title": "Mug"}, "images": []}, {"product": {"id": 2, "title": "Pot"}, "images": []}]},
    ],
)  # fmt: skip
def test_products_in_sections_and_beside_other_things(tmp_path: Path, content: object) -> None:
    records, _ = read(write(tmp_path, "shop.json", json.dumps(content)))
    assert [(record.item.sku, record.item.title) for record in records] == [("1", "Mug"), ("2", "Pot")]


@pytest.mark.parametrize("text", ['{"products": [%s]}', '{"products": [{"sku": "A", "n": %s}]}', '[{"sku": "A"}, %s]'])
def test_a_number_that_python_refuses_is_an_error(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, "shop.json", text % ("1" * 5_000))
    rows: list[object] = []
    with contextlib.suppress(SourceError):
        rows = list(open_source(str(path)).rows())
    assert all(isinstance(row, Rejection) for row in rows[-1:])


def test_a_list_under_any_key_on_one_line(tmp_path: Path) -> None:
    items = [{"itemId": "v1|1|0", "title": "Camera", "price": {"value": "120.00", "currency": "USD"}}]
    item = only(write(tmp_path, "browse.json", json.dumps({"href": "x", "total": 1, "itemSummaries": items}))).item
    assert (item.sku, item.title, item.price_cents) == ("v1|1|0", "Camera", 12000)


def test_products_have_their_sections_name_as_category(tmp_path: Path) -> None:
    sections = [
        {"name": "Mugs", "products": [{"sku": "A", "title": "Cup"}]},
        {"name": "Pots", "products": [{"sku": "B", "title": "Pan", "category": "Pans"}]},
    ]
    (cup, pan), _ = read(write(tmp_path, "shop.json", json.dumps({"categories": sections})))
    assert (cup.item.attributes, pan.item.attributes) == ({"category": "Mugs"}, {"category": "Pans"})


def test_documents_one_after_the_other_and_a_single_product(tmp_path: Path) -> None:
    texts = "\n".join(json.dumps({"sku": sku, "title": "Mug"}, indent=1) for sku in "AB")
    records, rejections = read(write(tmp_path, "jq.json", texts))
    assert ([each.item.sku for each in records], rejections) == (["A", "B"], [])
    media = {"edges": [{"node": {"mediaContentType": "IMAGE", "image": {"url": "https://s.example/1.jpg"}}}]}
    single = {"data": {"product": {"id": 3, "title": "Cap", "handle": "cap", "media": media}}}
    record = only(write(tmp_path, "answer.json", json.dumps(single)))
    assert (record.item.sku, record.item.title, len(record.images)) == ("3", "Cap", 1)


def test_rows_of_a_spreadsheets_api(tmp_path: Path) -> None:
    answer = {"range": "A1:B2", "majorDimension": "ROWS", "values": [["sku", "title"], ["A", "Mug"], ["B"]]}
    records, _ = read(write(tmp_path, "values.json", json.dumps(answer)))
    assert (records[0].item.sku, records[0].item.title) == ("A", "Mug")


def test_an_export_of_phpmyadmin(tmp_path: Path) -> None:
    parts = [
        {"type": "header", "version": "5.2.0"},
        {"type": "database", "name": "shop"},
        {"type": "table", "name": "products", "data": [{"id": "1", "name": "Mug"}, {"id": "2", "name": "Cup"}]},
    ]
    records, _ = read(write(tmp_path, "products.json", json.dumps(parts)))
    assert [(each.item.sku, each.item.title) for each in records] == [("1", "Mug"), ("2", "Cup")]


@pytest.mark.parametrize("is_wide", [True, False])
@pytest.mark.parametrize("name", ["productos", "articulos", "produkte", "товары", "商品列表"])
def test_lists_of_products_in_other_languages(tmp_path: Path, name: str, *, is_wide: bool) -> None:
    said = {"nombre": "La tienda", "moneda": "EUR", "categorias": [{"id": 1, "nombre": "Tazas"}]}
    products = [{"id": "a", "nombre": "Taza", "precio": 9.5}, {"id": "b", "nombre": "Plato", "precio": 4}]
    path = write(tmp_path, "tienda.json", json.dumps(said | {name: products}, indent=1 if is_wide else None))
    cup, plate = read(path)[0]
    assert [cup.item.sku, cup.item.title, cup.item.price_cents, plate.item.sku] == ["a", "Taza", 950, "b"]


def test_products_by_their_keys_in_another_language(tmp_path: Path) -> None:
    products = {"a1B2": {"titulo": "Taza", "precio": 9.5}, "c3D4": {"titulo": "Plato", "precio": 4}}
    cup, _ = read(write(tmp_path, "firestore.json", json.dumps(products)))[0]
    assert [cup.item.sku, cup.item.title, cup.item.price_cents] == ["a1B2", "Taza", 950]


def test_translations_by_language(tmp_path: Path) -> None:
    in_objects = {"id": "a", "price": "4,50", "translations": {"fr": {"name": "Coussin"}, "en": {"name": "Pillow"}}}
    in_lists = {"id": "b", "translations": [{"locale": "it_IT", "name": "Cuscino"}, {"locale": "de", "name": "Kissen"}]}
    one, two = (record.item for record in read(write(tmp_path, "a.json", json.dumps([in_objects, in_lists])))[0])
    assert (one.title, one.attributes) == ("Pillow", {"name_fr": "Coussin"})
    assert (two.title, two.attributes) == ("Cuscino", {"name_de": "Kissen"})


def test_a_currency_beside_the_products(tmp_path: Path) -> None:
    products = [{"id": "a", "name": "Cup", "price": 5}, {"id": "b", "name": "Jug", "price": 7, "currency": "USD"}]
    path = write(tmp_path, "a.json", json.dumps({"version": 1, "currency": "EGP", "products": products}, indent=1))
    assert [record.item.currency for record in read(path)[0]] == ["EGP", "USD"]


def test_a_description_of_names_and_values_is_attributes(tmp_path: Path) -> None:
    products = [{"id": 1, "name": "Logs", "description": {"kind": "Pine", "length": "18 feet"}}]
    record = only(write(tmp_path, "a.json", json.dumps(products)))
    assert (record.item.description, record.item.attributes) == ("", {"kind": "Pine", "length": "18 feet"})
    assert record.problems == ()


@pytest.mark.parametrize(
    ("tablet", "cable"),
    [({"price": "6.250"}, {"price": "342"}), ({"price": "6.250", "old_price": "6.999,00"}, {"price": "1.028"})],
)
def test_a_point_divides_thousands_where_other_prices_tell(
    tmp_path: Path, tablet: dict[str, str], cable: dict[str, str]
) -> None:
    rows = [{"sku": "A", "title": "Tablet", **tablet}, {"sku": "B", "title": "Cable", **cable}]
    assert read(write(tmp_path, "shop.json", json.dumps(rows)))[0][0].item.price_cents == 625000


def test_pages_with_products_under_their_titles(tmp_path: Path) -> None:
    text = "Blue as the sea. " * 9
    pages = [
        {"Mug (blue)": {"price": "₹8,299", "discription": text}, "Mug (red)": {"price": "₹99"}},
        {"Jug (tall)": {"price": "₹120"}},
    ]
    records, _ = read(write(tmp_path, "pages.json", json.dumps(pages)))
    assert [(each.item.title, each.item.price_cents) for each in records] == [
        ("Mug (blue)", 829900),
        ("Mug (red)", 9900),
        ("Jug (tall)", 12000),
    ]
    assert records[0].item.description == text.strip()


def test_objects_of_a_product_are_no_pages(tmp_path: Path) -> None:
    products = [{"sku": n, "name": f"Mug {n}", "price": {"price": 9}, "image": {"image": "a.jpg"}} for n in (1, 2)]
    records, _ = read(write(tmp_path, "shop.json", json.dumps(products)))
    assert [each.item.sku for each in records] == ["1", "2"]


@pytest.mark.parametrize(
    ("product", "variants", "options"),
    [
        (
            {},
            [{"sku": "A-1", "attributes": "Size: 1,5 l, Colour: Red"}, {"sku": "A-2", "attributes": "Size: 2 l"}],
            [{"Size": "1,5 l", "Colour": "Red"}, {"Size": "2 l"}],
        ),
        (
            {"attributes": [{"pt": "Tamanho", "es": "Talle"}]},
            [
                {"sku": "A-1", "values": [{"pt": "P", "es": "S"}], "width": "0.00", "length": "12"},
                {"sku": "A-2", "values": [{"pt": "M", "es": "M"}]},
            ],
            [{"Tamanho": "P", "length": "12"}, {"Tamanho": "M"}],
        ),
        (
            {"productPageUrl": {"base": "https://shop.example/", "path": "/mug"}},
            [
                {
                    "choices": {"Size": size},
                    "variant": {"sku": f"A-{size}", "priceData": {"price": 9, "discountedPrice": 7}},
                }
                for size in ("S", "M")
            ],
            [{"Size": "S"}, {"Size": "M"}],
        ),
        ({}, [{"sku": "A-1", "attributes": {"sku": "A-1", "title": "S"}}], [{}]),
    ],
)
def test_the_options_of_variants_in_texts_and_objects(
    tmp_path: Path, product: dict[str, object], variants: list[dict[str, object]], options: list[dict[str, str]]
) -> None:
    document = {"products": [{"sku": "A", "name": "Mug", "price": 9, **product, "variants": variants}]}
    item = only(write(tmp_path, "shop.json", json.dumps(document))).item
    assert [dict(each.options) for each in item.variants] == [
        {name.lower(): int(value) if value.isdigit() else value for name, value in each.items()}
        for each in options
        if each
    ]
    if "productPageUrl" in product:
        assert (item.url, item.variants[0].sku, item.price_cents) == ("https://shop.example/mug", "A-S", 700)


def test_the_answers_of_bigcommerce(tmp_path: Path) -> None:
    image = {"url_zoom": "https://b.example/1.jpg", "url_thumbnail": "https://b.example/1t.jpg", "is_thumbnail": True}
    product = {
        "id": 7, "name": "Apron", "type": "physical", "sku": "A", "description": "<p>Linen</p>", "price": 20, "sale_price": 0,
        "calculated_price": 18, "is_visible": True, "is_featured": False, "inventory_tracking": "none", "option_set_id": None,
        "cost_price": 4, "custom_url": {"url": "/apron/", "is_customized": False}, "images": [image],
        "custom_fields": [{"id": 1, "name": "Fabric", "value": "Linen"}],
        "variants": [
            {"id": n, "sku": f"A-{size}", "price": None, "calculated_price": 17 + n, "option_values": [{"option_display_name": "Size", "label": size}]}
            for n, size in enumerate("SM", 1)
        ],
    }  # fmt: skip
    record = only(write(tmp_path, "shop.json", json.dumps({"data": [product], "meta": {"pagination": {"total": 1}}})))
    item = record.item
    assert (item.sku, item.title, item.price_cents, item.url) == ("A", "Apron", 1800, "/apron/")
    assert [(each.sku, each.price_cents, dict(each.options)) for each in item.variants] == [
        ("A-S", 1800, {"size": "S"}),
        ("A-M", 1900, {"size": "M"}),
    ]
    assert dict(item.attributes) == {"fabric": "Linen", "regular_price": 20, "size": ("S", "M")}
    assert [each.url for each in record.images] == ["https://b.example/1.jpg"]


def test_products_under_their_keys_may_have_names_of_several_words(tmp_path: Path) -> None:
    chairs = {
        "04417": {"Product Name": "Chair", "Product Price": "120", "Model": "High back"},
        "20033": {"Product Name": "Stool", "Product Price": "45", "Model": "Three legs"},
    }
    for name, document in (("alone.json", chairs), ("under.json", {"products": chairs})):
        chair, stool = (record.item for record in read(write(tmp_path, name, json.dumps(document, indent=1)))[0])
        assert (chair.sku, chair.title, chair.price_cents) == ("04417", "Chair", 12000)
        assert (stool.sku, stool.attributes) == ("20033", {"model": "Three legs"})
    assert read(write(tmp_path, "line.json", json.dumps(chairs)))[0][0].item.sku == "04417"


@pytest.mark.parametrize(
    "leaflet",
    [
        {"kinds": [{"name": "Bread"}, {"name": "Fish"}], "page": [{"id": 7, "name": "Rye loaf", "deal_price": "2.40"}]},
        {
            "kinds": [{"name": "Bread"}, {"name": "Fish"}],
            "pages": [{"number": 1, "items": [{"id": 7, "name": "Rye loaf", "deal_price": "2.40"}]}],
        },
    ],
)
def test_of_several_lists_that_with_names_and_prices_holds_the_products(tmp_path: Path, leaflet: object) -> None:
    loaf = only(write(tmp_path, "leaflet.json", json.dumps(leaflet))).item
    assert (loaf.sku, loaf.title, loaf.price_cents) == ("7", "Rye loaf", 240)


@pytest.mark.parametrize("odd", [None, 3, [{"name": "Jar", "price": 7}]])
@pytest.mark.parametrize("name", ["", "products"])
def test_one_odd_entry_among_products_under_their_keys_is_told(tmp_path: Path, name: str, odd: object) -> None:
    products: dict[str, object] = {"M1": {"name": "Mug", "price": 5}, "M2": {"title": "Cup", "price": 6}}
    for row in ({**products, "M3": odd}, {"M3": odd, **products}):
        records, rejections = read(write(tmp_path, "shop.json", json.dumps({name: row} if name else row)))
        assert [record.item.sku for record in records] == ["M1", "M2"]
        assert [rejection.reason[:21] for rejection in rejections] == ["The product is a JSON"]


def test_products_under_their_keys_of_which_one_has_no_name(tmp_path: Path) -> None:
    content = {"M1": {"name": "Mug", "price": 5}, "M2": {"price": 6, "images": []}, "M3": {"name": "Jar", "price": 7}}
    records, rejections = read(write(tmp_path, "a.json", json.dumps(content)))
    assert [record.item.sku for record in records] == ["M1", "M3"]
    assert [rejection.sku for rejection in rejections] == ["M2"]


def test_a_product_that_holds_others_is_one(tmp_path: Path) -> None:
    other = {"name": "Cup", "price": 6}
    item = only(write(tmp_path, "a.json", json.dumps({"sku": "M1", "name": "Mug", "left": other, "right": other}))).item
    assert (item.sku, item.title) == ("M1", "Mug")


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_numbers_that_python_writes_and_json_has_not_are_null(tmp_path: Path, name: str) -> None:
    texts = f'"title": "Mug, {name}, \\" {name}", "sizes": [{name}, 1]'
    row = f'{{"sku": "A", {texts}, "price": 5, "weight": {name}}}'
    for content in (f'[{row}, {{"sku": "B", "title": "Cup"}}]', f'{{"products": [{row}], "total":{name}}}'):
        records, rejections = read(write(tmp_path, "shop.json", content))
        assert rejections == []
        assert records[0].item.title == f'Mug, {name}, " {name}'
        assert "weight" not in records[0].item.attributes


@pytest.mark.parametrize("n_chars", [1, 2, 3, 5, 7, 11, 1000])
def test_such_numbers_are_null_wherever_a_read_ends(n_chars: int) -> None:
    text = r'{"NaN": NaN, "a\\": [-Infinity,Infinity], "b\"": "x, NaN \\\", NaN, \\", "c": NaN, "naïve": "-Infinity"}'
    file = Utf8Bytes(io.StringIO(text))
    found = b"".join(iter(lambda: file.read(n_chars), b"")).decode()
    assert json.loads(found) == json.loads(text, parse_constant=lambda name: None)


@pytest.mark.parametrize("is_inside", [False, True])
def test_lists_of_the_same_kind_are_read_together(tmp_path: Path, *, is_inside: bool) -> None:
    tees = [{"sku": "T1", "name": "Tee", "price": 5}, {"sku": "T2", "name": "Polo", "price": 6}, None]
    featured = [{"sku": "B", "name": "Boot", "price": 7}]
    document = {"Tops & polos": tees, "regions": [{"id": 1, "name": "North"}], "featured": featured}
    source = open_source(str(write(tmp_path, "a.json", json.dumps({"data": document} if is_inside else document))))
    rows = [*source.rows()]
    items = [row.item for row in rows if not isinstance(row, Rejection)]
    assert [(item.sku, item.attributes.get("category")) for item in items] == [
        ("T1", "Tops & polos"),
        ("T2", "Tops & polos"),
        ("B", None),
    ]
    assert (len(rows), source.notes) == (4, ())


@pytest.mark.parametrize("name", ["products", "recommended"])
def test_lists_of_products_that_are_not_read_are_named(tmp_path: Path, name: str) -> None:
    document = {name: [{"id": 1, "name": "Tee", "price": 5}], "stock": [{"id": 2, "title": "Polo", "cost": 6}]}
    source = open_source(str(write(tmp_path, "a.json", json.dumps(document))))
    assert [row.item.sku for row in source.rows() if not isinstance(row, Rejection)] == ["1"]
    assert any("not from stock" in note for note in source.notes)


SHOPEE = {"itemid": 7, "shopid": 1, "name": "Kaos", "currency": "IDR", "price": 2_950_000_000}
SHOPEE |= {"price_min": 2_950_000_000, "price_max": 3_100_000_000, "price_min_before_discount": -1}


def test_lists_anywhere_in_the_sections_of_an_answer(tmp_path: Path) -> None:
    index = [{"data_type": "item", "key": "item::7"}]
    section = {"total": 2, "key": "main", "index": index, "data": {"item": [SHOPEE, {**SHOPEE, "itemid": 8}]}}
    records, _ = read(write(tmp_path, "a.json", json.dumps({"error": 0, "data": {"sections": [section, section]}})))
    assert [(each.item.sku, each.item.title) for each in records] == [("7", "Kaos"), ("8", "Kaos")] * 2


@pytest.mark.parametrize("own", [{"text": {"name": "Tee"}}, {"label_title": "Tee"}, {"price_eur": 9}])
def test_lists_in_what_has_a_name_or_a_price_are_parts_of_it(tmp_path: Path, own: dict[str, object]) -> None:
    rows = [{"id": each, **own, "extras": [{"name": "Gift wrap", "price": each}]} for each in (1, 2)]
    records, _ = read(write(tmp_path, "a.json", json.dumps({"products": rows})))
    assert [each.item.sku for each in records] == ["1", "2"]


@pytest.mark.parametrize(
    "own",
    [
        {"code": "{}", "details": {"heading": "Pot {}"}, "sellers": [{"name": "Clay & Co", "price": 5}]},
        {"uid": 4, "details": {"heading": "Pot {}"}, "sellers": [{"name": "Clay & Co", "price": 5}]},
        {"id": "{}", "glaze": "matt", "made": {"by": [{"name": "Clay & Co", "price": 5}]}},
        {"text": "A pot of clay {}", "more": {"list": [{"name": "Saucer", "price": 2}]}},
        {"glaze": "matt {}", "delivery": [{"name": "By bike", "price": 5}]},
        {"glaze": "matt {}", "Options": {"list": [{"name": "Saucer", "price": 2}]}},
    ],
)
def test_objects_with_a_key_or_a_text_are_no_sections_and_extras_no_products(
    tmp_path: Path, own: dict[str, object]
) -> None:
    rows = [json.loads(json.dumps(own).replace("{}", each)) for each in ("P1", "P2")]
    source = open_source(str(write(tmp_path, "a.json", json.dumps(rows))), {"sku": next(iter(own))})
    assert len([*source.rows()]) == 2
    assert next(iter(own)) in source.fields.values()


@pytest.mark.parametrize(
    ("change", "cents"),
    [
        ({}, 2_950_000),
        ({"currency": "SGD", "price": 350_000, "price_min": 350_000, "price_max": 399_000}, 350),
        ({"price": 29500.0}, 2_950_000),
        ({"price": 29_512}, 2_951_200),
        ({"price": 750_000, "price_min": 750_000, "price_max": 750_000}, 75_000_000),
        ({"currency": "CLP", "price": 9_990_000, "price_min": 9_990_000, "price_max": 9_990_000}, 9_990_000),
        ({"currency": "CLP", "price": 99_000_000, "price_min": 99_000_000, "price_max": 99_000_000}, 990),
    ],
)
@pytest.mark.parametrize("is_lines", [False, True])
def test_prices_of_shopees_api_are_hundred_thousandths(
    tmp_path: Path, change: dict[str, object], cents: int, *, is_lines: bool
) -> None:
    row = {**SHOPEE, **change}
    other = {
        **row,
        "itemid": 8,
        "price_before_discount": 10_000_000_000,
        "tier_variations": [{"name": "Warna", "options": ["Hitam", "Merah"]}],
    }
    text = f"{json.dumps(row)}\n{json.dumps(other)}\n" if is_lines else json.dumps([row, other])
    records, _ = read(write(tmp_path, "a.jsonl" if is_lines else "a.json", text))
    assert [each.item.price_cents for each in records] == [cents, cents]
    assert records[1].item.attributes["warna"] == ("Hitam", "Merah")
    if not change:
        assert records[1].item.attributes["price_before_discount"] == 100_000
