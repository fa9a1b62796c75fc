"""Picture cells name bytes, files inside the catalog's folder, or web addresses, and nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.indexer.sources.catalogs import make_image, only, read, write
from vitrina.indexer.sources.base import ImageReference
from vitrina.indexer.sources.image_cells import read_image_cells
from vitrina.indexer.sources.image_files import ImageFiles
from vitrina.search.types.errors import InputError

FILES = ImageFiles(Path("/shop"))


def make_images(cell: object) -> list[ImageReference]:
    """The images that a cell names. Raises the first error in it."""
    images = []
    for found in read_image_cells(cell, FILES):
        if isinstance(found, InputError):
            raise found
        images.append(found)
    return images


def paths(cell: object) -> list[str]:
    return [str(reference.path) for reference in make_images(cell)]


def urls(cell: object) -> list[str | None]:
    return [reference.url for reference in make_images(cell)]


def test_bytes_and_structs_of_them() -> None:
    assert make_images(b"abc") == make_images({"bytes": b"abc", "path": "x.jpg"}) == [ImageReference(data=b"abc")]
    assert paths({"bytes": None, "path": "x.jpg"}) == ["/shop/x.jpg"]
    assert urls({"src": "https://a.example/1.jpg"}) == ["https://a.example/1.jpg"]
    assert make_images([b"a", {"bytes": b"b"}]) == [ImageReference(data=b"a"), ImageReference(data=b"b")]
    assert make_images("data:image/png;base64," + base64.b64encode(b"abc").decode()) == [ImageReference(data=b"abc")]


@pytest.mark.parametrize("cell", [None, "", b"", [], {"bytes": None, "path": None}, "nan"])
def test_blank_cells_name_none(cell: object) -> None:
    assert make_images(cell) == []


def test_several_in_one_text() -> None:
    assert urls("https://a.example/1.jpg, https://a.example/2,x.jpg|http://b.example/3.jpg") == [
        "https://a.example/1.jpg",
        "https://a.example/2,x.jpg",
        "http://b.example/3.jpg",
    ]
    assert paths("a.jpg | b/c.jpg;d, e.jpg") == ["/shop/a.jpg", "/shop/b/c.jpg", "/shop/d, e.jpg"]
    assert paths('["a.jpg", "b.jpg"]') == ["/shop/a.jpg", "/shop/b.jpg"]
    assert paths("[a.jpg") == ["/shop/[a.jpg"]
    assert urls("//cdn.example/1.jpg") == ["https://cdn.example/1.jpg"]


def test_several_in_one_text_however_they_are_divided() -> None:
    two = ["/shop/a/1.jpg", "/shop/a/2 b.png"]
    for text in (
        "a/1.jpg,a/2 b.png",
        "a/1.jpg, a/2 b.png",
        "a/1.jpg;a/2 b.png",
        "a/1.jpg|a/2 b.png",
        "a/1.jpg\na/2 b.png",
    ):
        assert paths(text) == two
    assert paths("a/1.jpg a/2.jpg a/3.JPG") == ["/shop/a/1.jpg", "/shop/a/2.jpg", "/shop/a/3.JPG"]
    assert paths("d, e.jpg,f.jpg") == ["/shop/d, e.jpg", "/shop/f.jpg"]
    assert paths("['a.jpg', 'b.jpg']") == paths('["a.jpg", "b.jpg" ]') == ["/shop/a.jpg", "/shop/b.jpg"]
    assert urls("https://a.example/1.jpg https://a.example/2.jpg") == [
        "https://a.example/1.jpg",
        "https://a.example/2.jpg",
    ]
    assert urls("['https://a.example/1.jpg', 'https://a.example/2.jpg']")[1] == "https://a.example/2.jpg"
    assert urls("//a.example/1.jpg,//a.example/2.jpg") == ["https://a.example/1.jpg", "https://a.example/2.jpg"]


def test_objects_of_images() -> None:
    assert urls([{"large": "https://a.example/l.jpg", "hi_res": None, "thumb": "https://a.example/t.jpg"}]) == [
        "https://a.example/l.jpg"
    ]
    assert urls({"large": ["https://a.example/l.jpg"], "hi_res": ["https://a.example/h.jpg"]}) == [
        "https://a.example/h.jpg"
    ]
    assert urls({"edges": [{"node": {"url": "https://a.example/1.jpg"}}]}) == ["https://a.example/1.jpg"]
    assert urls('[{"src": "https://a.example/1.jpg"}]') == ["https://a.example/1.jpg"]


def test_images_inside_other_text() -> None:
    assert paths('<p><img class="x" src="a.jpg"><IMG SRC=b.jpg></p>') == ["/shop/a.jpg", "/shop/b.jpg"]
    assert urls('=IMAGE("https://a.example/1.jpg")') == ["https://a.example/1.jpg"]
    assert urls("1.jpg (https://a.example/1.jpg),2.jpg (https://a.example/2.jpg)")[1] == "https://a.example/2.jpg"
    assert urls("www.shop.example/a.jpg") == ["https://www.shop.example/a.jpg"]
    assert make_images("no_selection") == []


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    for name in (
        "img/Red Shirt.jpg",
        "img/café.jpg",
        "img/a, b.jpg",
        "img/100% wool.jpg",
        "pub/media/r/e/red.jpg",
        "x.png",
    ):
        write(tmp_path / "shop", name, make_image())
    write(tmp_path, "private/secret.jpg", make_image())
    (tmp_path / "shop" / "linked.jpg").symlink_to(tmp_path / "private" / "secret.jpg")
    (tmp_path / "shop" / "links").symlink_to(tmp_path / "private")
    return ImageFiles(tmp_path / "shop")


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("img/Red%20Shirt.jpg", "img/Red Shirt.jpg"),
        ("/img/Red Shirt.jpg", "img/Red Shirt.jpg"),
        ("./img/Red Shirt.jpg", "img/Red Shirt.jpg"),
        ("img\\Red Shirt.jpg", "img/Red Shirt.jpg"),
        ("IMG/RED SHIRT.JPG", "img/Red Shirt.jpg"),
        ("img/red%20shirt.jpg?v=17#main", "img/Red Shirt.jpg"),
        ("img/cafe\u0301.jpg", "img/café.jpg"),
        ("img/100% wool.jpg", "img/100% wool.jpg"),
        ("img/a, b.jpg", "img/a, b.jpg"),
        ("img/a, b.jpg|x.png", "img/a, b.jpg"),
        ("/srv/www/pub/media/r/e/red.jpg", "pub/media/r/e/red.jpg"),
        ("file:///srv/shop/img/Red%20Shirt.jpg", "img/Red Shirt.jpg"),
    ],
)
def test_a_file_is_found_however_its_path_is_written(
    tmp_path: Path, files: ImageFiles, written: str, found: str
) -> None:
    references = list(read_image_cells(written, files))
    assert references[0] == ImageReference(path=tmp_path / "shop" / found)
    assert len(references) == written.count("|") + 1


def test_images_in_a_folder_of_their_own(tmp_path: Path, files: ImageFiles) -> None:
    write(tmp_path, "catalog/shop.csv", "sku\n1\n")
    given = ImageFiles(tmp_path / "catalog", (tmp_path / "shop" / "pub" / "media",))
    for written in ("/r/e/red.jpg", "r/e/red.jpg", "catalog/product/r/e/red.jpg", "red.jpg"):
        assert given.find(written) == tmp_path / "shop/pub/media/r/e/red.jpg"
    assert given.find("absent.jpg") == tmp_path / "shop/pub/media/absent.jpg"


@pytest.mark.parametrize("written", ["linked.jpg", "links/secret.jpg", "LINKS/SECRET.JPG"])
def test_links_out_of_the_folder_are_not_followed(files: ImageFiles, written: str) -> None:
    (found,) = read_image_cells(written, files)
    assert isinstance(found, InputError)
    assert "outside" in found.message


def test_paths_stay_inside_the_folder() -> None:
    assert paths("x/../a.jpg") == ["/shop/a.jpg"]
    assert paths("images\\a.jpg") == ["/shop/images/a.jpg"]
    assert paths("/shop/a.jpg") == ["/shop/a.jpg"]
    assert paths("/etc/passwd") == ["/shop/etc/passwd"]  # from the top of the shop's own server
    for path in ("../a.jpg", "x/../../a.jpg", "..\\a.jpg", "/../a.jpg", "/"):
        with pytest.raises(InputError, match="outside the catalog's folder"):
            make_images(path)


@pytest.mark.parametrize(
    "cell", ["ftp://a.example/1.jpg", "file:///etc/passwd", "file:/etc/passwd", "s3://bucket/a.jpg"]
)
def test_other_addresses_are_refused(cell: str) -> None:
    with pytest.raises(InputError, match="Images are not read from"):
        make_images(cell)


@pytest.mark.parametrize(
    "cell", [5, True, "data:image/png,abc", "data:image/png;base64,???", [[[[[[[[[["a.jpg"]]]]]]]]]]]
)
def test_what_names_no_image(cell: object) -> None:
    with pytest.raises(InputError):
        make_images(cell)


def test_images_in_base64_and_on_a_drive_of_windows(tmp_path: Path) -> None:
    (tmp_path / "Bilder").mkdir()
    (tmp_path / "Bilder" / "1.png").write_bytes(make_image())
    large = make_image() + bytes(200)
    table = f"sku,title,image\nA,Hat,{base64.b64encode(large).decode()}\nB,Cap,H:\\Shop\\Bilder\\1.png\n"
    records, _ = read(write(tmp_path, "list.csv", table))
    assert [each.data for each in records[0].images] == [large]
    assert [each.path for each in records[1].images] == [tmp_path / "Bilder" / "1.png"]


@pytest.mark.parametrize("cell", ['{"a.jpg","b.jpg"}', "{a.jpg,b.jpg}", "a.jpg,,b.jpg,", ",a.jpg , b.jpg"])
def test_more_lists_of_paths(cell: str) -> None:
    assert [each.path for each in make_images(cell)] == [Path("/shop/a.jpg"), Path("/shop/b.jpg")]


def test_an_address_without_its_scheme(tmp_path: Path) -> None:
    assert make_images("cdn.shop.com/a.jpg") == [ImageReference(url="https://cdn.shop.com/a.jpg")]
    assert make_images("photos.de/a.jpg") == [ImageReference(url="https://photos.de/a.jpg")]
    (tmp_path / "photos.de").mkdir()
    (tmp_path / "photos.de" / "a.jpg").write_bytes(make_image())
    (found,) = read_image_cells("photos.de/a.jpg", ImageFiles(tmp_path))
    assert found == ImageReference(path=tmp_path / "photos.de" / "a.jpg")


def test_the_largest_of_the_sizes_of_one_image() -> None:
    sizes = {"thumbnailHdUrl": "t.jpg", "smallUrl": "s.jpg", "largeHdUrl": "l.jpg"}
    assert [each.path for each in make_images({"images": [sizes, {"FRONT": "a.jpg", "BACK": "b.jpg"}]})] == [
        Path("/shop/l.jpg"), Path("/shop/a.jpg"), Path("/shop/b.jpg")
    ]  # fmt: skip


def test_a_file_deeper_in_the_given_folder_is_found_by_a_name_of_its_own(tmp_path: Path) -> None:
    for folder, names in (("dump/img/x", ("mb01.jpg", "Two.jpg")), ("dump/old", ("Two.jpg",))):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            (tmp_path / folder / name).write_bytes(make_image())
    files = ImageFiles(tmp_path / "catalog", (tmp_path / "dump",))
    assert files.find("/m/b/MB01.jpg") == tmp_path / "dump/img/x/mb01.jpg"
    assert files.find("/t/w/two.jpg") == tmp_path / "dump/t/w/two.jpg"  # two have the name
    assert ImageFiles(tmp_path).find("/m/b/mb01.jpg") == tmp_path / "m/b/mb01.jpg"  # nothing was given


def test_paths_beside_addresses_and_videos() -> None:
    found = list(read_image_cells("/v/1.jpg,/v/2.jpg,https://s.example/3.jpg,https://www.youtube.com/watch?v=a", FILES))
    assert found[:3] == [
        ImageReference(path=Path("/shop/v/1.jpg")),
        ImageReference(path=Path("/shop/v/2.jpg")),
        ImageReference(url="https://s.example/3.jpg"),
    ]
    assert [str(each) for each in found[3:] if isinstance(each, InputError)] != []
    with pytest.raises(InputError, match="is a video"):
        make_images("clip.mp4?v=1")


@pytest.mark.parametrize(
    "cell",
    [
        "https://a.example/1.jpg 2x",
        "https://a.example/s.jpg 300w, https://a.example/1.jpg 800w",
        "https:\\/\\/a.example\\/1.jpg",
        "&lt;img src=&quot;https://a.example/1.jpg&quot;&gt;",
        "('https://a.example/1.jpg',)",
        "array(['https://a.example/1.jpg'], dtype=object)",
    ],
)
def test_addresses_as_pages_and_programs_write_them(cell: str) -> None:
    assert urls(cell) == ["https://a.example/1.jpg"]


def test_an_array_of_numpy() -> None:
    assert paths("['a.jpg' 'b.jpg'\n 'c.jpg']") == ["/shop/a.jpg", "/shop/b.jpg", "/shop/c.jpg"]


def test_addresses_behind_labels_and_arrays_of_one() -> None:
    cell = "Product Image Path: a/b.jpg, Product Image URL: https://a.example/1.jpg|Image URL: https://a.example/2.jpg"
    assert urls(cell) == ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    assert paths("{a/b.jpg}") == ["/shop/a/b.jpg"]


def test_what_stands_between_and_behind_addresses() -> None:
    two = ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    assert urls("https://a.example/1.jpg~https://a.example/2.jpg") == two
    assert urls("https://a.example/1.jpg#https://a.example/2.jpg") == two
    behind = " ! alt : Red ! title : a ! desc :  ! caption : "  # as WebToffee writes for WooCommerce
    assert urls(f"https://a.example/1.jpg{behind}|https://a.example/2.jpg{behind}") == two
    assert urls("https://a.example/?url=https://b.example/1.jpg") == ["https://a.example/?url=https://b.example/1.jpg"]


def test_lists_of_sizes_with_gaps_have_the_largest_of_each_image() -> None:
    large = ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    assert urls({"hi_res": [None, "https://a.example/xl.jpg"], "large": large}) == [
        large[0],
        "https://a.example/xl.jpg",
    ]


def test_a_list_that_ends_in_a_separator_and_images_under_another_name(tmp_path: Path) -> None:
    assert paths("a.jpg,") == ["/shop/a.jpg"]
    lines = (
        '{"sku": "A", "title": "Mug", "image": "1.jpg", "cover": "hard"}\n'
        '{"sku": "B", "media": {"images": ["2.jpg"]}}\n'
        '{"sku": "C", "title": "Cup", "cover": "hard"}\n'
    )
    records, _ = read(write(tmp_path, "shop.jsonl", lines))
    assert [len(each.images) for each in records] == [1, 1, 0]


def test_a_list_in_quotes() -> None:
    assert paths('"a, b.jpg", "c.jpg"') == ["/shop/a, b.jpg", "/shop/c.jpg"]
    assert paths('"a.jpg"') == ["/shop/a.jpg"]


@pytest.mark.parametrize("cell", ["true", "False", "yes"])
def test_truth_values_are_no_images(tmp_path: Path, cell: str) -> None:
    record = only(write(tmp_path, "shop.csv", f"sku,title,image\n1,Red wine,{cell}\n"))
    assert record.images == ()
    assert [problem.reason for problem in record.problems] == [f"{cell!r} is not an image."]


def test_further_images_beside_the_main_one_in_an_object() -> None:
    cell = {"large": "https://a.example/1", "details": [{"img": "https://a.example/2", "remark": ""}]}
    assert urls(cell) == ["https://a.example/1", "https://a.example/2"]
    assert urls({"src": "https://a.example/1.jpg", "tags": [{"name": "new"}]}) == ["https://a.example/1.jpg"]


def test_a_zero_is_no_image_and_a_query_cut_by_a_line_end_is_one_address(tmp_path: Path) -> None:
    files = ImageFiles(tmp_path)
    assert list(read_image_cells("0", files)) == []
    cut = "https://s.example/a.jpg?v=17\n  46"
    assert list(read_image_cells(cut, files)) == [ImageReference(url="https://s.example/a.jpg?v=1746")]
    two = "https://s.example/a.jpg?v=17\nhttps://s.example/b.jpg?v=46"
    assert len(list(read_image_cells(two, files))) == 2
