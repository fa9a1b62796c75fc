"""``vitrina encoder export``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

from PIL import Image
from rich.table import Table

from recipes.boutique.catalog import products
from recipes.boutique.render import render
from vitrina.api.cli.console import errors, output
from vitrina.api.settings import Settings
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.preparation import load_image
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Record
from vitrina.search.encoders.open_clip import encoder_folder, full_name, load_encoder
from vitrina.search.encoders.runtime import Runtime
from vitrina.search.images.decode import decode_image
from vitrina.search.store.store import CATALOG_FILE, Store
from vitrina.search.types.errors import EncoderError, InputError, SourceError
from vitrina.search.types.models import LOCAL_PREFIX
from vitrina.tuning.export.comparison import Agreement, Pace, compare, measure_paces
from vitrina.tuning.export.encoder import export_encoder, export_int8

N_SAMPLE = 500
"""Pictures and titles on which the runtimes are compared; the 8-bit ranges are fitted on as many."""

Precision = Literal["float32", "int8"]
"""The numbers that the picture tower computes with."""

N_DRAWINGS = 132
"""Three drawings of each article of the boutique."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the runtimes are compared on, and where it comes from."""

    source: str
    images: list[Image.Image]
    texts: list[str]


def export(settings: Settings, name: str, precision: Precision, calibrate_on: str | None, out: Path | None) -> None:
    """Export an encoder's folder, then measure it against PyTorch, and print both."""
    folder = encoder_folder(full_name(name))
    if folder is None:
        raise EncoderError(
            f"{name!r} is no folder, and an export has to lie beside the weights.",
            remedy="Save the model as an open_clip folder first, and export that.",
        )
    sample = sample_for(settings)
    before = load_encoder(f"{LOCAL_PREFIX}{folder}", device="cpu", runtime=Runtime.TORCH)
    target = folder
    with errors.status("Exporting, about a minute"):
        if precision == "int8":
            target = out or Path(f"{folder.name}-int8")
            images = sample.images if calibrate_on is None else images_of(calibrate_on)
            export_int8(folder, target, [before.prepare(image) for image in images])
        else:
            export_encoder(folder)
    after = load_encoder(f"{LOCAL_PREFIX}{target}", device="cpu", runtime=Runtime.ONNX)
    with errors.status("Measuring"):
        pixels = [before.prepare(image) for image in sample.images]
        paces = measure_paces([before, after], pixels, sample.texts)
        agreement = compare(before, after, sample.images, sample.texts)
    output.print(pace_table(*paces))
    output.print(agreement_table(agreement))
    output.print(f"Measured on {len(sample.images):,} pictures and titles of {sample.source}.", highlight=False)
    show_next_step(target, precision)


def sample_for(settings: Settings) -> Sample:
    """Pictures and titles of the indexed catalog; drawings of the boutique where nothing is indexed."""
    if (settings.store / CATALOG_FILE).is_file():
        store = Store.existing(settings.store)
        rows = [(item.image_ids[0], item.item.title) for item in store.catalog.all_items() if item.image_ids]
        rows = rows[:: max(1, len(rows) // N_SAMPLE)][:N_SAMPLE]
        images = [decode_image(store.images.read(image_id)).pixels for image_id, _ in rows]
        store.close()
        if images:
            return Sample(f"the catalog in {settings.store}", images, [title for _, title in rows])
    drawn = list(islice(products(N_DRAWINGS), N_DRAWINGS))
    return Sample("the boutique", [render(item, size=96).image for item in drawn], [item.title for item in drawn])


def images_of(location: str) -> list[Image.Image]:
    """The first pictures of a source. Raises SourceError where it has none that can be read."""
    images = list(islice(readable_images(location), N_SAMPLE))
    if not images:
        raise SourceError(f"{location} has no picture that can be read.", remedy="Name a catalog with pictures.")
    return images


def readable_images(location: str) -> Iterator[Image.Image]:
    fetcher = Fetcher()
    for row in open_source(location, {}).rows():
        for reference in row.images if isinstance(row, Record) else ():
            try:
                yield decode_image(load_image(reference, fetcher)).pixels
            except InputError:
                continue
    fetcher.close()


def pace_table(torch: Pace, onnx: Pace) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "PyTorch", "exported", "gain"):
        table.add_column(column, justify="left" if not column else "right")
    rows = (
        ("images/s", torch.images_per_s, onnx.images_per_s, onnx.images_per_s / torch.images_per_s),
        ("texts/s", torch.texts_per_s, onnx.texts_per_s, onnx.texts_per_s / torch.texts_per_s),
        ("one text, ms", torch.query_ms, onnx.query_ms, torch.query_ms / onnx.query_ms),
    )
    for name, before, after, gain in rows:
        digits = 1 if name.endswith("ms") else 0
        table.add_row(name, f"{before:,.{digits}f}", f"{after:,.{digits}f}", f"{gain:.2f}x")
    return table


def agreement_table(agreement: Agreement) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("agreement", "mean cosine", "least cosine", "of 10 nearest pictures kept"):
        table.add_column(column, justify="left" if column == "agreement" else "right")
    image, text = agreement.kept_for_images, agreement.kept_for_texts
    table.add_row("images", f"{agreement.mean_image_cosine:.5f}", f"{agreement.min_image_cosine:.5f}", f"{image:.1%}")
    table.add_row("texts", f"{agreement.mean_text_cosine:.5f}", f"{agreement.min_text_cosine:.5f}", f"{text:.1%}")
    return table


def show_next_step(target: Path, precision: Precision) -> None:
    if precision == "int8":
        said = f"{target} is another encoder. Embed the catalog with it: vitrina encoder use {target}"
    else:
        said = f"The export in {target} is used from now on, wherever there is no GPU."
    output.print(said, highlight=False, soft_wrap=True)
