"""CSV and TSV: every encoding, delimiter and damage ends in a record or a rejection with its line."""

from __future__ import annotations

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.indexer.sources.catalogs import only, read, write
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Rejection
from vitrina.indexer.sources.delimited import DelimitedTable, open_delimited
from vitrina.indexer.sources.delimited_rows import RowFormat, read_cells
from vitrina.indexer.sources.encodings import TextEncoding
from vitrina.search.types.errors import SourceError


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["shop.csv", "shop.tsv", "shop.txt"])
def test_the_delimiter_is_found(tmp_path: Path, delimiter: str, name: str) -> None:
    path = write(tmp_path, name, "sku,title,colour\n1,Red mug,red\n".replace(",", delimiter))
    record = only(path)
    assert (record.item.sku, record.item.title, record.item.attributes) == ("1", "Red mug", {"colour": "red"})
    assert record.origin == f"{name}:2"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16"])
def test_every_encoding_loads(tmp_path: Path, encoding: str) -> None:
    path = write(tmp_path, "shop.csv", "sku,title\n1,Größe café\n".encode(encoding))
    assert only(path).item.title == "Größe café"
    assert bool(open_source(str(path)).notes) == (not encoding.startswith("utf-8"))


def test_a_file_that_mixes_encodings_loads(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "sku,title\n1,Größe\n".encode() + "2,Größe “x”\n".encode("cp1252"))
    records, _ = read(path)
    assert [record.item.title for record in records] == ["Größe", "Größe “x”"]
    assert "Windows-1252" in open_source(str(path)).notes[0]


def test_emoji_and_right_to_left_text_stay(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "sku,title\n👩‍👧-1,قميص أزرق 👗\n")
    assert (only(path).item.sku, only(path).item.title) == ("👩‍👧-1", "قميص أزرق 👗")


