"""Columns by their names: in many languages, with locales and currencies behind them, and several for one field."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record
from vitrina.indexer.sources.columns import choose_columns
from vitrina.search.types.errors import SourceError

# ruff: noqa: E501 -- the sample files are as wide as the real ones


@pytest.mark.parametrize(
    ("header", "fields", "images"),
    [
        ("sku,name,price,photo", "sku,name,price", "photo"),
        ("Artikelnummer,Bezeichnung,Verkaufspreis,Bild", "Artikelnummer,Bezeichnung,Verkaufspreis", "Bild"),
        ("Référence,Désignation,Prix TTC,Visuel", "Référence,Désignation,Prix TTC", "Visuel"),
        ("Código,Nombre,Precio,Imagen principal", "Código,Nombre,Precio", "Imagen principal"),
        ("Артикул,Наименование,Цена,Фото", "Артикул,Наименование,Цена", "Фото"),
        ("artikul,naimenovanie,tsena,kartinka", "artikul,naimenovanie,tsena", "kartinka"),
        ("Артикул,Номенклатура,Цена,Фото", "Артикул,Номенклатура,Цена", "Фото"),
        ("商品番号,商品名,価格,画像", "商品番号,商品名,価格", "画像"),
        ("货号,标题,售价,主图", "货号,标题,售价", "主图"),
        ("Art. No.,Product name,RRP incl. VAT EUR,Photo", "Art. No.,Product name,RRP incl. VAT EUR", "Photo"),
        ("*Product Code,Title*,Price (EUR),Main Picture", "*Product Code,Title*,Price (EUR)", "Main Picture"),
        ("sku,Brand Name,My Item Name,shop price,img_width,img_src", "sku,My Item Name,shop price", "img_src"),
        ("id,brand,manufacturer_name,file_name", "id,,", "file_name"),
        ("p_id,name,price,img", "p_id,name,price", "img"),
        ("idarticulo,nombre,costo,preciopub,codbarraart", "idarticulo,nombre,preciopub", ""),
        ("id,title,shipping_price,wholesale price,cost", "id,title,", ""),
    ],
)
def test_names_of_columns(header: str, fields: str, images: str) -> None:
    columns = choose_columns(header.split(","), {}, source="shop.csv")
    found = [columns.fields.get(name, ("",))[0] for name in ("sku", "title", "price")]
    assert (",".join(found), ",".join(columns.images)) == (fields, images)


@pytest.mark.parametrize("header", ["Produtos,Preços", "Productos,Precios", "Produkte,Preise", "Товары,Цены"])
def test_names_in_the_plural(tmp_path: Path, header: str) -> None:
    path = write(tmp_path, "list.csv", f"{header}\nBlue mug,9.50\nRed mug,8.50\n")
    assert [(each.item.title, each.item.price_cents) for each in read(path)[0]] == [("Blue mug", 950), ("Red mug", 850)]


def test_english_columns_come_first_and_others_fill_the_gaps(tmp_path: Path) -> None:
    content = "sku;name-de_DE;name-fr_FR;name-en_US;description-en_US-ecommerce\n1;Hemd;Chemise;Shirt;Soft\n2;Hose;;;\n"
    (shirt, trousers), _ = read(write(tmp_path, "akeneo.csv", content))
    assert (shirt.item.title, shirt.item.description, trousers.item.title) == ("Shirt", "Soft", "Hose")
    assert shirt.item.attributes == {"name_de_de": "Hemd", "name_fr_fr": "Chemise"}


def test_a_price_column_names_its_currency(tmp_path: Path) -> None:
    item = only(write(tmp_path, "shop.csv", "sku,title,price-EUR,price-USD\n1,a,19.90,21.90\n")).item
    assert (item.price_cents, item.currency) == (1990, "EUR")
    item = only(write(tmp_path, "shop.csv", "sku,title,Price (JPY)\n1,a,1290\n")).item
    assert (item.price_cents, item.currency) == (1290, "JPY")


@pytest.mark.parametrize(
    ("regular", "sale", "cents", "attributes"),
    [
        ("30.00", "20.00", 2000, {"regular_price": 30.0}),
        ("30.00", "", 3000, {}),
        ("30.00", "0.00", 3000, {}),
        ("30.00", "35.00", 3000, {}),
        ("", "20.00", 2000, {}),
    ],
)
def test_the_sale_price_is_what_an_item_costs(
    tmp_path: Path, regular: str, sale: str, cents: int, attributes: dict[str, float]
) -> None:
    item = only(write(tmp_path, "shop.csv", f"sku,title,price,sale price\n1,a,{regular},{sale}\n")).item
    assert (item.price_cents, item.attributes) == (cents, attributes)


def test_a_row_without_a_sku_goes_by_its_id(tmp_path: Path) -> None:
    records, _ = read(write(tmp_path, "shop.csv", "ID,SKU,title\n7,A,a\n8,,b\n"))
    assert [record.item.sku for record in records] == ["A", "8"]
    assert records[0].item.attributes == {"id": 7}


@pytest.mark.parametrize("header", ["Article No;Product name;ISBN", "Shelf code;Product name;ISBN"])
def test_a_barcode_that_few_products_have_is_no_key(tmp_path: Path, header: str) -> None:
    content = f"{header}\nB1;The Glass Orchard;978-0-14-312774-1\nP1;Ballpoint pen;\nP2;Eraser;\n"
    records, _ = read(write(tmp_path, "shop.csv", content))
    assert [record.item.sku for record in records] == ["B1", "P1", "P2"]
    assert records[0].item.attributes == {"isbn": "978-0-14-312774-1"}


@pytest.mark.parametrize(
    ("table", "fields"),
    [
        ("Item #,Item Description,Unit Price\n1,Hat,9\n2,Cap,8\n", {"sku": "Item #", "title": "Item Description", "price": "Unit Price"}),
        ("ID oferty;Tytuł oferty;Opis oferty;Cena PL\n1;Hat;Warm;9\n2;Cap;Light;8\n", {"sku": "ID oferty", "title": "Tytuł oferty", "description": "Opis oferty", "price": "Cena PL"}),
        ("SKU,Nombre,Nombre de propiedad 1,UVP,Preis\n1,Hat,Talle,9,8\n", {"sku": "SKU", "title": "Nombre", "price": "Preis"}),
        ("ean;code[unique=true];name[lang=de];name[lang=en];unit(code)[default=pieces]\n;1;Hut;Hat;pieces\n", {"sku": "code[unique=true]", "title": "name[lang=en]"}),
        ("sku,title,net price,Prix TTC\n1,Hat,9,8\n", {"sku": "sku", "title": "title", "price": "Prix TTC"}),
        ("productcode,productname,listprice,productprice,photourl\n1,Hat,9,8,a.jpg\n", {"sku": "productcode", "title": "productname", "price": "productprice", "image": "photourl"}),
        ("v_products_model,v_products_name_1,v_products_price,v_products_image,v_status\n1,Hat,9,a.jpg,1\n", {"sku": "v_products_model", "title": "v_products_name_1", "price": "v_products_price", "image": "v_products_image"}),
        ("등록상품ID,등록상품명,판매가,대표이미지\n1,모자,9,a.jpg\n", {"sku": "등록상품ID", "title": "등록상품명", "price": "판매가", "image": "대표이미지"}),
        ("商家编码,宝贝名称,宝贝价格,新图片\n1,帽子,9,a.jpg\n", {"sku": "商家编码", "title": "宝贝名称", "price": "宝贝价格", "image": "新图片"}),
        ("MATNR|MAKTX|KBETR|WAERS|ZZFILE\n1|Hat|9,50|EUR|a.jpg\n", {"sku": "MATNR", "title": "MAKTX", "price": "KBETR", "currency": "WAERS", "image": "ZZFILE"}),
        ("Item\tAmount due\tLook\nRed hat\t$9.50\ta.jpg\nBlue cap\t$8.00\tb.png\n", {"sku": "Item", "title": "Item", "price": "Amount due", "image": "Look"}),
        ("SKU,Item Name,Rate,Purchase Rate,Images1\n1,Hat,USD 9.50,USD 4.00,a.jpg\n", {"sku": "SKU", "title": "Item Name", "price": "Rate", "image": "Images1"}),
    ],
)  # fmt: skip
def test_columns_without_well_known_names(tmp_path: Path, table: str, fields: dict[str, str]) -> None:
    assert open_source(str(write(tmp_path, "list.csv", table))).fields == fields


def test_a_column_whose_values_repeat_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="product's key"):
        open_source(str(write(tmp_path, "list.csv", "Item group,Price\nHats,9\nHats,8\n")))


def test_columns_that_others_are_made_of_are_named_as_the_file_does(tmp_path: Path) -> None:
    table = "article_id,product_code,prod_name,product_type_name,detail_desc,colour_group_name\n0108775015,0108775,Top,Vest top,Soft,Black\n"
    assert dict(open_source(str(write(tmp_path, "articles.csv", table))).fields) == {
        "sku": "article_id",
        "title": "prod_name",
        "description": "detail_desc",
        "image": "article_id",
    }
    products = '{"products":[{"handle":"a","title":"A","vendor":"V","variants":[{"sku":"1","price":"9.00"},{"sku":"2","price":"8.00"}]}]}'
    assert open_source(str(write(tmp_path, "products.json", products))).fields["price"] == "variants.price"


@pytest.mark.parametrize(
    "header",
    [
        "رمز الصنف;اسم الصنف;وصف المنتج;سعر البيع;رابط الصورة;رابط المنتج;الماركة",
        "Код на продукта;Име на продукта;Пълно описание;Продажна цена;Снимка;Линк;Марка",
        "Codi article;Nom de l'article;Descripció llarga;Preu de venda;Imatge;Enllaç;Marca",
        "Kód zboží;Název zboží;Dlouhý popis;Cena s DPH;Odkaz na obrázek;Odkaz na produkt;Výrobce",
        "Varenr.;Varetekst;Lang beskrivelse;Salgspris inkl. moms;Billede URL;Link;Mærke",
        "Artikel-Nr.;Artikelbezeichnung;Langtext;Standardpreis inkl. MwSt.;Bild-URL;Link zum Produkt;UVP",
        "Κωδικός προϊόντος;Όνομα προϊόντος;Αναλυτική περιγραφή;Λιανική τιμή;Φωτογραφία;Σύνδεσμος;Μάρκα",
        "Tootekood;Toote nimi;Kirjeldus;Hind km-ga;Pilt;Link;Bränd",
        "کد کالا;نام کالا;توضیحات;قیمت;تصویر;لینک;نام برند",
        "Tuotekoodi;Tuotenimike;Pitkä kuvaus;Hinta sis. alv;Kuvan osoite;Tuotelinkki;Merkki",
        "Référence produit;Libellé;Descriptif détaillé;Prix de vente TTC;Lien image;URL fiche produit;Nom de la marque",
        'מק"ט;שם המוצר;תיאור המוצר;מחיר לצרכן;קישור לתמונה;קישור;מותג',
        "उत्पाद कोड;उत्पाद का नाम;विवरण;विक्रय मूल्य;छवि;लिंक;ब्रांड",
        "Cikkszám;Terméknév;Hosszú leírás;Bruttó eladási ár;Kép URL;Termék link;Márka",
        "Kode Barang;Nama Barang;Deskripsi Produk;Harga Jual;URL Gambar;Tautan Produk;Barcode",
        "商品コード;商品名称;商品説明文;販売価格(税込);画像URL1;商品ページURL;ブランド名称",
        "상품 코드;상품 이름;상품 상세설명;판매가격;대표 이미지;상품 URL;브랜드 이름",
        "Prekės kodas;Prekės pavadinimas;Aprašymas;Kaina su PVM;Nuotrauka;Nuoroda;Spalva",
        "Kod towaru;Nazwa towaru;Opis długi;Cena detaliczna brutto;Link do zdjęcia;Link do produktu;Kod kreskowy",
        "Артикул товара;Наименование товара;Полное описание;Розничная цена;Ссылка на фото;Ссылка на товар;Штрихкод",
        "Šifra izdelka;Naziv izdelka;Opis izdelka;Cena z DDV;Slika izdelka;Povezava;Znamka",
        "รหัสสินค้า;ชื่อสินค้า;รายละเอียดสินค้า;ราคาขาย;รูปสินค้า;ลิงก์;ยี่ห้อ",
        "Ürün Kodu;Ürün Başlığı;Ürün Açıklaması;Satış Fiyatı (KDV Dahil);Görsel 1;Ürün Linki;Marka",
        "Mã sản phẩm;Tên sản phẩm;Mô tả chi tiết;Giá bán lẻ;Ảnh đại diện;Đường dẫn;Thương hiệu",
        "商品貨號;商品名稱;商品說明;售價;商品圖片網址;商品網址;品牌名稱",
        "Məhsulun kodu;Məhsulun adı;Təsviri;Satış qiyməti;Şəkil;Link;İstehsalçı",
    ],
)
def test_names_of_several_words_in_many_languages(tmp_path: Path, header: str) -> None:
    rows = (
        f'A-{n};Pot {n};It "boils" water;{n}9,90;https://s.example/{n}.jpg;https://s.example/p/{n};x' for n in (1, 2)
    )
    path = write(tmp_path, "shop.csv", "\n".join((header.replace('"', '""').replace('מק""ט', '"מק""ט"'), *rows)))
    fields = dict(open_source(str(path)).fields)
    named = ("sku", "title", "description", "price", "image", "url")
    assert [fields.get(name) for name in named] == header.split(";")[:6]


@pytest.mark.parametrize(
    ("header", "price"),
    [
        ("Price ($)", (1200, "USD")),
        ("Preis in €", (1200, "EUR")),
        ("Цена, руб.", (1200, "RUB")),
        ("価格（円）", (12, "JPY")),
        ("Harga (Rp)", (1200, "IDR")),
        ("السعر (ر.س)", (1200, "SAR")),
        ("priceuah", (1200, "UAH")),
        ("Retail price (local currency)", (1200, None)),
        ("Price inc VAT", (1200, None)),
        ("PRICE ALL SIZES", (1200, None)),
    ],
)
def test_a_price_column_names_its_currency_by_a_symbol(
    tmp_path: Path, header: str, price: tuple[int, str | None]
) -> None:
    item = only(write(tmp_path, "shop.csv", f'sku;title;"{header}"\n1;a;12\n')).item
    assert (item.price_cents, item.currency) == price


@pytest.mark.parametrize(
    ("header", "price", "mapping", "currency"),
    [
        ("sku,Nombre,Precio", "$ 950", {}, None),
        ("sku,Nombre,Precio", "$950.50", {"currency": "MXN"}, "MXN"),
        ("sku,Nombre,Precio", "US$ 950", {}, "USD"),
        ("sku,Nombre,Precio", "U$ 950", {}, "USD"),
        ("sku,Nombre,Precio (USD)", "$ 950", {}, "USD"),
        ("sku,Name,Price", "$ 950", {}, "USD"),
    ],
)
def test_a_dollar_sign_under_a_spanish_name_is_of_no_country(
    tmp_path: Path, header: str, price: str, mapping: dict[str, str], currency: str | None
) -> None:
    records, _ = read(write(tmp_path, "list.csv", f"{header}\n1,Taza,{price}\n2,Vaso,{price}\n"), mapping)
    assert [record.item.currency for record in records] == [currency, currency]


def test_a_mapping_says_the_currency_of_prices_that_name_none(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "sku,title,price\n1,a,12.50\n2,b,$9\n")
    one, other = (row for row in open_source(str(path), {"currency": "eur"}).rows() if isinstance(row, Record))
    assert (one.item.price_cents, one.item.currency) == (1250, "EUR")
    assert (other.item.price_cents, other.item.currency) == (900, "USD")
    with pytest.raises(SourceError, match="no column 'XQZ'"):
        open_source(str(path), {"currency": "XQZ"})


def test_list_prices_and_barcodes_count_where_nothing_else_does(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "EAN,Shelf no,Name,UVP,Ladenpreis\n4006381333931,7,Pot,20,15\n,8,Pan,10,\n")
    (pot, pan), _ = read(path)
    assert (pot.item.sku, pot.item.price_cents, pan.item.sku, pan.item.price_cents) == ("7", 1500, "8", 1000)


def test_a_list_price_beside_a_sale_price_is_the_price(tmp_path: Path) -> None:
    item = only(write(tmp_path, "shop.csv", "sku,title,discounted_price,actual_price\n1,a,12,15\n")).item
    assert (item.price_cents, item.attributes) == (1200, {"regular_price": 15.0})


@pytest.mark.parametrize(
    ("table", "titles"),
    [
        ("Piano,Wood,Price\nBirch & Sons,Oak,900\nHalden,Oak,500\nMoor,Ash,700\n", ["Birch & Sons", "Halden", "Moor"]),
        ("Price,Brand,Desc\n2.20,A,Cucumber\n3.30,A,Melon\n", ["Cucumber", "Melon"]),
        ("Price,Brand,Desc\n2.20,A,Pepper\n3.30,B,Pepper\n1.10,B,Leek\n", ["Pepper", "Pepper", "Leek"]),
        ("Item,Desc. item,Precio\n28,ZOCALO 8X1,1311\n30,GUARDA 10X1,1638\n", ["ZOCALO 8X1", "GUARDA 10X1"]),
    ],
)
def test_titles_under_names_of_their_own(tmp_path: Path, table: str, titles: list[str]) -> None:
    assert [record.item.title for record in read(write(tmp_path, "shop.csv", table))[0]] == titles


@pytest.mark.parametrize(
    "first", ["Oak,12\nOak,15\nAsh,9", "2026-01-02,12\n2026-02-03,15\n2026-03-04,9", "Oak,12\nAsh,15"]
)
def test_a_first_column_that_tells_no_products_apart_is_no_title(tmp_path: Path, first: str) -> None:
    with pytest.raises(SourceError, match="no column that looks like a product's key"):
        open_source(str(write(tmp_path, "shop.csv", f"Wood,Price\n{first}\n")))


def test_a_table_without_keys_goes_by_its_names_and_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "Name,Price\nPot,15\nPan,10\n")
    (pot, pan), _ = read(path)
    assert (pot.item.sku, pan.item.sku, pan.item.title) == ("Pot", "Pan", "Pan")
    assert open_source(str(path)).notes == (
        "shop.csv has no column of keys: items go by Name; --map sku=COLUMN names a key.",
    )
    with pytest.raises(SourceError, match="no column that looks like a product's key"):
        open_source(str(write(tmp_path, "again.csv", "Name,Price\nPot,15\nPot,10\n")))


def test_collections_are_the_titles_of_prices_without_names(tmp_path: Path) -> None:
    rows = "Arkona;Ivory;3060;48 €\nArkona;Ivory;6060;54 €\nArkona;Grey;3060;48 €\nBelmont;Grey;3060;60 €\n"
    path = write(tmp_path, "tiles.csv", f"Gamme;Coloris;Dimension;Prix TTC\n{rows}")
    records, rejections = read(path)
    assert rejections == []
    assert [record.item.title for record in records] == ["Arkona", "Arkona", "Arkona", "Belmont"]
    assert len({record.item.sku for record in records}) == 4
    assert "items go by Gamme and, as it repeats, a digest" in open_source(str(path)).notes[0]
    (named, *_), _ = read(write(tmp_path, "named.csv", f"Gamme;Nom;Dimension;Prix TTC\n{rows}"))
    assert (named.item.title, named.item.attributes["gamme"]) == ("Ivory", "Arkona")
    with pytest.raises(SourceError, match="no column that looks like a product's key"):
        open_source(str(write(tmp_path, "sizes.csv", "Gamme;Coloris;Dimension\nArkona;Ivory;3060\nArkona;Grey;3060\n")))


def test_the_row_numbers_of_pandas_are_keys_where_nothing_else_is(tmp_path: Path) -> None:
    rows = ",name,price\n0,Pot,15\n1,Pot,10\n"
    (first, _), _ = read(write(tmp_path, "shop.csv", rows))
    assert (first.item.sku, first.item.attributes) == ("0", {})
    assert only(write(tmp_path, "keys.csv", ",sku,name\n0,A,Pot\n")).item.sku == "A"
    (first, _), _ = read(write(tmp_path, "offers.csv", ",ID oferty,Tytuł oferty\n0,123,Lampka\n1,124,Stolik\n"))
    assert first.item.sku == "123"


def test_vowels_of_hindi_and_thai_stay_in_the_names_of_attributes(tmp_path: Path) -> None:
    item = only(write(tmp_path, "shop.csv", "sku,title,श्रेणी,ยี่ห้อ\n1,a,x,y\n")).item
    assert item.attributes == {"श्रेणी": "x", "ยี่ห้อ": "y"}


def test_rows_without_the_only_barcode_go_by_their_names(tmp_path: Path) -> None:
    (book, pen), _ = read(write(tmp_path, "shop.csv", "ISBN,Name,Price\n9783161484100,Book,15\n,Pen,10\n"))
    assert (book.item.sku, pen.item.sku) == ("9783161484100", "Pen")


@pytest.mark.parametrize("name", ["상품명", "Product name", "Наименование", "Nama produk"])
def test_a_single_column_of_names_is_title_and_key(tmp_path: Path, name: str) -> None:
    records, rejections = read(write(tmp_path, "stock.csv", f"{name}\nSoap (mild\nTooth brush\nPlaster 3M\n"))
    assert rejections == []
    assert [(each.item.sku, each.item.title) for each in records] == [
        (each, each) for each in ("Soap (mild", "Tooth brush", "Plaster 3M")
    ]


def test_columns_of_a_fixed_width_are_no_names(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no column that looks like a product's key"):
        open_source(
            str(write(tmp_path, "shop.txt", "SKU    NAME     PRICE\nA-1    Mug      12.50\nA-2    Pan      20.00\n"))
        )


@pytest.mark.parametrize(
    ("table", "sku", "title"),
    [
        ("Produit,Prix\nSavon,6€50\nBougie,12€\n", "Savon", "Savon"),
        ("Artikel,Omschrijving,Prijs\n8711,Fiets,499\n8712,Bel,9\n", "8711", "Fiets"),
        ("Product,Price,Link\nMug,9,https://s.example/1\nMug,8,https://s.example/2\n", "https://s.example/1", "Mug"),
        ("款号,款名,吊牌价,零售价\nK1,连衣裙,599,9\nK2,衬衫,299,199\n", "K1", "连衣裙"),
    ],
)
def test_what_serves_as_a_key(tmp_path: Path, table: str, sku: str, title: str) -> None:
    (first, _), _ = read(write(tmp_path, "shop.csv", table))
    assert (first.item.sku, first.item.title, first.item.price_cents in (650, 49900, 900)) == (sku, title, True)


def test_galleries_are_images_and_variants_may_be_json(tmp_path: Path) -> None:
    variants = '"[{""sku"":""A-S"",""size"":""S""},{""sku"":""A-M"",""size"":""M""}]"'
    table = f"SKU,Title,Featured Image,Product Gallery,variants\nA,Mug,1.jpg,2.jpg|3.jpg,{variants}\n"
    record = only(write(tmp_path, "wp.csv", table))
    assert (len(record.images), [each.sku for each in record.item.variants]) == (3, ["A-S", "A-M"])


def test_a_list_price_fills_in_where_the_selling_price_is_empty(tmp_path: Path) -> None:
    table = "Artikelnummer;Productnaam;Adviesprijs;Verkoopprijs\nA;Mug;12,90;9,90\nB;Pan;19,90;\n"
    (mug, pan), _ = read(write(tmp_path, "shop.csv", table))
    assert (mug.item.price_cents, pan.item.price_cents) == (990, 1990)


@pytest.mark.parametrize(
    ("header", "cents"),
    [("SKU,Name,Net,Gross", 1210), ("SKU,Name,Net (kg),Gross (kg)", None), ("ARTNR,ARTBEZ1,EKP,VKP1", 1210)],
)
def test_short_names_of_prices(tmp_path: Path, header: str, cents: int | None) -> None:
    item = only(write(tmp_path, "shop.csv", f"{header}\nA,Mug,10.00,12.10\n")).item
    assert (item.title, item.price_cents) == ("Mug", cents)


def test_a_column_of_currency_codes_is_the_currency(tmp_path: Path) -> None:
    first, second = read(write(tmp_path, "sap.csv", "MATNR;MAKTX;KBETR;KONWA\n1;Bolt;12,50;EUR\n2;Nut;1,50;CHF\n"))[0]
    assert (first.item.currency, second.item.currency, first.item.attributes) == ("EUR", "CHF", {})


def test_a_line_of_totals_is_no_product(tmp_path: Path) -> None:
    records, (total,) = read(write(tmp_path, "shop.csv", "sku,title,price,qty\nA,Mug,9,4\nTOTAL,,18,9\n"))
    assert ([each.item.sku for each in records], total.reason) == (["A"], "The row is a total and no product.")


def test_what_the_shop_paid_is_no_price(tmp_path: Path) -> None:
    table = "Art_Nr;Art_Bez;EKPreis;Preis1_Brutto;Herst_Name\n1;Stuhl;110,00;249,00;Sitz AG\n"
    item = only(write(tmp_path, "shop.csv", table)).item
    assert (item.title, item.price_cents, item.attributes) == ("Stuhl", 24900, {"herst_name": "Sitz AG"})
    item = only(
        write(tmp_path, "xero.csv", "*ItemCode,ItemName,PurchasesUnitPrice,SalesUnitPrice\nA,Lamp,20,49.95\n")
    ).item
    assert (item.price_cents, item.attributes) == (4995, {})
    item = only(write(tmp_path, "erp.csv", "CÓDIGO;DESCRIPCIÓN;P.V.P.;COSTE\nA;Taladro;79,95;41,20\n")).item
    assert (item.title, item.price_cents, item.attributes) == ("Taladro", 7995, {})


@pytest.mark.parametrize(
    ("table", "sku", "title"),
    [
        ("Item,Description,Price (CHF)\nL-1,Lamp brass,149\nL-2,Lamp steel,129\n", "L-1", "Lamp brass"),
        ("ITEM;DESCRIPTION;SUPP REF;PRICE\nR10;Rope 8 mm;C-7;2\nR12;Rope 10 mm;C-9;3\n", "R10", "Rope 8 mm"),
        ("Artikel;Name;Preis\n1;Rot;9\n2;Blau;8\n", "1", "Rot"),
        ("identifier,name,price,ean_code\nA,Drill,9,31\nB,Saw,8,\n", "A", "Drill"),
        ("Name,Code,PartNumber,Price\nDrill,A,PN-1,9\nSaw,B,PN-2,8\n", "A", "Drill"),
        ("XTSOL,p_id,p_price,p_tax,p_name.de,p_name.en\nX,1,9,1,Tasse,Mug\nX,2,9,1,Topf,Pot\n", "1", "Mug"),
    ],
)
def test_which_column_is_the_key_and_which_the_title(tmp_path: Path, table: str, sku: str, title: str) -> None:
    (first, _), _ = read(write(tmp_path, "shop.csv", table))
    assert (first.item.sku, first.item.title) == (sku, title)


@pytest.mark.parametrize(
    ("header", "title", "description", "price"),
    [
        ("ArtNo|Descr1|LongTxt|NetPr", "Descr1", "LongTxt", "NetPr"),
        ("No_|Description|Description 2|Unit Price", "Description", "Description 2", "Unit Price"),
        ("Material|Materialkurztext|Grunddatentext|Preis", "Materialkurztext", "Grunddatentext", "Preis"),
        ("Art.-Nr.|Kurztext|Langtext|VK-Preis", "Kurztext", "Langtext", "VK-Preis"),
        ("Artikel|Bezeichnung 1|Bezeichnung 2|VK-Preis 1", "Bezeichnung 1", "Bezeichnung 2", "VK-Preis 1"),
        ("ArtNr|KuBez1|KuBez2|VkPr", "KuBez1", "KuBez2", "VkPr"),
        ("ITMREF|ITMDES1|ITMDES2|BASPRI", "ITMDES1", "ITMDES2", "BASPRI"),
        ("LITM|DSC1|DSC2|UPRC", "DSC1", "DSC2", "UPRC"),
        ("StkCd|StkDesc|LngDesc|SellPr", "StkDesc", "LngDesc", "SellPr"),
        ("ItmNo|LngTxt|ItmDescr|RRP Inc", "ItmDescr", "LngTxt", "RRP Inc"),
        ("ID|F2|Descr|F3", "Descr", "", ""),
        ("ID|F2|F3|F4", "F2", "", ""),
        ("ID|Brand|Colour|F4", "", "", ""),
    ],
)
def test_columns_of_erps(header: str, title: str, description: str, price: str) -> None:
    names = header.split("|")
    cells = [["10", "Wood screw 4x40", "Yellow passivated", "5.49"], ["11", "Hex bolt M8x50", "", "6.90"]]
    if names.index(title or "ID") == 2:  # what is long comes before what is short
        cells = [[key, long, short, price] for key, short, long, price in cells]
    rows = [dict(zip(names, row, strict=True)) for row in cells]
    columns = choose_columns(names, {}, source="erp.tsv", sample=lambda: rows)
    found = [columns.fields.get(name, ("",))[0] for name in ("sku", "title", "description", "price")]
    assert found == [names[0], title, description, price]


def test_extra_images_and_addresses_of_pages(tmp_path: Path) -> None:
    table = "sku,name,image,image_extra_1,ITEM PAGE URL\nA,Mug,1.jpg,2.jpg,https://s.example/1\n"
    record = only(write(tmp_path, "shop.csv", table))
    assert (len(record.images), record.item.url) == (2, "https://s.example/1")


@pytest.mark.parametrize(
    ("header", "cents"),
    [
        ("SKU,PRODUCT_NAME,PRICE_RETAIL,PRICE_CURRENT", 1000),
        ("product_id,product_name,regular_retail,current_retail", 1000),
        ("id,name,prices.amountMax,prices.amountMin", 1000),
        ("Art.-Nr.,Artikel,UVP inkl. MwSt.,Händler-EK", 2000),
    ],
)
def test_which_of_two_prices_counts(tmp_path: Path, header: str, cents: int) -> None:
    item = only(write(tmp_path, "shop.csv", f"{header}\nA,Mug,20,10\n")).item
    assert (item.title, item.price_cents) == ("Mug", cents)


def test_a_key_that_the_shop_does_not_fill_in(tmp_path: Path) -> None:
    records, rejections = read(write(tmp_path, "shop.csv", "SKU,Name,Price\nA,Mug,9\n,Cup,8\n,Pan,7\n"))
    assert ([each.item.sku for each in records], rejections) == (["A", "Cup", "Pan"], [])
    assert len(read(write(tmp_path, "shop.csv", "SKU,Name,Price\n,Mug,9\n,Mug,8\n"))[1]) == 2


def test_short_descriptions_over_two_lines_are_titles(tmp_path: Path) -> None:
    rows = "".join(f"{n};Cable {n};4,79\n" for n in range(10))
    records, _ = read(
        write(tmp_path, "list.csv", f'CODIGO;DESCRIPCION;PRECIO\n{rows}A;"Adapter 3 plugs\n110V white";8,44\n')
    )
    assert (records[0].item.title, records[-1].item.title) == ("Cable 0", "Adapter 3 plugs 110V white")


def test_a_line_of_totals_without_a_key_leaves_the_key(tmp_path: Path) -> None:
    records, (total,) = read(
        write(tmp_path, "list.csv", "Nr.;Artikelbezeichnung;VK\nA-1;Vase;19,90\nA-2;Schale;9,50\n;Summe;29,40\n")
    )
    assert ([each.item.sku for each in records], total.reason) == (["A-1", "A-2"], "The row has no sku: Nr. is empty.")


@pytest.mark.parametrize(
    ("header", "cents"),
    [
        ("商品コード,商品名,単位,単価", 250),
        ("商品コード,商品名,仕入単価,標準単価", 250),
        ("codigo;descripcion;pcompra;pventa", 250),
        ("Código;Descrição;Custo Unitário;Venda Unitário", 250),
        ("Kod towaru;Nazwa artykułu;Opis;Cena netto katalogowa", 250),
        ("Codice;Descrizione;Pz/conf;Prezzo netto", 250),
        ("Art.-Nr.;Bezeichnung;Label;Euro", 250),
        ("SKU;Nombre;Peso neto;Margen", None),
    ],
)
def test_more_names_of_prices(tmp_path: Path, header: str, cents: int | None) -> None:
    mark = ";" if ";" in header else ","
    item = only(write(tmp_path, "shop.csv", f"{header}\n{mark.join(['A-1', 'Cup', '1', '2.50'])}\n")).item
    assert (item.sku, item.title, item.price_cents) == ("A-1", "Cup", cents)


def test_what_the_shop_paid_in_more_languages_is_no_attribute(tmp_path: Path) -> None:
    names = "EK (EUR),costoPromedio,Custo (R$),Custo Unitário,Valor Custo,pcompra,закупка,Alış Fiyatı,원가,Costa"
    cells = ",".join("4" * names.count(","))
    item = only(write(tmp_path, "shop.csv", f"sku,title,{names}\nA,Cup,{cells},Brava\n")).item
    assert item.attributes == {"costa": "Brava"}


def test_of_several_prices_with_their_currencies_the_first_counts(tmp_path: Path) -> None:
    product = (
        "<urun><StokKodu>{}</StokKodu><StokAdi>{}</StokAdi><Havale>0,00</Havale><HavaleParaBirimi>TL</HavaleParaBirimi>"
        "<SatisFiyati1>45,5000</SatisFiyati1><SatisFiyati1ParaBirimi>EURO</SatisFiyati1ParaBirimi>"
        "<AlisFiyati>-10,0000</AlisFiyati><UrunId>{}</UrunId></urun>"
    )
    feed = f"<root>{product.format('A1', 'Fincan', 20)}{product.format('A2', 'Tabak', 21)}</root>"
    cup, _ = read(write(tmp_path, "urunler.xml", feed))[0]
    assert (cup.item.sku, cup.item.title) == ("A1", "Fincan")
    assert (cup.item.price_cents, cup.item.currency) == (4550, "EUR")
    assert "alis_fiyati" not in cup.item.attributes


@pytest.mark.parametrize(
    ("table", "skus"),
    [
        ("name,link,kind\n,https://s.example/cup,a\n,https://s.example/pan,b\n,https://s.example/cup,a\n", 2),
        ("name,price\nA red cup,9\nA cup,4\nA red cup,9\n", 2),
        (f"name,price\n{'A long name of a cup ' * 4},9\nCup,4\n", 2),
        ("Titel,Preis,Herkunft\nKohl,2,Kiel\nKohl,3,Husum\nRübe,2,Kiel\nDill,1,Kiel\nLauch,4,Kiel\n", 4),
        ("바코드,상품코드,상품명,옵션,판매가\n,,꽃다발,대,50000\n,,꽃다발,소,30000\n,,화분,,20000\n", 2),
        ("nome,preco,imagem\nTrança,200,a.png\n", 1),
    ],
)
def test_tables_without_keys_whose_names_come_again(tmp_path: Path, table: str, skus: int) -> None:
    source = open_source(str(write(tmp_path, "shop.csv", table)))
    found = [row.item.sku for row in source.rows() if isinstance(row, Record)]
    assert len({*found}) == skus
    assert "has no column of keys" in source.notes[-1]


def test_rows_of_sales_have_no_key(tmp_path: Path) -> None:
    table = "name,price\nCup,9\nCup,8\nPan,9\nCup,7\nPan,5\n"
    with pytest.raises(SourceError, match="no column that looks like a product's key"):
        open_source(str(write(tmp_path, "sales.csv", table)))


def test_the_remedy_names_a_column(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as error:
        open_source(str(write(tmp_path, "sales.csv", ",name,price\n,Cup,9\n,Cup,8\n,Cup,7\n")))
    assert error.value.remedy is not None
    assert error.value.remedy.endswith("--map sku=name")


def test_addresses_of_images_are_no_addresses_of_pages(tmp_path: Path) -> None:
    table = "id,url,caption\n1,https://i.example/1_n.jpg?x=1,A bag\n2,https://i.example/2_n.jpg?x=2,A coat\n"
    bag, _ = read(write(tmp_path, "shots.csv", table))[0]
    assert (bag.item.url, [each.url for each in bag.images]) == (None, ["https://i.example/1_n.jpg?x=1"])


@pytest.mark.parametrize("name", ["url", "링크"])
def test_addresses_at_hosts_of_images_are_images(tmp_path: Path, name: str) -> None:
    address = "https://shopimg2.store.example/17{}/still"
    table = f"id,{name},caption\n1,{address.format(1)},A bag\n2,{address.format(2)},A coat\n"
    bag, _ = read(write(tmp_path, "shots.csv", table))[0]
    assert (bag.item.url, [each.url for each in bag.images]) == (None, [address.format(1)])
    pages = table.replace("shopimg2.", "imgshop.")
    bag, _ = read(write(tmp_path, "pages.csv", pages))[0]
    assert (bag.item.url, bag.images) == (address.format(1).replace("shopimg2.", "imgshop."), ())


@pytest.mark.parametrize("names", ["resim,resim1,resim2", "main_image,all_images,note", "Foto,Foto 2,Foto 3"])
def test_images_with_a_number_or_all_of_them(tmp_path: Path, names: str) -> None:
    cells = '"https://i.example/1.jpg","https://i.example/1.jpg; https://i.example/2.jpg",""'
    item = only(write(tmp_path, "shop.csv", f"sku,title,{names}\nA,Cup,{cells}\n"))
    assert [each.url for each in item.images] == ["https://i.example/1.jpg", "https://i.example/2.jpg"]


def test_folders_of_1c_are_no_products(tmp_path: Path) -> None:
    table = "ЭтоГруппа;Код;Наименование;Цена\nИСТИНА;G1;Посуда;\nЛОЖЬ;A1;Чашка;90\n"
    records, (group,) = read(write(tmp_path, "1c.csv", table))
    assert ([each.item.sku for each in records], group.reason) == (
        ["A1"],
        "The row is a group of products and no product.",
    )


def test_a_price_of_zero_gives_way_to_one_that_says_more(tmp_path: Path) -> None:
    table = "SKU,Name,NewPrice,OriginalPrice\nA,Milk,0.00,1.39\nB,Butter,0.99,1.19\nC,Sample,0.00,0.00\n"
    records, _ = read(write(tmp_path, "shop.csv", table))
    assert [each.item.price_cents for each in records] == [139, 99, 0]


def test_addresses_of_models_are_no_pages(tmp_path: Path) -> None:
    table = "id,name,modelUrl\n1,Burger,https://i.example/b.glb\n2,Fries,https://i.example/f.glb\n"
    assert read(write(tmp_path, "menu.csv", table))[0][0].item.url is None


@pytest.mark.parametrize(
    ("table", "skus"),
    [
        ("name,price,material\nOak chair,50,Oak wood\nWool rug,80,Wool\n", ["Oak chair", "Wool rug"]),
        ("material,menge\nM-100,4\nM-200,5\n", ["M-100", "M-200"]),
        ("name,key_ingredients\nMild soap,Aloe\nRich cream,Shea\n", ["Mild soap", "Rich cream"]),
        ("name,item_key\nMild soap,k1\nRich cream,k2\n", ["k1", "k2"]),
    ],
)
def test_what_products_are_made_of_is_no_key(tmp_path: Path, table: str, skus: list[str]) -> None:
    assert [record.item.sku for record in read(write(tmp_path, "a.csv", table))[0]] == skus


def test_what_a_supplier_asks_is_neither_price_nor_attribute(tmp_path: Path) -> None:
    table = "sku,name,supplier_price,coste,total,stockmax,details\n1,Ring,4.10,4.10,8.20,5,Thin and light\n"
    item = only(write(tmp_path, "a.csv", table)).item
    assert (item.price_cents, item.attributes, item.description) == (None, {}, "Thin and light")


def test_a_currency_under_its_abbreviation(tmp_path: Path) -> None:
    item = only(write(tmp_path, "a.csv", 'stockCode,label,Fiyat,currencyAbbr\nK1,Kravat,"477,25",TL\n')).item
    assert (item.title, item.price_cents, item.currency) == ("Kravat", 47_725, "TRY")


@pytest.mark.parametrize(
    ("header", "price"),
    [
        ("sku;name;Preis 2024;Preis 2025", "Preis 2025"),
        ("sku;name;Preis 2025;Preis 2024", "Preis 2025"),
        ("sku;name;Preis 2025;Preis 2090", "Preis 2025"),  # which does not hold yet
        ("sku;name;MRP_JAN2026;MRP_JUL2026", "MRP_JUL2026"),
        ("sku;name;Preis Laden;Preis 2025", "Preis Laden"),
        ("sku;name;Prix Pro;Prix Boutique", "Prix Boutique"),
    ],
)
def test_of_prices_of_several_years_the_latest_counts(tmp_path: Path, header: str, price: str) -> None:
    path = write(tmp_path, "a.csv", f"{header}\n1;Hammer;10,00;11,00\n2;Zange;12,00;13,00\n")
    assert open_source(str(path)).fields["price"] == price


def test_what_resellers_pay_is_no_attribute(tmp_path: Path) -> None:
    table = "sku,nom,Prix Pro,Prix Boutique,precio_mayorista\n1,Carnet,2.95,5.90,2.50\n"
    item = only(write(tmp_path, "a.csv", table)).item
    assert (item.price_cents, item.attributes) == (590, {})


def test_the_name_of_a_product_is_its_title_and_not_its_line(tmp_path: Path) -> None:
    item = only(write(tmp_path, "a.csv", "SKU;Produkt;Nazwa\n1;Perla;Perla - noga stołu\n")).item
    assert (item.title, item.attributes) == ("Perla - noga stołu", {"produkt": "Perla"})


def test_further_images_by_words_of_other_languages(tmp_path: Path) -> None:
    table = "kod,nazwa,zdjecie,zdjecie_dodatkowe_1,zdjecie_dodatkowe_2\n1,Lampa,a.jpg,b.jpg,c.jpg\n"
    assert open_source(str(write(tmp_path, "a.csv", table))).fields["image"] == (
        "zdjecie,zdjecie_dodatkowe_1,zdjecie_dodatkowe_2"
    )


def test_short_descriptions_serve_as_keys_and_titles_where_there_are_no_others(tmp_path: Path) -> None:
    table = "description,category,price\nROPE CHAIN 50CM,CHAINS,125\nPLAIN RING,RINGS,89\n"
    chain, _ = [record.item for record in read(write(tmp_path, "list.csv", table))[0]]
    assert (chain.sku, chain.title, chain.description) == ("ROPE CHAIN 50CM", "ROPE CHAIN 50CM", "")


def test_what_a_shop_earns_is_no_attribute(tmp_path: Path) -> None:
    table = "SKU,Nombre,Precio Venta,Margen %,Marge brute,Наценка,Margen inferior\nA,Cola,150.00,46.7%,70,30,2 cm\n"
    assert only(write(tmp_path, "pos.csv", table)).item.attributes == {"margen_inferior": "2 cm"}


def test_sizes_of_things_are_no_keys(tmp_path: Path) -> None:
    table = "page,productName,itemDimDesc,itemWeight\nx,Teak bench,47 x 24,49.1\ny,Steel bench,50 x 24,51.5\n"
    assert [record.item.sku for record in read(write(tmp_path, "list.csv", table))[0]] == ["Teak bench", "Steel bench"]


@pytest.mark.parametrize(
    ("kinds", "skus"),
    [("2594000002 2594000003", ["2594000002", "2594000003"]), ("Hose Jacke", ["Cargo", "Parka"])],
)
def test_art_is_a_number_or_a_kind(tmp_path: Path, kinds: str, skus: list[str]) -> None:
    first, second = kinds.split()
    table = f"title,price,art\nCargo,70,{first}\nParka,90,{second}\n"
    assert [record.item.sku for record in read(write(tmp_path, "list.csv", table))[0]] == skus


def test_korean_titles_and_prices(tmp_path: Path) -> None:
    table = '제목,설명,정가,할인가\nDesk lamp,밝은 램프,"18,520원","할인가: 16,668원"\nMug,머그컵,"9,000원",\n'
    lamp, mug = [record.item for record in read(write(tmp_path, "list.csv", table))[0]]
    assert [(each.title, each.price_cents, each.currency) for each in (lamp, mug)] == [
        ("Desk lamp", 16668, "KRW"),
        ("Mug", 9000, "KRW"),
    ]


def test_a_price_of_zero_gives_way_to_the_real_price(tmp_path: Path) -> None:
    assert only(write(tmp_path, "shop.csv", "sku,name,price,realPrice\n1,Hat,0.0,0.88\n")).item.price_cents == 88


def test_a_column_of_prices_that_is_0_in_every_row_gives_way_to_one_with_amounts(tmp_path: Path) -> None:
    table = "sku,name,Price-Offer-Price,Price-Next-Price,Price-Till-Price\n1,Bun,0.00,,1.20\n2,Pie,{},,3.40\n"
    bun, pie = [record.item for record in read(write(tmp_path, "till.csv", table.format("0.00")))[0]]
    assert (bun.price_cents, pie.price_cents) == (120, 340)
    bun, pie = [record.item for record in read(write(tmp_path, "till.csv", table.format("2.90")))[0]]
    assert (bun.price_cents, pie.price_cents) == (0, 290)  # the next one may be of anything


@pytest.mark.parametrize(
    "name",
    [
        *("weekly rental price", "Mietpreis", "installation price", "price with assembly", "deposit price"),
        *(
            "delivery price",
            "Prix de location",
            "precio instalación",
            "prezzo noleggio",
            "cena montażu",
            "цена доставки",
        ),
    ],
)
def test_what_is_paid_for_a_rent_or_a_service_is_no_price_of_the_thing(tmp_path: Path, name: str) -> None:
    table = f"sku,title,offer,{name},till price\n1,Gate,0,40,\n2,Tent,0,50,\n"
    assert [each.item.price_cents for each in read(write(tmp_path, "shop.csv", table))[0]] == [0, 0]
    table = f"sku,title,{name},till price\n1,Gate,40,90\n2,Tent,50,80\n"
    assert [each.item.price_cents for each in read(write(tmp_path, "shop.csv", table))[0]] == [9000, 8000]


def test_a_title_is_guessed_as_the_key_that_is_missing(tmp_path: Path) -> None:
    table = "page,제목,price\n1,Lamp,9\n,,\n1,Lamp,8\n,,3\n"
    with pytest.raises(SourceError) as error:
        read(write(tmp_path, "list.csv", table))
    assert error.value.remedy.endswith("--map sku=제목")


def test_names_of_one_word_stay_titles_beside_short_descriptions(tmp_path: Path) -> None:
    table = "Nombre,Precio,Descripción\nGuantes,100,Par\nLimas,250,Unidad\nCinta roja,90,Por metro\n"
    gloves = read(write(tmp_path, "list.csv", table))[0][0].item
    assert (gloves.sku, gloves.title, gloves.description) == ("Guantes", "Guantes", "Par")


def test_a_title_that_no_row_has_gives_way_to_a_short_description(tmp_path: Path) -> None:
    table = (
        "Código;Descrição;Preço;nome;Descrição Curta\nA1;BANDAGEM 5 CM;20,24;;<p>Preta</p>\nA2;BOBINA 120 MM;35,16;;\n"
    )
    bandage, coil = [record.item for record in read(write(tmp_path, "erp.csv", table))[0]]
    assert [(each.title, each.description) for each in (bandage, coil)] == [
        ("BANDAGEM 5 CM", "Preta"),
        ("BOBINA 120 MM", ""),
    ]


def test_a_prefix_of_most_columns_and_a_numbered_net_price(tmp_path: Path) -> None:
    table = "tw_Id,tw_Symbol,tw_Nazwa,tw_Opis,tc_CenaNetto7\n3,CR-WHI,Skuter biały 60V,,1190.0\n4,CR-RED,Skuter czerwony,,920.0\n"
    scooter = read(write(tmp_path, "gt.csv", table))[0][0].item
    assert (scooter.sku, scooter.title, scooter.price_cents) == ("CR-WHI", "Skuter biały 60V", 119000)


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("SKU;DESCRIPCION;COSTO;VENTA;IVA %", "VENTA"),
        ("SKU;Nome;Price List ID;Price 1;Price 2", "Price 1"),
        ("SKU;Name;Cost;Price (UYU);Old price (UYU)", "Price (UYU)"),
    ],
)
def test_which_amount_is_the_price(tmp_path: Path, header: str, column: str) -> None:
    source = open_source(str(write(tmp_path, "shop.csv", f"{header}\nA-1;Camera;16;21.50;21\nA-2;Lens;16;9.00;21\n")))
    assert source.fields["price"] == column


def test_a_currency_in_brackets_behind_a_name(tmp_path: Path) -> None:
    record = only(write(tmp_path, "shop.csv", "ID,Nombre,Precio (UYU),Precio antes (UYU)\n1,Perfume,4590,5100\n"))
    assert (record.item.price_cents, record.item.currency) == (459000, "UYU")


def test_texts_that_differ_are_titles_where_no_name_says_so(tmp_path: Path) -> None:
    table = (
        "Категория;Модель;Цена;Доставка\nКомпьютеры;AMD 145/2/500 450 Вт;505;Бесплатная\n"
        "Компьютеры;AMD 245/4/500 450 Вт;685;Бесплатная\n"
    )
    computer, _ = [record.item for record in read(write(tmp_path, "feed.csv", table))[0]]
    assert (computer.sku, computer.title, computer.price_cents) == ("AMD 145/2/500 450 Вт",) * 2 + (50500,)


@pytest.mark.parametrize(("models", "sku"), [(("D1-WH", "S2-WH"), "D1-WH"), (("Pro 12", "Pro 13"), "Wall socket")])
def test_models_are_keys_where_they_are_codes(tmp_path: Path, models: tuple[str, str], sku: str) -> None:
    table = f"name,model,price\nWall socket,{models[0]},0.78\nFloor socket,{models[1]},0.68\n"
    assert read(write(tmp_path, "shop.csv", table))[0][0].item.sku == sku


def test_columns_called_by_languages_hold_the_titles(tmp_path: Path) -> None:
    table = "model\tru\ten\tpriceUsd\nD1-WH\tОдна розетка\tOne socket\t0,783\nM2-WH\tДве розетки\t\t0,544\n"
    one, two = [record.item for record in read(write(tmp_path, "list.tsv", table))[0]]
    assert [(each.sku, each.title) for each in (one, two)] == [("D1-WH", "One socket"), ("M2-WH", "Две розетки")]


@pytest.mark.parametrize("name", ["kapak", "Okładka", "Обложка", "封面", "front cover"])
def test_a_column_of_covers_holds_images_where_its_values_are_addresses(tmp_path: Path, name: str) -> None:
    rows = ["1,The Salt Road,https://s.example/c?id=1", "2,Tide Tables,https://s.example/c?id=2", "3,Low Water,"]
    records, _ = read(write(tmp_path, "books.csv", "\n".join([f"sku,title,{name}", *rows])))
    assert [len(record.images) for record in records] == [1, 1, 0]
    records, _ = read(write(tmp_path, "books.csv", f"sku,title,{name}\n1,The Salt Road,hard\n2,Tide Tables,soft\n"))
    assert [[*record.item.attributes.values()] for record in records] == [["hard"], ["soft"]]
    assert not any(record.images or record.problems for record in records)


def test_detail_images_are_further_ones(tmp_path: Path) -> None:
    table = 'sku,title,Image,Detail Image\n1,Lip tint,a.jpg,"details/1.png,details/2.png"\n'
    assert len(only(write(tmp_path, "shop.csv", table)).images) == 3


def test_images_under_the_name_of_an_address_count_where_no_row_fills_their_own_column(tmp_path: Path) -> None:
    table = "title,price,product_url,image_path\nBlush,$25.00,./a/0.jpg\nHighlighter,$38.00,./a/1.jpg\n"
    records, _ = read(write(tmp_path, "shop.csv", table))
    assert [(len(record.images), record.item.url) for record in records] == [(1, None), (1, None)]


def test_descriptions_that_repeat_are_no_titles_where_another_column_has_them(tmp_path: Path) -> None:
    lamps = ["1,BRIGHT SUN (H4),Headlight", "2,BRIGHT SUN (H3),Headlight", "3,NIGHT OWL (H7),Headlight"]
    records, _ = read(write(tmp_path, "lamps.csv", "\n".join(["number,version,description", *lamps])))
    assert [record.item.title for record in records] == ["BRIGHT SUN (H4)", "BRIGHT SUN (H3)", "NIGHT OWL (H7)"]
    assert records[0].item.attributes == {"description": "Headlight"}
    plain = ["1,A-1,Headlight", "2,A-2,Headlight", "3,A-3,Headlight"]
    records, _ = read(write(tmp_path, "lamps.csv", "\n".join(["number,version,description", *plain])))
    assert records[0].item.title == "Headlight"


def test_a_net_price_of_0_in_every_row_is_none(tmp_path: Path) -> None:
    table = "sku,title,purchase_price,netto\nA,Belt,3.74,{}\nB,Bracket,,0\n"
    belt, _ = [record.item for record in read(write(tmp_path, "parts.csv", table.format(0)))[0]]
    assert (belt.price_cents, dict(belt.attributes)) == (None, {"netto": 0})
    belt, _ = [record.item for record in read(write(tmp_path, "parts.csv", table.format(9.5)))[0]]
    assert (belt.price_cents, dict(belt.attributes)) == (950, {})


def test_a_subtitle_or_information_describes_where_nothing_else_does(tmp_path: Path) -> None:
    table = "sku,title,subtitle,price\n1,Mug,Fired twice,9\n2,Jug,With a lid,19\n"
    assert read(write(tmp_path, "shop.csv", table))[0][0].item.description == "Fired twice"
    table = table.replace("price", "description").replace(",9\n", ",Holds 300 ml\n")
    mug = read(write(tmp_path, "shop.csv", table))[0][0].item
    assert (mug.description, mug.attributes) == ("Holds 300 ml", {"subtitle": "Fired twice"})
    table = "clave,descripcion,informacion\n1,Taladro,Con dos brocas\n2,Sierra,Para madera\n"
    drill = read(write(tmp_path, "shop.csv", table))[0][0].item
    assert (drill.title, drill.description) == ("Taladro", "Con dos brocas")
    table = "sku,title,short_description,plot\n1,The Mug,,A mug gets lost.\n2,The Jug,A film,It is found.\n"
    films = [record.item for record in read(write(tmp_path, "films.csv", table))[0]]
    assert [film.description for film in films] == ["A mug gets lost.", "A film"]
    assert films[1].attributes == {"plot": "It is found."}


def test_titles_that_repeat_at_one_price_are_products(tmp_path: Path) -> None:
    rows = ["Ridge tent,120,2", "Ridge tent,120,3", "Bell tent,300,4", "Bell tent,300,5", "Tarp,40,2", "Tarp,40,2"]
    records, rejections = read(write(tmp_path, "tents.csv", "\n".join(["name,price,people", *rows])))
    assert [(each.item.sku, each.item.price_cents) for each in records][:2] == [
        ("Ridge tent", 12000),
        ("Bell tent", 30000),
    ]
    assert records[0].item.attributes == {"people": (2, 3)}
    assert not rejections
    with pytest.raises(SourceError):
        read(write(tmp_path, "tents.csv", "name,people\nA,1\nA,2\nB,1\nB,2\n"))


def test_titles_that_repeat_go_with_what_else_their_rows_say(tmp_path: Path) -> None:
    rows = ["Cup,9,Glazed twice", "Cup,7,Left raw", "Bowl,12,Wide", "Cup,9,Glazed twice"]
    path = write(tmp_path, "shop.csv", "\n".join(["name,price,details", *rows]))
    records, rejections = read(path)
    skus = [each.item.sku for each in records]
    assert (len({*skus}), skus[0], rejections) == (3, skus[3], [])
    assert re.fullmatch("Cup [0-9a-f]{8}", skus[0])
    assert [each.item.title for each in records] == ["Cup", "Cup", "Bowl", "Cup"]
    assert "items go by name and, as it repeats, a digest of what else" in open_source(str(path)).notes[0]
    later = ["Cup,5,With a lid", *rows[::-1]]
    more = read(write(tmp_path, "more.csv", "\n".join(["name,price,details", *later]).replace("Cup,9", "Cup,8")))[0]
    assert {*skus} < {each.item.sku for each in more}


def test_rows_with_other_options_are_items_however_often_their_titles_repeat(tmp_path: Path) -> None:
    table = "name,size,price\n" + "".join(f"Tee {name},{size},9\n" for name in "AB" for size in ("S", "M", "L", "XL"))
    assert len({each.item.sku for each in read(write(tmp_path, "tees.csv", table))[0]}) == 8
    with pytest.raises(SourceError, match="product's key"):
        read(write(tmp_path, "sales.csv", table.replace("size", "till")))
    with pytest.raises(SourceError):
        read(write(tmp_path, "none.csv", "name,size,price\n"))


def test_a_stray_comma_before_a_title_is_no_part_of_it(tmp_path: Path) -> None:
    assert only(write(tmp_path, "shop.csv", 'sku,title,price\n1,"  ,\n  Desk lamp",9\n')).item.title == "Desk lamp"


RATED = """\
name,rating,price,kupon
Straw hat,Straw hat,(1),"321,13 TL"
Felt hat,Felt hat,(14),"319,99 TL"
Cap,Cap,(10),"99,00 TL"
"""


def test_money_in_one_other_column_is_the_price_where_the_one_called_so_has_none(tmp_path: Path) -> None:
    path = write(tmp_path, "hats.csv", RATED)
    records, _ = read(path)
    assert [(each.item.price_cents, each.item.currency) for each in records][:2] == [(32113, "TRY"), (31999, "TRY")]
    assert "price" not in records[0].item.attributes
    note = "hats.csv: nothing in price is a price as it stands, and it is left out; prices are read from kupon."
    assert note in open_source(str(path)).notes


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("kupon", "shipping cost"),
        ("(14)", "14"),
        ('"99,00 TL"', "none"),
        ("Straw hat,Straw hat", "Straw hat,10 TL"),
    ],
)
def test_a_price_that_is_none_gives_way_to_nothing_that_may_be_another_amount(
    tmp_path: Path, old: str, new: str
) -> None:
    table = RATED.replace(old, new)
    if "10 TL" in new:
        table = table.replace("Felt hat,Felt hat", "Felt hat,12 TL").replace("Cap,Cap", "Cap,9 TL")
    source = open_source(str(write(tmp_path, "hats.csv", table)))
    assert source.fields["price"] == "price"


def test_a_guarantee_of_the_price_and_the_price_with_a_plan_are_no_prices(tmp_path: Path) -> None:
    table = "sku,title,lowPriceGuarantee,planPrice,regularPrice\n1,Phone,true,1,99.5\n2,Cable,false,,9\n"
    phone = read(write(tmp_path, "shop.csv", table))[0][0].item
    assert (phone.price_cents, phone.attributes["plan_price"]) == (9950, 1)


PENCE = """\
sku,title,price,{}
A,Clogs,4500,£45.00
B,Boots,3250,Now £32.50
C,Laces,,
"""


def test_whole_pence_give_way_to_the_same_price_with_its_currency(tmp_path: Path) -> None:
    path = write(tmp_path, "shoes.csv", PENCE.format("price text"))
    records, _ = read(path)
    assert [(each.item.price_cents, each.item.currency) for each in records] == [
        (4500, "GBP"),
        (3250, "GBP"),
        (None, None),
    ]
    assert records[0].item.attributes == {}
    assert any("prices are read from price text" in note for note in open_source(str(path)).notes)


@pytest.mark.parametrize(
    ("old", "new"), [("price text", "deposit"), ("£32.50", "£3250"), ("£45.00", "¥4500"), ("3250", "32.50")]
)
def test_whole_prices_beside_other_amounts_stay(tmp_path: Path, old: str, new: str) -> None:
    source = open_source(str(write(tmp_path, "shoes.csv", PENCE.format("price text").replace(old, new))))
    assert source.fields["price"] == "price"


def test_rows_for_each_image_of_a_product_are_one_item(tmp_path: Path) -> None:
    rows = ["Reed mat,25,reed_mat_1.jpg", "Reed mat,25,reed_mat_2.png", "Clay jug,18,jug.jpg", "Clay jug,18,jug-2.jpg"]
    table = "\n".join(["name,price,photo", *rows])
    mat, jug = read(write(tmp_path, "shop.csv", table))[0]
    assert [(each.item.sku, len(each.images)) for each in (mat, jug)] == [("Reed mat", 2), ("Clay jug", 2)]
    for other in (table.replace("25,reed_mat_2", "29,reed_mat_2"), table.replace("jug-2", "pot")):
        assert len(read(write(tmp_path, "other.csv", other))[0]) == 4


@pytest.mark.parametrize("called", ["IMG_", "DSC0", "image", "photo-", "Picture ", "a/b/", "PXL_2026-", "画像"])
def test_what_a_camera_calls_images_joins_no_rows(tmp_path: Path, called: str) -> None:
    rows = [
        f"Reed mat,25,{called}1.jpg",
        f"Reed mat,25,{called}2.jpg",
        "Clay jug,18,jug_1.jpg",
        "Clay jug,18,jug_2.jpg",
    ]
    records, _ = read(write(tmp_path, "shop.csv", "\n".join(["name,price,photo", *rows])))
    assert [len(each.images) for each in records] == [1] * 4


def test_rows_that_are_taken_for_further_images_are_told(tmp_path: Path) -> None:
    rows = ["Reed mat,25,mat_1.jpg", "Reed mat,25,mat_2.jpg", "Reed mat,25,mat_3.jpg", "Clay jug,18,jug.jpg"]
    for n, told in ((4, "2 rows were taken for further images"), (2, "1 row was taken for a further image")):
        source = open_source(str(write(tmp_path, "shop.csv", "\n".join(["name,price,photo", *rows[:n]]))))
        for _ in range(2):
            assert len([*source.rows()]) == n - int(told[0])
            assert source.notes[0].endswith(f"{told} of products above, as they say the same.")


def test_a_word_without_blanks_and_a_number_is_no_code(tmp_path: Path) -> None:
    table = "상품코드,상품명,상품 요약설명\nP1,머그컵1,큰 컵\nP2,머그컵2,작은 컵\n"
    mug = read(write(tmp_path, "shop.csv", table))[0][0].item
    assert (mug.sku, mug.title, mug.description) == ("P1", "머그컵1", "큰 컵")
