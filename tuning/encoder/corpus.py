"""The corpus of a tuning run: a catalog's rows with images and captions, to train on or held out."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageOps

from vitrina.search.encoders.preprocessing import Preprocessing, Size
from vitrina.search.images.decode import decode_image
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError
from vitrina.tuning.encoder.captions import CaptionTable, TemplateWriter, captions, facets_of, templates_for
from vitrina.tuning.encoder.plan import EncoderPlan
from vitrina.tuning.rows import Split, rows_of, split

LEAST_SIDE = 0.7
"""The least side of a crop, as a part of the image: a product photo is filled by its product."""

ASPECT = 0.1
"""How much a crop's shape may differ from the image's."""

ROOM_BYTES = 512 * 1024 * 1024
"""Decoded images kept in memory, small as they are then: 8,000 for a tower of 80 x 64 pixels, 850 for one of 224."""


class StoreImages:
    """The images of rows, one a row drawn at random, cropped, stretched and mirrored, but never of other colours:
    shoppers search by them. The crop then goes the way of every image, through the encoder's own preprocessing.

    An image is decoded when it is first asked for, to twice the tower's size, and kept while there is room.
    """

    def __init__(
        self,
        store: ImageStore,
        image_ids: Sequence[Sequence[str]],
        preprocessing: Preprocessing,
        *,
        room_bytes: int = ROOM_BYTES,
    ) -> None:
        self._store = store
        self._image_ids = image_ids
        self._preprocessing = preprocessing
        self._side_px = 2 * max(preprocessing.size)
        self._kept: dict[str, Image.Image] = {}
        self._room_bytes = room_bytes
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, "images")

    def __len__(self) -> int:
        return len(self._image_ids)

    def vary(self, indices: torch.Tensor, size: Size, rng: torch.Generator) -> torch.Tensor:
        """An image of each row; float32, shape (n, 3, *size). Blocks.

        Raises NotFoundError, ImageError or StorageError where an image cannot be read.
        """
        chances = torch.rand(len(indices), 6, generator=rng).tolist()
        preprocessing = replace(self._preprocessing, size=size)

        def prepare(index: int, chance: list[float]) -> torch.Tensor:
            image_ids = self._image_ids[index]
            image = self._image(image_ids[int(chance[0] * len(image_ids))])
            return torch.from_numpy(preprocessing(varied(image, chance[1:])))

        return torch.stack(list(self._threads.map(prepare, indices.tolist(), chances)))

    def _image(self, image_id: str) -> Image.Image:
        kept = self._kept.get(image_id)
        if kept is not None:
            return kept
        image = decode_image(self._store.read(image_id), max_side_px=self._side_px).pixels
        n_bytes = image.width * image.height * 3
        with self._lock:
            if n_bytes <= self._room_bytes and image_id not in self._kept:
                self._room_bytes -= n_bytes
                self._kept[image_id] = image
        return image


def varied(image: Image.Image, chance: Sequence[float]) -> Image.Image:
    """A crop of an image, perhaps mirrored, by five numbers between 0 and 1."""
    side, aspect, left, top, mirror = chance
    scale, stretch = LEAST_SIDE + side * (1 - LEAST_SIDE), 1 + ASPECT * (2 * aspect - 1)
    width, height = np.clip([scale * stretch, scale / stretch], 0, 1) * image.size
    x, y = left * (image.width - width), top * (image.height - height)
    crop = image.crop((round(x), round(y), max(round(x) + 1, round(x + width)), max(round(y) + 1, round(y + height))))
    return ImageOps.mirror(crop) if mirror < 0.5 else crop


@dataclass(frozen=True, slots=True)
class EncoderCorpus:
    """Rows to train on and held-out rows, each with the captions that ``templates`` make of them.

    ``facets`` are the fields that shoppers name. ``n_wordless`` rows have images and no caption. ``store`` has the
    images.
    """

    source: str
    rows: Split
    kept_captions: CaptionTable
    held_out_captions: CaptionTable
    templates: tuple[str, ...]
    facets: tuple[str, ...]
    n_wordless: int
    store: ImageStore

    def writer(self) -> TemplateWriter:
        """Captions the rows to train on."""
        return TemplateWriter(self.kept_captions)


def read_corpus(store: Store, plan: EncoderPlan) -> EncoderCorpus:
    """Read the catalog's rows. Blocks. Raises InputError if they cannot be tuned on, and says what is missing."""
    rows = rows_of(store.catalog.all_items())
    templates = templates_for(rows, plan.captions)
    captioned = [row for row in rows if any(captions(template, row.item) for template in templates)]
    if not captioned:
        raise InputError(
            f"None of {len(rows):,} rows with images has the fields of any template.",
            remedy="Give templates of fewer fields: a row must have every field of one of them.",
        )
    parts = split(captioned, plan.held_out)
    return EncoderCorpus(
        source=store.folder.name,
        rows=parts,
        kept_captions=CaptionTable(parts.kept, templates),
        held_out_captions=CaptionTable(parts.held_out, templates),
        templates=tuple(template.name for template in templates),
        facets=tuple(facets_of([row.item for row in rows])),
        n_wordless=len(rows) - len(captioned),
        store=store.images,
    )