def test_quoted_line_ends_and_quotes(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", 'sku,title,description\r\n1,"12"" pan","one\r\ntwo"\r\n\r\n2,9" pan,x\r\n')
    records, rejections = read(path)
    assert [(record.origin, record.item.title) for record in records] == [
        ("shop.csv:2", '12" pan'),
        ("shop.csv:5", '9" pan'),
    ]
    assert records[0].item.description == "one\ntwo"
    assert rejections == []


def test_rows_of_other_lengths(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "sku,title,colour\n1,mug\n2,cup,red,,\n3,a,b,c\n,,\n")
    records, (rejection,) = read(path)
    assert [record.item.sku for record in records] == ["1", "2"]
    assert (rejection.origin, rejection.reason) == ("shop.csv:4", "The row has 4 cells, the header 3.")
    assert "double quotes" in rejection.remedy


def test_repeated_and_missing_column_names(tmp_path: Path) -> None:
    record = only(write(tmp_path, "shop.csv", ",sku,size,size\n0,1,S,M\n"))
    assert record.item.attributes == {"size": "S", "size_2": "M"}


def test_names_that_were_quoted_twice(tmp_path: Path) -> None:
    path = write(tmp_path, "till.csv", '"""sku""","""Item, name""","""colour"""\nA-1,Cap,red\n')
    assert [*open_source(str(path)).fields.values()] == ["sku", "Item, name"]


def test_only_sku_and_image(tmp_path: Path) -> None:
    record = only(write(tmp_path, "shop.csv", "sku,image\n1,a.png\n"))
    assert record.images[0].path == tmp_path / "a.png"


def test_rows_can_be_read_again(tmp_path: Path) -> None:
    source = open_source(str(write(tmp_path, "shop.csv", "sku,title\n1,a\n2,b\n")))
    assert list(source.rows()) == list(source.rows())
    assert source.n_rows == 2


@pytest.mark.parametrize("content", ["", "\n\n", "sku,title\n", "sku,title"])
def test_an_empty_catalog_is_an_error(tmp_path: Path, content: str) -> None:
    with pytest.raises(SourceError, match=r"shop.csv (is empty|has a header and no rows)"):
        open_source(str(write(tmp_path, "shop.csv", content)))


def test_a_binary_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a text file"):
        open_source(str(write(tmp_path, "shop.csv", b"PK\x03\x04\0\0\0\0")))


def table(path: Path, max_row_chars: int) -> DelimitedTable:
    layout = RowFormat(",", 2, max_row_chars=max_row_chars)
    return DelimitedTable(path, ("sku", "title"), layout, TextEncoding("utf-8-sig"), None)


@pytest.mark.parametrize(
    "row",
    [
        "2," + "x" * 100,
        '2,"' + "x" * 100 + '"',
        '2,"' + "line\n" * 30 + '"',
        '2,"' + '""' * 61 + '"',
        '2,"' + 'a"",""b\n' * 20 + '"',
        '"2' + "x" * 99 + '","' + "y,\n" * 20 + '"',
        "2," + ",\"a\"" * 40,
        '2,5" ' + "x" * 100,
    ],
)  # fmt: skip
def test_an_overlong_row_is_rejected_alone(tmp_path: Path, row: str) -> None:
    path = write(tmp_path, "shop.csv", f"sku,title\n1,a\n{row}\n3,c\n4,d\n")
    rows = list(table(path, 50).rows())
    assert [row.origin for row in rows if isinstance(row, Rejection)] == ["shop.csv:3"]
    line = 4 + row.count("\n")
    assert [row.origin for row in rows] == ["shop.csv:2", "shop.csv:3", f"shop.csv:{line}", f"shop.csv:{line + 1}"]
    assert "longer than 50 characters" in next(row.reason for row in rows if isinstance(row, Rejection))


def test_a_quote_that_never_closes_costs_one_row(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", 'sku,title\n1,a\n2,"b\n3,c\n4,d')
    records, (rejection,) = read(path)
    assert [(record.origin, record.item.title) for record in records] == [
        ("shop.csv:2", "a"),
        ("shop.csv:4", "c"),
        ("shop.csv:5", "d"),
    ]
    assert rejection.origin == "shop.csv:3"
    assert "never closes" in rejection.reason


def cells_of(path: Path) -> list[list[object]]:
    """Each row's cells, the reason of each that cannot be read."""
    table = open_delimited(path)
    return [[row.reason] if isinstance(row, Rejection) else [*row.cells.values()] for row in table.rows()]


def test_an_open_quote_costs_its_row_and_none_after_it(tmp_path: Path) -> None:
    rows = ['1,"32 inch"" screen",a.jpg', '2,"Broken,b.jpg', "3,Teal,c.jpg", "4,Grey,d.jpg", '5,"Sand, light",e.jpg']
    first, broken, *others = cells_of(write(tmp_path, "shop.csv", "sku,title,image\n" + "\n".join(rows) + "\n"))
    assert first == ["1", '32 inch" screen', "a.jpg"]
    assert "never closes" in str(broken)
    assert others == [["3", "Teal", "c.jpg"], ["4", "Grey", "d.jpg"], ["5", "Sand, light", "e.jpg"]]


@pytest.mark.parametrize(
    "ending",
    [
        ['4,17" pan",d.jpg'],  # a quote before a delimiter closes the open one
        ["4,Grey,d.jpg", '5,"Sand",e.jpg'],
        ['4,"",d.jpg', '5,"",e.jpg'],
        [f"{number},Grey,{number}.jpg" for number in range(4, 40)],
    ],
)
def test_an_open_quote_swallows_no_rows_however_it_is_closed(tmp_path: Path, ending: list[str]) -> None:
    rows = ["1,Red,a.jpg", '2,"Broken,b.jpg', "3,Teal,c.jpg", *ending]
    found = cells_of(write(tmp_path, "shop.csv", "sku,title,image\n" + "\n".join(rows) + "\n"))
    assert len(found) == len(rows)
    assert "never closes" in str(found[1])
    assert [cells[0] for cells in found if len(cells) > 1] == [
        row.partition(",")[0] for row in rows if row is not rows[1]
    ]


def test_an_open_quote_in_a_long_file_is_no_overlong_row(tmp_path: Path) -> None:
    rows = ["1,a", '2,"b', *(f"{number},c" for number in range(3, 40))]
    path = write(tmp_path, "shop.csv", "sku,title\n" + "\n".join(rows) + "\n")
    found = list(table(path, 60).rows())
    assert [row.origin for row in found if isinstance(row, Rejection)] == ["shop.csv:3"]
    assert len(found) == len(rows)


def test_quotes_inside_quotes(tmp_path: Path) -> None:
    rows = ['1;"Table 24" wide";a.jpg', '2;"Lamp "Luna" large";b.jpg', '3;24" screen;c.jpg', '4;"Tall" lamp;d.jpg']
    rows += ['5;"First line', 'says "hi" to', 'all";e.jpg', "6;Grey;f.jpg"]
    found = cells_of(write(tmp_path, "shop.csv", "sku;title;image\n" + "\n".join(rows) + "\n"))
    titles = [cells[1] for cells in found]
    assert titles == [
        'Table 24" wide',
        'Lamp "Luna" large',
        '24" screen',
        '"Tall" lamp',
        'First line\nsays "hi" to\nall',
        "Grey",
    ]


def test_a_text_of_several_lines_stays_one_cell(tmp_path: Path) -> None:
    rows = ['1,"Soft, warm', "red, blue, green", "wash, dry", 'cold",a.jpg', '2,"One, two\nthree, four\nfive",b.jpg']
    found = cells_of(write(tmp_path, "shop.csv", "sku,title,image\n" + "\n".join(rows) + "\n"))
    assert [cells[0] for cells in found] == ["1", "2"]
    assert found[0][1:] == ["Soft, warm\nred, blue, green\nwash, dry\ncold", "a.jpg"]


def test_quotes_in_a_tsv_without_quoting_are_letters(tmp_path: Path) -> None:
    rows = [
        '1\tGrey "slim" jeans\t"Best" jeans, grey',
        '2\t"Jeans 32 inch\tGrey',
        "3\tTeal\tTeal",
        '4\tBag 6" tall\tNice',
    ]
    found = cells_of(write(tmp_path, "feed.tsv", "id\ttitle\tdescription\n" + "\n".join(rows) + "\n"))
    assert found == [row.split("\t") for row in rows]


def test_a_quoted_tsv(tmp_path: Path) -> None:
    found = cells_of(write(tmp_path, "feed.tsv", 'id\ttitle\tdescription\n1\t"a\tb"\t"one\ntwo"\n2\t"c ""d"""\te\n'))
    assert found == [["1", "a\tb", "one\ntwo"], ["2", 'c "d"', "e"]]


@pytest.mark.parametrize(
    ("above", "delimiter", "n_above"),
    [
        ("Product export,,\nGenerated 2026-02-03,,\n,,\n", ",", 2),
        ("Our shop\n\n", ";", 1),
        ("sep=;\n", ";", 0),
        ('"sep=;"\n', ";", 0),
        ("Type=custom\tVersion=2\tx\nProduct Name\tSeller SKU\tMain Image URL\n", "\t", 2),
    ],
)
def test_lines_above_the_header_are_skipped(tmp_path: Path, above: str, delimiter: str, n_above: int) -> None:
    rows = [["sku", "title", "image"], ["1", "Grey", "a.jpg"], ["2", "Teal", "b.jpg"]]
    path = write(tmp_path, "shop.txt", above + "".join(delimiter.join(row) + "\n" for row in rows))
    assert cells_of(path) == rows[1:]
    table = open_delimited(path)
    first = next(row for row in table.rows() if not isinstance(row, Rejection))
    assert first.origin == f"shop.txt:{above.count(chr(10)) + 2}"
    assert (f"the {n_above} line" in "".join(table.notes)) == bool(n_above)


def test_a_header_of_several_lines(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", '"sku","title of\nproduct","price\n(EUR)"\n1,mug,5\n')
    assert [name.split("\n") for name in open_delimited(path).columns] == [
        ["sku"],
        ["title of", "product"],
        ["price", "(EUR)"],
    ]
    assert cells_of(path) == [["1", "mug", "5"]]


def test_line_ends_of_an_old_mac(tmp_path: Path) -> None:
    assert cells_of(write(tmp_path, "shop.csv", "sku,title\r1,mug\r2,cup\r")) == [["1", "mug"], ["2", "cup"]]


def test_a_file_without_known_names_keeps_its_first_line_as_the_header(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "foo,bar,baz\n1,sku,b\n2,title,c\n")
    assert open_delimited(path).columns == ("foo", "bar", "baz")


def test_a_field_of_100_mb_is_one_rejection_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "shop.csv"
    with path.open("wb") as file:
        file.write(b'sku,title,description\n1,a,b\n2,c,"')
        for _ in range(100):
            file.write(b"x" * 999_999 + b"\n")
        file.write(b'"\n3,e,f\n')
    tracemalloc.start()
    records, (rejection,) = read(path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [record.item.sku for record in records] == ["1", "3"]
    assert (rejection.origin, rejection.reason) == ("shop.csv:3", "The row is longer than 1,048,576 characters.")
    assert peak_bytes < 30_000_000


def test_long_cells_do_not_depend_on_the_csv_modules_limit(tmp_path: Path) -> None:
    csv.field_size_limit(1000)
    path = write(tmp_path, "shop.csv", f"sku,description\n1,{'x' * 90_000}\n2,{'x' * 100_001}\n")
    (record, longer), _ = read(path)
    assert len(record.item.description) == 90_000
    assert len(longer.item.description) == 100_000
    assert "100,001 characters" in longer.problems[0].reason
    assert "limit is 100,000" in longer.problems[0].reason


CELLS = st.text(st.sampled_from('a,;"\n\r é'), max_size=6)


@settings(deadline=None)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=6), st.integers(20, 60))
@example([[";;;;;;", ";;;;;;", '"\r']], 20)
def test_rows_within_the_limit_survive_any_neighbour(rows: list[list[str]], max_chars: int) -> None:
    """Against the csv module itself: what it wrote is read back, but for the rows over the limit."""
    out = io.StringIO()
    expected = []
    for cells in rows:
        start = out.tell()
        csv.writer(out, quoting=csv.QUOTE_ALL).writerow(cells)
        n_chars = len(out.getvalue()) - start
        expected.append(cells if n_chars <= max_chars else "overlong")
    layout = RowFormat(",", 1, max_row_chars=max_chars)  # of one column, so that no line of a text looks like a row
    found = [cells for _, cells in read_cells(io.StringIO(out.getvalue(), newline=""), layout)]
    assert found == expected


def test_mapping_of_a_column_that_does_not_exist(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "sku,title\n1,a\n")
    with pytest.raises(SourceError, match=r"no column 'Artikel'. Its columns are: sku, title"):
        open_source(str(path), {"sku": "Artikel"})


def test_no_sku_column_says_what_to_try(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "Bezeichnung,Regal Code\na,1\n")
    with pytest.raises(SourceError, match=r'Its columns are: Bezeichnung, Regal Code.*--map "sku=Regal Code"'):
        open_source(str(path))
    assert only(path, {"sku": "Regal Code", "title": "Bezeichnung"}).item.title == "a"


def test_mapping_names_attributes_and_several_images(tmp_path: Path) -> None:
    path = write(tmp_path, "shop.csv", "nr,Farbe,Bild1,Bild2,title\n1,rot,a.png,b.png,x\n")
    record = only(path, {"sku": "nr", "colour": "Farbe", "image": "Bild1, Bild2"})
    assert record.item.attributes == {"colour": "rot"}
    assert [reference.path for reference in record.images] == [tmp_path / "a.png", tmp_path / "b.png"]


def test_a_missing_sku_and_an_empty_row(tmp_path: Path) -> None:
    records, rejections = read(write(tmp_path, "shop.csv", "sku,title,colour\n,mug,red\n2,,\n3,,red\n"))
    assert [record.item.sku for record in records] == ["3"]
    assert [(row.origin, row.sku) for row in rejections] == [("shop.csv:2", None), ("shop.csv:3", "2")]
    assert "no sku" in rejections[0].reason
    assert "neither an image nor any text" in rejections[1].reason


def test_a_bad_price_costs_the_price_only(tmp_path: Path) -> None:
    record = only(write(tmp_path, "shop.csv", "sku,title,Price\n7,mug,cheap\n"))
    assert (record.item.title, record.item.price_cents) == ("mug", None)
    (problem,) = record.problems
    assert (problem.column, problem.reason) == ("Price", "'cheap' is not a price.")
    assert "--map price_cents" in problem.remedy


@pytest.mark.parametrize(
    ("prices", "cents"),
    [
        (["12,50", "1.299", "999,00"], [1250, 129900, 99900]),
        (["12.50", "1.299", "1,299"], [1250, 130, 129900]),
        (["89", "1.299", "499"], [8900, 129900, 49900]),
    ],
)
def test_a_point_before_three_digits_is_what_it_is_in_the_files_other_prices(
    tmp_path: Path, prices: list[str], cents: list[int]
) -> None:
    rows = "".join(f"{at};mug;{price}\n" for at, price in enumerate(prices))
    records, _ = read(write(tmp_path, "shop.csv", f"sku;title;price\n{rows}"))
    assert [record.item.price_cents for record in records] == cents


def test_the_format_is_named(tmp_path: Path) -> None:
    assert open_delimited(write(tmp_path, "a.csv", "sku;title\n1;a\n")).format == "CSV, semicolons"
    assert open_source(str(write(tmp_path, "b.tsv", "sku\ttitle\n1\ta\n"))).dialect == "catalog table (TSV)"


@pytest.mark.parametrize("mark", ["^", "~", "\x01"])
def test_rare_delimiters(tmp_path: Path, mark: str) -> None:
    table = "sku,title,price\nA,Hat,9.90\nB,Cap,8.90\n".replace(",", mark)
    records, _ = read(write(tmp_path, "shop.txt", table))
    assert [(each.item.sku, each.item.title, each.item.price_cents) for each in records] == [
        ("A", "Hat", 990),
        ("B", "Cap", 890),
    ]


@pytest.mark.parametrize(
    "table",
    [
        "sku,title,price\nA,Hat,9.90\nsku,title,price\nB,Cap,8.90\n",
        "| sku | title | price |\n|---|:---|---:|\n| A | Hat | 9.90 |\n| B | Cap | 8.90 |\n",
        "sku\ttitle\tprice\n===\t=====\t=====\nA\tHat\t9.90\nB\tCap\t8.90\n",
    ],
)
def test_headers_again_and_lines_below_them_are_no_rows(tmp_path: Path, table: str) -> None:
    records, rejections = read(write(tmp_path, "shop.txt", table))
    assert [each.item.sku for each in records] == ["A", "B"]
    assert rejections == []


def test_a_comma_in_a_text_without_quotes_is_a_letter(tmp_path: Path) -> None:
    table = "sku,title,price\nA,Hat, large, red,9.90\nB,Cap,8.90\nC,Bag,big,7.90\nD,Mug, 6.90\n"
    records, rejections = read(write(tmp_path, "shop.csv", table))
    found = [(each.item.sku, each.item.title, each.item.price_cents) for each in records]
    assert found == [("A", "Hat, large, red", 990), ("B", "Cap", 890), ("D", "Mug", 690)]
    assert [each.origin for each in rejections] == ["shop.csv:4"]


SHIRTS = (
    "Handle,Title,Variant SKU,Variant Price,Option1 Name,Option1 Value,Fabric (product.metafields.shopify.fabric)\n"
)
SHIRTS += "tee,Red tee,T-S,19.99,Size,S,linen\ntee,,T-M,21.99,,M,\nmug,Mug,M-1,5,,,\n"


@pytest.mark.parametrize(
    "mess",
    [
        lambda text: text.upper().partition("\n")[0] + "\n" + text.partition("\n")[2],
        lambda text: text.partition("\n")[0].replace(" ", "_") + "\n" + text.partition("\n")[2],
        lambda text: "\u200b" + text.replace(",", "\u200e,\u200b\u00a0"),
        lambda text: text.replace(",", " ,  ").replace("\n", " \n "),
        lambda text: text + "\x1a",
        lambda text: text.encode("utf-16-le"),
        lambda text: gzip.compress(text.encode()),
    ],
)  # fmt: skip
def test_messes_that_programs_make_change_nothing(tmp_path: Path, mess: Callable[[str], str | bytes]) -> None:
    clean, _ = read(write(tmp_path, "clean.csv", SHIRTS))
    messy, rejections = read(write(tmp_path, "messy.csv", mess(SHIRTS)))
    assert [record.item for record in messy] == [record.item for record in clean]
    assert rejections == []


def test_utf_16_without_a_mark_in_any_script(tmp_path: Path) -> None:
    text = "Артикул;Название;Цена\nА-1;Красная рубашка;1999\n"
    for codec in ("utf-16-le", "utf-16-be"):
        assert only(write(tmp_path, "shop.csv", text.encode(codec))).item.title == "Красная рубашка"


def test_the_second_column_of_a_name_counts_where_the_first_is_empty(tmp_path: Path) -> None:
    table = "sku,title,price,price,image,image.1\nA,Tee,,19.99,a.jpg,b.jpg\nB,Mug,5,6,c.jpg,\n"
    (tee, mug), _ = read(write(tmp_path, "shop.csv", table))
    assert (tee.item.price_cents, mug.item.price_cents) == (1999, 500)
    assert [len(each.images) for each in (tee, mug)] == [2, 1]


@pytest.mark.parametrize("names", ["tags[0],tags[1]", "tags/0,tags/1", "tags.1,tags.2", "Tags [0],Tags [1]"])
def test_columns_of_one_value_each_are_a_list(tmp_path: Path, names: str) -> None:
    (tee, mug), _ = read(write(tmp_path, "shop.csv", f"sku,title,{names}\nA,Tee,new,red\nB,Mug,old,\n"))
    assert (tee.item.attributes, mug.item.attributes) == ({"tags": ("new", "red")}, {"tags": ("old",)})


def test_quotes_behind_backslashes(tmp_path: Path) -> None:
    table = 'sku,title,price\nA,"He said \\"hi\\", twice",1\nB,"Plain, two",2\nC,"Tab \\"x\\"",3\nD,C:\\,4\n'
    records, rejections = read(write(tmp_path, "shop.csv", table))
    assert [each.item.title for each in records] == ['He said "hi", twice', "Plain, two", 'Tab "x"', "C:\\"]
    assert rejections == []


def test_lines_that_are_quoted_as_a_whole(tmp_path: Path) -> None:
    table = '"sku,title,price"\n"A,""Tee, red"",5.00"\n"B,Cap,6.00"\n'
    records, rejections = read(write(tmp_path, "shop.csv", table))
    assert [(each.item.title, each.item.price_cents) for each in records] == [("Tee, red", 500), ("Cap", 600)]
    assert rejections == []


def test_quotes_behind_backslashes_in_cells_that_close_as_they_should(tmp_path: Path) -> None:
    table = '"id","name","image"\n"1","Mug",\\N\n"2","Blue \\"x\\" mug","a.jpg"\n'
    records, _ = read(write(tmp_path, "mysql.csv", table))
    assert [(each.item.title, len(each.images)) for each in records] == [("Mug", 0), ('Blue "x" mug', 1)]


def test_a_list_of_one_column_is_named_without_its_number(tmp_path: Path) -> None:
    item = only(write(tmp_path, "feed.csv", "id,title,style[0],size.0\nA,Tee,Bodycon,M\n")).item
    assert item.attributes == {"style": ("Bodycon",), "size.0": "M"}


def test_a_header_of_unknown_names_is_cut_as_the_rows_below_it(tmp_path: Path) -> None:
    rows = "Formaggi;Origine;Stagionatura\nBrie;Francia, nord;5,00\nFeta;Grecia, isole;7,50\n"
    assert open_delimited(write(tmp_path, "a.csv", rows)).columns == ("Formaggi", "Origine", "Stagionatura")


def test_a_cell_more_than_names_in_each_row(tmp_path: Path) -> None:
    (mug, _), rejections = read(write(tmp_path, "end.tsv", "sku\ttitle\nA\tMug\t1\nB\tCup\t2\n"))
    assert (mug.item.sku, mug.item.title, mug.item.attributes, rejections) == ("A", "Mug", {}, [])
    (mug, _), rejections = read(write(tmp_path, "r.tsv", 'sku\ttitle\n"1"\t"A"\t"Mug"\n"2"\t"B"\t"Cup"\n'))
    assert (mug.item.sku, mug.item.title, mug.item.attributes, rejections) == ("A", "Mug", {}, [])
    with_commas, rejections = read(write(tmp_path, "shop.csv", "sku,title,price\nA,Mug,9,90\nB,Cup,8,50\n"))
    assert (with_commas, len(rejections)) == ([], 2)


def test_a_row_of_numbers_without_a_word_is_rejected(tmp_path: Path) -> None:
    head = "sku,title,description,price,image,currency,stock,brand,color,size"
    table = f"{head}\n1,Mug,,9.00,,EUR,4,Acme,Red,L\n2,,,12.00,,EUR,5,,,\n3,,,12.00,,EUR,5,Acme,,\n"
    records, rejections = read(write(tmp_path, "shop.csv", table))
    assert [record.item.sku for record in records] == ["1", "3"]
    assert [(each.sku, each.reason) for each in rejections] == [("2", "The row has neither an image nor any text.")]
