"""Price lists with headings above their sections: they become the category of the products below."""

from __future__ import annotations

from pathlib import Path

from tests.indexer.sources.catalogs import read, write
from tests.indexer.sources.test_spreadsheet import save
from vitrina.indexer.sources import open_source


def categories(path: Path) -> list[tuple[str, object]]:
    records, rejections = read(path)
    assert rejections == []
    return [(record.item.sku, record.item.attributes.get("category")) for record in records]


def test_headings_below_empty_lines(tmp_path: Path) -> None:
    table = (
        "Nombre,Precio\nPizza Muzza,$ 950\nPizza Fugazzeta,$ 900\n,\n,\nMilanesas,\nMilanesa Verdeo,$ 850\n"
        "Milanesa Sola,$ 800\n\nBebidas:,\nAgua,$ 90\nVino,$ 300\n"
    )
    path = write(tmp_path, "carta.csv", table)
    assert categories(path) == [
        ("Pizza Muzza", None),
        ("Pizza Fugazzeta", None),
        ("Milanesa Verdeo", "Milanesas"),
        ("Milanesa Sola", "Milanesas"),
        ("Agua", "Bebidas"),
        ("Vino", "Bebidas"),
    ]
    assert open_source(str(path)).notes[0] == (
        "carta.csv: rows with nothing but a heading ('Milanesas') are the category of those below."
    )


def test_headings_in_capitals(tmp_path: Path) -> None:
    table = (
        "CODIGO;DESCRIPCION;PRECIO\nACCESORIOS;;\nAD-01;Adaptador USB;4,79\n0102;Cable HDMI;6,60\n"
        "BASES DE TV;;\n0201;Base fija;7,80\n0202;Base de mesa;9,80\n"
    )
    assert categories(write(tmp_path, "lista.csv", table)) == [
        ("AD-01", "ACCESORIOS"),
        ("0102", "ACCESORIOS"),
        ("0201", "BASES DE TV"),
        ("0202", "BASES DE TV"),
    ]


def test_headings_beside_a_column_of_categories_are_sections(tmp_path: Path) -> None:
    table = (
        "Code,Product,Category,Price\nMOPS AND BROOMS,,,\nM1,Mop head,Mops,2.50\nM2,Stiff broom,Brooms,4\n"
        "BINS,,,\nB1,Pedal bin,Bins,9\nB2,Swing bin,Bins,8\n"
    )
    records, rejections = read(write(tmp_path, "list.csv", table))
    assert rejections == []
    told = [(record.item.attributes["category"], record.item.attributes["section"]) for record in records]
    assert told == [("Mops", "MOPS AND BROOMS"), ("Brooms", "MOPS AND BROOMS"), ("Bins", "BINS"), ("Bins", "BINS")]


def test_headings_in_a_workbook(tmp_path: Path) -> None:
    rows: list[list[object]] = [["sku", "title", "price"], ["A-1", "Oak stool", 49]]
    rows += [["A-2", "Oak bench", 99], [], ["Lamps"], ["B-1", "Desk lamp", 39], ["B-2", "Floor lamp", 59]]
    found = categories(save(tmp_path, {"list": rows}))
    assert found == [("A-1", None), ("A-2", None), ("B-1", "Lamps"), ("B-2", "Lamps")]


def test_the_heading_and_the_currency_above_a_table_without_names(tmp_path: Path) -> None:
    table = (
        ",,,$HKD/元\nGreen tea,,,\n1,Early Longjing Tea,250g,1388\n2,Late Longjing Tea,250g,880.50\n,,,\n"
        "Black tea,,,\n1,Jin Jun Mei Tea,125g,368\n2,Osmanthus Black Tea,150g,338\n"
    )
    records, _ = read(write(tmp_path, "tea.csv", table))
    assert [(each.item.title, each.item.currency, each.item.attributes["category"]) for each in records][1:3] == [
        ("Late Longjing Tea", "HKD", "Green tea"),
        ("Jin Jun Mei Tea", "HKD", "Black tea"),
    ]


def test_a_heading_with_commas_stays_whole(tmp_path: Path) -> None:
    table = (
        "code,name,price\nMOPS; BROOMS,,\n1,Mop,9\n2,Broom,8\n"
        '"BUCKETS, BINS & LIDS",,\n3,Bin,7\n4,Lid,1\n5,Bucket,6\nCLOTHS,,\n6,Cloth,2\n7,Towel,3\n'
    )
    found = [category for _, category in categories(write(tmp_path, "list.csv", table))]
    assert found == [("MOPS; BROOMS",)] * 2 + [("BUCKETS, BINS & LIDS",)] * 3 + ["CLOTHS"] * 2


def test_products_with_nothing_but_a_name_are_no_headings(tmp_path: Path) -> None:
    table = "title,price\nMug,9\nCup,\nPan,8\n\nPot,7\nJug,\nLid,5\n"
    assert [sku for sku, _ in categories(write(tmp_path, "shop.csv", table))] == [
        "Mug",
        "Cup",
        "Pan",
        "Pot",
        "Jug",
        "Lid",
    ]
    table = "title,price\nMug,9\nPan,8\n\nLamp,\nDesk,5\nRug,7\n"
    assert ("Lamp", None) in categories(write(tmp_path, "shop.csv", table))
    table = "sku,title,price\nA-1,Mug,9\nB-2,,\nA-3,Pan,8\n"
    _, rejections = read(write(tmp_path, "shop.csv", table))
    assert [rejection.sku for rejection in rejections] == ["B-2"]


def test_a_table_with_categories_has_no_headings(tmp_path: Path) -> None:
    table = "title,category,price\nMug,Cups,9\nPan,Pans,8\n\nLamps,,\nDesk lamp,Light,5\nFloor lamp,Light,6\n"
    assert ("Lamps", None) in categories(write(tmp_path, "shop.csv", table))
