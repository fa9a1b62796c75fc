"""Which of several price columns is what a shopper pays for the product, by their names."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources.columns import choose_columns


@pytest.mark.parametrize(
    ("header", "price"),
    [
        ("sku,Namn,PrisPerLiter,Prisinklmoms", "Prisinklmoms"),
        ("sku,navn,Literpris,Pris inkl. moms", "Pris inkl. moms"),
        ("sku,navn,Pris pr. kg,Veiledende pris", "Veiledende pris"),
        ("sku,name,Price per litre,Our price", "Our price"),
        ("sku,name,Price per piece,Pack price", "Pack price"),
        ("sku,nom,Prix au kg,Prix du pot", "Prix du pot"),
        ("sku,nazwa,Cena za 1 kg,Cena opakowania", "Cena opakowania"),
        ("sku,nombre,Precio por litro,Precio de la botella", "Precio de la botella"),
        ("код,название,Цена за литр,Цена бутылки", "Цена бутылки"),
        ("sku,name,Price per litre", "Price per litre"),
        ("код,название,Цена начальная,Цена без НДС,Цена с НДС", "Цена с НДС"),
        ("код,название,Цена начальная,Цена продажная", "Цена продажная"),
        ("sku,Name,Preis ohne MwSt,Preis mit MwSt", "Preis mit MwSt"),
        ("sku,Name,Preis,Preis inkl. MwSt", "Preis inkl. MwSt"),
        ("sku,nom,Prix de base HT,Prix de base TTC", "Prix de base TTC"),
        ("sku,nombre,Precio sin IVA,Precio IVA incluida", "Precio IVA incluida"),
        ("sku,nombre,Precio mayoreo con IVA,Precio público con IVA", "Precio público con IVA"),
        ("sku,nome,Preço atacado,Preço mínimo,Preço loja", "Preço loja"),
        ("sku,name,MRP incl. tax,Price", "Price"),
        ("sku,name,Price per kg incl. VAT,Price", "Price"),
        ("sku,nombre,Precio sin impuestos,Precio con impuestos", "Precio con impuestos"),
        ("sku,navn,Pris ekskl. moms,Pris inkl. moms", "Pris inkl. moms"),
        ("sku,ime,Cena brez DDV,Cena z DDV", "Cena z DDV"),
        ("sku,nimi,Hind km-ta,Hind km-ga", "Hind km-ga"),
        ("sku,商品名,不含税价格,含税价格", "含税价格"),
        ("sku,nombre,precioa,preciob,precioc,costo", "precioa"),
        ("sku,naziv,StaraCijena,NovaCijena", "NovaCijena"),
        ("sku,nom,Ancien prix,Prix", "Prix"),
        ("sku,name,price_before,price_now", "price_now"),
        ("sku,name,prise,url", "prise"),
        ("sku,nazwa,Cena detaliczna netto,Cena detaliczna brutto", "Cena detaliczna brutto"),
    ],
)
def test_the_price_that_is_paid(header: str, price: str) -> None:
    assert choose_columns(header.split(","), {}, source="shop.csv").fields["price"][0] == price


def test_a_discount_price_with_a_currency_is_the_price(tmp_path: Path) -> None:
    item = only(write(tmp_path, "fair.csv", "Code,Name,Rate,75%-Discount Price\nA1,Sparkler,40,₹ 10.00\n")).item
    assert (item.price_cents, item.currency) == (1000, "INR")
    item = only(write(tmp_path, "fair.csv", "Code,Name,Discount\nA1,Sparkler,₹ 10.00\n")).item
    assert item.price_cents is None


@pytest.mark.parametrize(
    ("header", "prices", "cents"),
    [
        ("price", ("200.000", "45.000", "185.000"), 20_000_000),
        ("price", ("200.000", "45.000"), 20_000),
        ("price", ("200.000", "45.000", "0.185"), 20_000),
        ("price", ("200.000", "45.000", "12.5"), 20_000),
        ("price_kwd", ("200.000", "45.000", "185.000"), 200_000),
        ("price", ("KWD 200.000", "KWD 45.000", "KWD 185.000"), 200_000),
    ],
)
def test_three_digits_behind_every_point_are_thousands(
    tmp_path: Path, header: str, prices: tuple[str, ...], cents: int
) -> None:
    table = "".join(f"A{n}\tFood {n}\t{price}\n" for n, price in enumerate(prices))
    records, _ = read(write(tmp_path, "pets.tsv", f"sku\tname\t{header}\n{table}"))
    assert records[0].item.price_cents == cents


@pytest.mark.parametrize(
    ("table", "cents", "attributes"),
    [
        ("sku,title,price,realPrice\n1,Hat,3.80,2.20\n2,Cap,0.0,0.90\n", [220, 90], {"regular_price": 3.8}),
        ("sku,title,price,final price\n1,Hat,20,15\n2,Cap,18,18\n", [1500, 1800], {"regular_price": 20}),
        ("код,название,цена,текущая цена\n1,Шапка,20,15\n2,Кепка,18,\n", [1500, 1800], {"regular_price": 20}),
        ("sku,title,price,actual_price\n1,Hat,15,20\n2,Cap,18,18\n", [1500, 1800], {"actual_price": 20}),
        ("sku,title,price,final price\n1,Hat,100,119\n2,Cap,9,8\n", [10000, 900], {"final_price": 119}),
        ("sku,title,price,final price\n1,Hat,20 USD,15 EUR\n", [2000], {"final_price": "15 EUR"}),
    ],
)
def test_a_final_price_is_paid_where_it_is_never_above_the_other(
    tmp_path: Path, table: str, cents: list[int], attributes: dict[str, object]
) -> None:
    records, _ = read(write(tmp_path, "shop.csv", table))
    assert [record.item.price_cents for record in records] == cents
    assert records[0].item.attributes == attributes


def test_a_new_and_an_old_price_in_one_cell_are_a_price_whatever_the_column_is_called(tmp_path: Path) -> None:
    table = "title,cost\nWool socks,277 ₽500 ₽\nLinen shirt,1 199 ₽1 990 ₽\nRain coat,999 ₽\n"
    records, _ = read(write(tmp_path, "shop.csv", table))
    assert [(record.item.price_cents, record.item.currency) for record in records] == [
        (27700, "RUB"),
        (119900, "RUB"),
        (99900, "RUB"),
    ]
    records, _ = read(write(tmp_path, "shop.csv", "title,cost\nWool socks,277 ₽\nLinen shirt,1 199 ₽\n"))
    assert {record.item.price_cents for record in records} == {None}


@pytest.mark.parametrize(
    ("table", "cents"),
    [
        ("sku,name,value\nA1,Mug,12.00\nA2,Cup,9.50\n", [1200, 950]),
        ("sku,name,value\nA1,Mug,12\nA2,Cup,9\n", [None, None]),
        ("sku,name,qty,value\nA1,Mug,3,12.00\nA2,Cup,2,9.50\n", [None, None]),
        ("sku,name,value,price\nA1,Mug,12.00,5\nA2,Cup,9.50,4\n", [500, 400]),
    ],
    ids=["with cents", "whole", "of all pieces", "beside a price"],
)
def test_a_value_with_cents_is_a_price_where_nothing_else_is(
    tmp_path: Path, table: str, cents: list[int | None]
) -> None:
    records, _ = read(write(tmp_path, "shop.csv", table))
    assert [record.item.price_cents for record in records] == cents
