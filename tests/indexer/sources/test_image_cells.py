"""Picture cells name bytes, files inside the catalog's folder, or web addresses, and nothing else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from vitrina.indexer.sources.base import ImageReference
from vitrina.indexer.sources.image_cells import read_image_cells
from vitrina.search.types.errors import InputError

FOLDER = Path("/shop")


def make_images(cell: object) -> list[ImageReference]:
    """The images that a cell names. Raises the first error in it."""
    images = []
    for found in read_image_cells(cell, FOLDER):
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


def test_paths_stay_inside_the_folder() -> None:
    assert paths("x/../a.jpg") == ["/shop/a.jpg"]
    assert paths("images\\a.jpg") == ["/shop/images/a.jpg"]
    assert paths("/shop/a.jpg") == ["/shop/a.jpg"]
    for path in ("../a.jpg", "/etc/passwd", "x/../../a.jpg", "..\\a.jpg", "/shop2/a.jpg", ".", "/"):
        with pytest.raises(InputError, match="outside the catalog's folder"):
            make_images(path)


@pytest.mark.parametrize(
    "cell", ["ftp://a.example/1.jpg", "file:///etc/passwd", "file:/etc/passwd", "s3://bucket/a.jpg"]
)
def test_other_addresses_are_refused(cell: str) -> None:
    with pytest.raises(InputError, match="Images are not read from"):
        make_images(cell)


@pytest.mark.parametrize("cell", [5, True, "data:image/png,abc", "data:image/png;base64,???", [[[[[["a.jpg"]]]]]]])
def test_what_names_no_image(cell: object) -> None:
    with pytest.raises(InputError):
        make_images(cell)
