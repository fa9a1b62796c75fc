"""What a document names beside its products, in the place of the ids that products have."""

from __future__ import annotations

import json
from pathlib import Path

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources.references import NamedObjects

# ruff: noqa: E501 -- the sample files are as wide as the real ones

LAMP = "0c7a1f6e-11aa-4c55-9b7e-4f0f3f8a0001"
HOUSE = "0c7a1f6e-11aa-4c55-9b7e-4f0f3f8a0002"
MAKER = "0c7a1f6e-11aa-4c55-9b7e-4f0f3f8a0003"
ACME = "0c7a1f6e-11aa-4c55-9b7e-4f0f3f8a0004"

IMPORT = f"""\
<?xml version="1.0" encoding="UTF-8"?><КоммерческаяИнформация xmlns="urn:1C.ru:commerceml_2"><Классификатор><Ид>1</Ид><Наименование>Каталог</Наименование>
<Группы><Группа><Ид>{HOUSE}</Ид><Наименование>Дом</Наименование><Группы><Группа><Ид>{LAMP}</Ид><Наименование>Лампы</Наименование></Группа></Группы></Группа></Группы>
<Свойства><Свойство><Ид>{MAKER}</Ид><Наименование>Марка</Наименование><ВариантыЗначений><Справочник><ИдЗначения>{ACME}</ИдЗначения><Значение>Acme</Значение></Справочник>
</ВариантыЗначений></Свойство></Свойства></Классификатор><Каталог><Товары><Товар><Ид>t1</Ид><Артикул>L-1</Артикул><Наименование>Лампа</Наименование>
<БазоваяЕдиница Код="796"><Пересчет><Единица>796</Единица></Пересчет></БазоваяЕдиница><Группы><Ид>{LAMP}</Ид></Группы><Картинка>a/1.jpg</Картинка><Картинка>a/2.jpg</Картинка>
<Изготовитель><Ид>{HOUSE}</Ид><Наименование>Завод</Наименование></Изготовитель><ЗначенияСвойств><ЗначенияСвойства><Ид>{MAKER}</Ид><Значение>{ACME}</Значение></ЗначенияСвойства>
</ЗначенияСвойств><СтавкиНалогов><СтавкаНалога><Наименование>НДС</Наименование><Ставка>20</Ставка></СтавкаНалога></СтавкиНалогов></Товар></Товары></Каталог></КоммерческаяИнформация>
"""

OFFERS = """\
<КоммерческаяИнформация><ПакетПредложений><ТипыЦен><ТипЦены><Ид>r</Ид><Наименование>Розничная</Наименование></ТипЦены></ТипыЦен><Предложения>
<Предложение><Ид>t1#a</Ид><Артикул>L-1</Артикул><Наименование>Лампа</Наименование><Цены><Цена><Представление>99 руб за шт</Представление>
<ЦенаЗаЕдиницу>99.50</ЦенаЗаЕдиницу><Валюта>руб</Валюта></Цена></Цены><ХарактеристикиТовара><ХарактеристикаТовара><Наименование>Цвет</Наименование>
<Значение>Белый</Значение></ХарактеристикаТовара></ХарактеристикиТовара><Количество>5</Количество></Предложение>
<Предложение><Ид>t1#b</Ид><Артикул>L-1</Артикул><Наименование>Лампа</Наименование><Цены><Цена><ЦенаЗаЕдиницу>120</ЦенаЗаЕдиницу><Валюта>руб</Валюта></Цена>
</Цены><ХарактеристикиТовара><ХарактеристикаТовара><Наименование>Цвет</Наименование><Значение>Синий</Значение></ХарактеристикаТовара></ХарактеристикиТовара>
</Предложение></Предложения></ПакетПредложений></КоммерческаяИнформация>
"""


def test_a_catalog_of_1c_has_the_names_of_groups_and_of_values(tmp_path: Path) -> None:
    record = only(write(tmp_path, "import.xml", IMPORT))
    assert (record.item.sku, record.item.title, len(record.images)) == ("L-1", "Лампа", 2)
    assert record.item.attributes == {"category": "Дом / Лампы", "manufacturer": "Завод", "марка": "Acme"}


def test_offers_of_1c_are_the_variants_of_their_article(tmp_path: Path) -> None:
    item = only(write(tmp_path, "offers.xml", OFFERS)).item
    assert (item.sku, item.title, item.price_cents, item.currency) == ("L-1", "Лампа", 9950, "RUB")
    assert [(each.sku, dict(each.options), each.price_cents) for each in item.variants] == [
        ("t1#a", {"цвет": "Белый"}, 9950),
        ("t1#b", {"цвет": "Синий"}, 12000),
    ]


def test_categories_of_a_feed_are_named_by_elements(tmp_path: Path) -> None:
    header = "<categories><category><id>1</id><name>Home</name></category><category><id>2</id><parentId>1</parentId>"
    items = "<items><item><id>A</id><categoryId>2</categoryId><name>Mug</name><priceRUAH>95</priceRUAH></item></items>"
    text = f"<price><date>2026</date>{header}<name>Mugs</name></category></categories>{items}</price>"
    item = only(write(tmp_path, "hotline.xml", text)).item
    assert (item.sku, item.price_cents, item.currency) == ("A", 9500, "UAH")
    assert item.attributes == {"category": "Home / Mugs"}


