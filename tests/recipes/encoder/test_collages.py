import io

import numpy as np
from PIL import Image, ImageDraw

from recipes.encoder.corpus import SIDE, LabelledRows, collages, cut_out
from recipes.encoder.images import decode
from recipes.encoder.labels import LabelledProduct

RED, GREEN = (200, 20, 20), (20, 160, 40)


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def on_white(colour: tuple[int, int, int]) -> Image.Image:
    """A disc with a white hole, on white."""
    image = Image.new("RGB", (100, 80), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((30, 10, 89, 69), fill=colour)
    draw.ellipse((55, 35, 64, 44), fill="white")
    return image


def made(seed: int = 0) -> LabelledRows:
    catalog = LabelledRows("shop", (LabelledProduct("apple", "Apple", kinds=("Fruit",)),), (encoded(on_white(RED)),))
    photos = LabelledRows("photos", (LabelledProduct("p"),), (encoded(Image.new("RGB", (160, 160), GREEN)),))
    return collages(catalog, photos, 12, seed)


def test_a_thing_is_cut_out_of_its_white_ground() -> None:
    thing = cut_out(on_white(RED))
    assert 55 <= thing.width <= 64
    alpha = np.asarray(thing.getchannel("A"))
    assert alpha[0, 0] == 0
    assert alpha[30, 5] == 255
    assert alpha[30, 30] == 255, "white within the thing belongs to it"


def test_an_image_that_is_all_thing_stays_whole() -> None:
    thing = cut_out(Image.new("RGB", (40, 30), RED))
    assert np.asarray(thing.getchannel("A"))[15, 20] == 255


def test_collages_show_the_thing_on_another_ground() -> None:
    rows = made()
    assert rows.is_whole
    assert {product.title for product in rows.products} == {"Apple"}
    assert len({product.sku for product in rows.products}) == 12
    for image in rows.images:
        pixels = np.asarray(decode(image)).astype(int)
        assert pixels.shape == (SIDE, SIDE, 3)
        is_red, is_green = pixels[..., 0] > pixels[..., 1] + 40, pixels[..., 1] > pixels[..., 0] + 40
        assert is_red.mean() > 0.05
        assert is_green.mean() > 0.02


def test_collages_follow_their_seed() -> None:
    assert made(1).images == made(1).images
    assert made(1).images != made(2).images
