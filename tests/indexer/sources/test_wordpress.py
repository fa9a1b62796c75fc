"""WordPress's export of a shop with WooCommerce: products among other posts, images by the ids of attachments."""

from __future__ import annotations

from pathlib import Path

from tests.indexer.sources.catalogs import read, write
from vitrina.indexer.sources import open_source

# ruff: noqa: E501 -- the sample files are as wide as the real ones


def _post(kind: str, key: int, title: str, more: str = "", status: str = "publish", **meta: str) -> str:
    told = "".join(
        f"<wp:postmeta><wp:meta_key>{name}</wp:meta_key><wp:meta_value><![CDATA[{value}]]></wp:meta_value></wp:postmeta>"
        for name, value in meta.items()
    )
    return f"""<item><title>{title}</title><link>https://s.example/{key}</link><description/><content:encoded><![CDATA[About {title}]]></content:encoded>
<excerpt:encoded><![CDATA[]]></excerpt:encoded><wp:post_id>{key}</wp:post_id><wp:status>{status}</wp:status><wp:post_type>{kind}</wp:post_type>{more}{told}</item>"""


def _shop(folder: Path, *posts: str) -> Path:
    head = """<rss version="2.0" xmlns:excerpt="http://wordpress.org/export/1.2/excerpt/" xmlns:content="http://purl.org/rss/1.0/modules/content/"
 xmlns:wp="http://wordpress.org/export/1.2/"><channel><title>Shop</title><wp:wxr_version>1.2</wp:wxr_version>"""
    return write(folder, "shop.xml", f"{head}{''.join(posts)}</channel></rss>")


SHIRT = _post(
    "product",
    7,
    "Shirt",
    '<category domain="product_cat" nicename="shirts">Shirts</category><category domain="product_type" nicename="variable">variable</category>'
    '<category domain="pa_color" nicename="dark-blue">Dark Blue</category><category domain="pa_color" nicename="red">Red</category>',
    _sku="SH",
    _price="15",
    _thumbnail_id="31",
    _product_image_gallery="32,99",
    _product_attributes='a:1:{s:4:"care";a:3:{s:4:"name";s:4:"Care";s:5:"value";s:17:"Wash cold | Iron ";s:8:"position";i:0;}}',
)
BLUE = _post(
    "product_variation", 8, "Shirt - Dark Blue", "<wp:post_parent>7</wp:post_parent>",
    _sku="SH-B", _regular_price="20", _sale_price="15", _price="15", attribute_pa_color="dark-blue",
)  # fmt: skip
RED = _post(
    "product_variation", 9, "Shirt - Red", "<wp:post_parent>7</wp:post_parent>",
    _sku="SH-R", _regular_price="18", _sale_price="12", _price="18", attribute_pa_color="red",
)  # fmt: skip
OTHERS = (
    _post("attachment", 31, "front", "<wp:attachment_url>https://s.example/31.jpg</wp:attachment_url>"),
    _post("attachment", 32, "back", "<wp:attachment_url>https://s.example/32.jpg</wp:attachment_url>"),
    _post("page", 2, "Imprint"),
    _post("product", 3, "Sketch", status="draft", _price="1"),
)


def test_products_with_their_variations_and_attachments(tmp_path: Path) -> None:
    records, rejections = read(_shop(tmp_path, SHIRT, BLUE, RED, *OTHERS))
    (record,) = records
    item = record.item
    assert rejections == []
    assert (item.sku, item.title, item.description, item.price_cents) == ("SH", "Shirt", "About Shirt", 1500)
    assert [each.url for each in record.images] == ["https://s.example/31.jpg", "https://s.example/32.jpg"]
    assert item.attributes == {"categories": "Shirts", "color": ("Dark Blue", "Red"), "care": ("Wash cold", "Iron")}
    variants = [(each.sku, each.price_cents, dict(each.options)) for each in item.variants]
    assert variants == [("SH-B", 1500, {"color": "Dark Blue"}), ("SH-R", 1800, {"color": "Red"})]


def test_what_is_no_product_and_which_images_are_missing_is_told(tmp_path: Path) -> None:
    source = open_source(str(_shop(tmp_path, SHIRT, *OTHERS)))
    assert source.notes == (
        "shop.xml: only its products are read, and not: draft product (1), page (1).",
        "shop.xml: images that it names and lacks: 1; export all content to have them.",
    )