def test_lists_beside_the_products_name_what_these_refer_to(tmp_path: Path) -> None:
    shop = {
        "brands": [{"id": "b1", "name": "Acme", "logo": "https://s.example/acme.jpg"}],
        "categories": [
            {"_id": {"$oid": "c1"}, "name": {"fi": "Mukit", "en": "Mugs"}},
            {"_id": "c2", "slug": "sale", "title": "Sale"},
        ],
        "products": [
            {"id": "A", "name": "Mug", "brandId": "b1", "categories": ["c1", "sale", "Gifts"], "parentId": "b1"},
            {"id": "B", "name": "Cup", "brand": {"id": "b1"}, "mainCategoryId": "c1", "category_id": "c9"},
        ],
    }
    (mug, cup), rejections = read(write(tmp_path, "shop.json", json.dumps(shop)))
    assert rejections == []
    assert mug.item.attributes == {"parent_id": "b1", "brand": "Acme", "categories": ("Mugs", "Sale", "Gifts")}
    assert cup.item.attributes == {"brand": "Acme", "main_category": "Mugs", "category_id": "c9"}


def test_products_and_categories_may_have_keys_outside(tmp_path: Path) -> None:
    mug = {"name": "Mug", "price": 9.5, "category": "c1", "variants": [{"sku": "M-1", "colour": "red"}]}
    cup = {"name": "Cup", "price": 8, "category": "c2", "pictures": [{"url": "https://s.example/1.jpg"}]}
    shop = {"categories": {"c1": {"name": "Mugs"}, "c2": "Cups"}, "products": {"p1": mug, "p2": cup}}
    for content in (shop, {"shop": shop}):
        records, rejections = read(write(tmp_path, "shop.json", json.dumps(content)))
        assert rejections == []
        assert [(each.item.sku, each.item.price_cents, each.item.attributes["category"]) for each in records] == [
            ("p1", 950, "Mugs"),
            ("p2", 800, "Cups"),
        ]


def test_categories_may_hold_others(tmp_path: Path) -> None:
    drinks = {
        "id": 1,
        "name": "Drinks",
        "children": [{"id": 2, "name": "Tea", "subcategories": [{"id": 3, "name": "Green"}]}],
    }
    products = [
        {"sku": "A", "name": "Sencha", "price": 9, "category_id": 3},
        {"sku": "B", "name": "Assam", "subcategory": 2},
    ]
    (sencha, assam), _ = read(write(tmp_path, "shop.json", json.dumps({"products": products, "categories": [drinks]})))
    assert sencha.item.attributes == {"category": "Drinks / Tea / Green"}
    assert assam.item.attributes == {"subcategory": "Drinks / Tea"}


def test_products_in_a_section_name_it_by_its_id(tmp_path: Path) -> None:
    mug = {"id": "A", "name": "Mug", "price": 9, "category": "c1"}
    text = json.dumps({"categories": [{"id": "c1", "name": "Mugs", "items": [mug]}]})
    assert only(write(tmp_path, "shop.json", text)).item.attributes == {"category": "Mugs"}


def test_objects_of_several_kinds_are_items_with_images_and_categories(tmp_path: Path) -> None:
    item = {"name": "Soap", "is_taxable": True, "category_id": "C", "image_ids": ["P", "Q"]}
    data = {"name": "Bar", "sku": "S-1", "price_money": {"amount": 800, "currency": "USD"}}
    objects = [
        {"type": "IMAGE", "id": "P", "image_data": {"name": "front", "url": "https://s.example/1.jpg"}},
        {
            "type": "ITEM",
            "id": "A",
            "item_data": {**item, "variations": [{"type": "ITEM_VARIATION", "id": "V", "item_variation_data": data}]},
        },
    ]
    related = [
        {"type": "CATEGORY", "id": "C", "category_data": {"name": "Bath"}},
        {"type": "IMAGE", "id": "Q", "image_data": {"url": "https://s.example/2.jpg"}},
    ]
    for content in ({"objects": objects, "related_objects": related}, [*related, *objects]):
        record = only(write(tmp_path, "catalog.json", json.dumps(content)))
        assert (record.item.sku, record.item.title, record.item.price_cents) == ("A", "Soap", 800)
        assert [image.url for image in record.images] == ["https://s.example/1.jpg", "https://s.example/2.jpg"]
        assert record.item.attributes["category"] == "Bath"
        assert [(each.sku, each.price_cents) for each in record.item.variants] == [("S-1", 800)]


def test_ids_of_images_are_no_paths(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "shop.json", json.dumps([{"id": "A", "name": "Mug", "image_ids": ["P"]}])))
    assert [record.images for record in records] == [()]


def test_names_that_lead_in_circles_end() -> None:
    named = NamedObjects()
    named.add("category", "1", "Mugs", "2")
    named.add("category", "2", "Home", "1")
    assert named.named({"id": "1", "category_id": 1}) == {"id": "1", "category": "Home / Mugs"}


def test_what_nothing_names_is_left_as_it_is() -> None:
    cells: dict[str, object] = {"id": "A", "category_id": 7, "tags": ["1"], "product_id": "1"}
    named = NamedObjects()
    assert named.named(cells) == cells
    named.add("categories", "1", "Mugs")
    assert named.named(cells) == cells


def test_prices_currencies_and_what_joins_rows_stay() -> None:
    named = NamedObjects()
    for kind in ("prices", "currencies", "groups"):
        named.add(kind, "1", "Retail")
    cells: dict[str, object] = {"price": 1, "currencyId": "1", "group_id": 1}
    assert named.named(cells) == {**cells, "group": "Retail"}
