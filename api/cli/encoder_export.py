"""``vitrina encoder export``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table

from vitrina.api.cli.console import StoreOption, errors, output, print_line, settings_for
from vitrina.search.types.errors import EncoderError, InputError, SourceError

if TYPE_CHECKING:
    from PIL import Image

    from vitrina.api.settings import Settings
    from vitrina.tuning.export.encoder import Agreement, Pace

N_SAMPLE = 500
"""Images and titles on which the runtimes are compared; the 8-bit ranges are fitted on as many."""

N_DEMO_SAMPLE = 96
"""Three products of each article of the demo's boutique."""

Precision = Literal["float32", "int8"]
"""The numbers that the image tower computes with."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What the runtimes are compared on, and where it comes from."""

    source: str
    images: list[Image.Image]
    texts: list[str]


def export(
    name: Annotated[str, typer.Argument(metavar="FOLDER", help="An encoder's folder, or embedded.")],
    precision: Annotated[
        Precision, typer.Option("--precision", help="int8 makes another, faster encoder.")
    ] = "float32",
    calibrate_on: Annotated[
        str | None,
        typer.Option("--calibrate-on", metavar="SOURCE", help="int8: a catalog whose images set the 8-bit ranges."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="int8: the new encoder's folder; by default its name with -int8, in this folder."),
    ] = None,
    folder: StoreOption = None,
) -> None:
    """Export an encoder to ONNX Runtime, which is faster on a CPU, and compare it with PyTorch in speed and results."""
    from functools import partial

    from vitrina.search.encoders.base import Runtime, encoder_folder, full_name
    from vitrina.search.encoders.compute import require_models
    from vitrina.search.encoders.registry import load_encoder
    from vitrina.search.types.models import LOCAL_PREFIX

    require_models("torch", "open_clip")
    from vitrina.tuning.export.encoder import compare, export_encoder, export_int8, measure_paces

    source = encoder_folder(full_name(name))
    if source is None:
        raise EncoderError(
            f"{name!r} is not a folder, and an export is written beside the weights.",
            remedy="Save the model as an open_clip folder first, and export that.",
        )
    sample = sample_for(settings_for(folder))
    load = partial(load_encoder, f"{LOCAL_PREFIX}{source}", device="cpu", runtime=Runtime.TORCH)
    before = load(exact=True)
    target = source
    with errors.status("Exporting, about a minute"):
        if precision == "int8":
            target = out or Path(f"{source.name}-int8")
            images = sample.images if calibrate_on is None else images_of(calibrate_on)
            export_int8(source, target, [before.prepare(image) for image in images])
        else:
            export_encoder(source)
    after = load_encoder(f"{LOCAL_PREFIX}{target}", device="cpu", runtime=Runtime.ONNX)
    with errors.status("Measuring"):
        pixels = [before.prepare(image) for image in sample.images]
        agreement = compare(before, after, sample.images, sample.texts)
        paces = measure_paces([load(), after], pixels, sample.texts)
    output.print(pace_table(*paces))
    output.print(agreement_table(agreement))
    print_line(f"Measured on {len(sample.images):,} images and titles of {sample.source}.")
    show_next_step(target, precision, is_slower=paces[0].images_per_s > paces[1].images_per_s)


def sample_for(settings: Settings) -> Sample:
    """Images and titles of the indexed catalog, or of the demo's boutique if nothing is indexed."""
    from vitrina.api.cli.demo import BOUTIQUE
    from vitrina.api.settings import existing_store
    from vitrina.search.images.decode import decode_image
    from vitrina.search.types.errors import NotFoundError

    with suppress(NotFoundError), closing(existing_store(settings)) as store:
        rows = [(item.image_ids[0], item.item.title) for item in store.catalog.all_items() if item.image_ids]
        rows = rows[:: max(1, len(rows) // N_SAMPLE)][:N_SAMPLE]
        images = [decode_image(store.images.read(image_id)).pixels for image_id, _ in rows]
        if images:
            return Sample(f"the catalog in {settings.store}", images, [title for _, title in rows])
    products = list(islice(images_and_titles(str(BOUTIQUE)), N_DEMO_SAMPLE))
    return Sample("the demo's boutique", [image for image, _ in products], [title for _, title in products])


def images_of(location: str) -> list[Image.Image]:
    """The first images of a catalog. Raises SourceError if none can be read."""
    images = [image for image, _ in islice(images_and_titles(location), N_SAMPLE)]
    if not images:
        raise SourceError(f"{location} has no image that can be read.", remedy="Name a catalog with images.")
    return images


def images_and_titles(location: str) -> Iterator[tuple[Image.Image, str]]:
    """Every image of a catalog that can be read, with its item's title."""
    from vitrina.indexer.fetch import Fetcher
    from vitrina.indexer.preparation import load_image
    from vitrina.indexer.sources import open_source
    from vitrina.indexer.sources.base import Record
    from vitrina.search.images.decode import decode_image

    with closing(Fetcher()) as fetcher:
        for row in open_source(location, {}).rows():
            if isinstance(row, Record):
                for reference in row.images:
                    try:
                        yield decode_image(load_image(reference, fetcher)).pixels, row.item.title
                    except InputError:
                        continue


def pace_table(torch: Pace, onnx: Pace) -> Table:
    """Speeds before and after."""
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
    """How close the exported encoder's embeddings and rankings are to PyTorch's."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("agreement", "mean cosine", "least cosine", "of 10 nearest images kept"):
        table.add_column(column, justify="left" if column == "agreement" else "right")
    image, text = agreement.kept_for_images, agreement.kept_for_texts
    table.add_row("images", f"{agreement.mean_image_cosine:.5f}", f"{agreement.min_image_cosine:.5f}", f"{image:.1%}")
    table.add_row("texts", f"{agreement.mean_text_cosine:.5f}", f"{agreement.min_text_cosine:.5f}", f"{text:.1%}")
    return table


def show_next_step(target: Path, precision: Precision, *, is_slower: bool) -> None:
    """Print how the export is used, and how not to use it where PyTorch is faster."""
    if precision == "int8":
        print_line(f"{target} is another encoder. Embed the catalog with it: vitrina encoder use {target}")
    else:
        print_line(f"The export in {target} is used from now on wherever there is no GPU.")
        if is_slower:
            print_line("PyTorch embeds images faster on this machine; VITRINA_RUNTIME=torch keeps to it.")
