"""The plan of a tuning run, and its corpus: a catalog's rows with images and captions, on either side of the split."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image, ImageOps

from vitrina.search.encoders.base import Preprocessing, Size
from vitrina.search.images.decode import decode_image
from vitrina.search.store.images import ImageStore
from vitrina.search.store.store import Store
from vitrina.search.types.errors import InputError
from vitrina.tuning import Loss, TunedTower
from vitrina.tuning.encoder.captions import CaptionTable, TemplateWriter, captions, facets_of, templates_for
from vitrina.tuning.encoder.trainer import EncoderSchedule, LossWeights
from vitrina.tuning.loop import LEARNING_RATES, check_numbers
from vitrina.tuning.lora import is_small
from vitrina.tuning.rows import Split, rows_of, split

STEPS_AN_EPOCH = 8
LARGEST_BATCH, SMALLEST_BATCH = 128, 32
"""A batch is 128 rows, or less where an epoch would have fewer than 8 steps: a contrastive loss wants many rows to tell
apart, and a small catalog still needs steps. On a shop that the encoder knew well, batches of 16 lost nDCG@10 (0.683 to
0.661 in three epochs at 3e-4), and batches of 32 gained (0.779 to 0.797 in six, with another part held out)."""

MIN_PART = 8
"""Rows of a batch that one core works on at least."""


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """How to tune. None takes what suits the model and the catalog. ``licence`` is the data's, for the card.

    Raises InputError for numbers that cannot be.
    """

    captions: tuple[str, ...] = ()
    loss: Loss | None = None
    freeze: TunedTower | None = None
    lora_rank: int | None = None
    n_epochs: int = 10
    batch_size: int | None = None
    learning_rate: float | None = None
    seed: int = 0
    held_out: float = 0.1
    patience: int = 3
    licence: str = ""

    def __post_init__(self) -> None:
        check_numbers("rows", self.held_out, self.learning_rate)

    def loss_of(self, model: torch.nn.Module) -> Loss:
        """The loss asked for, or the one that the model was trained with: SigLIP's have a bias."""
        return self.loss or (Loss.CLIP if getattr(model, "logit_bias", None) is None else Loss.SIGLIP)

    def loss_weights(self, model: torch.nn.Module) -> LossWeights:
        """The weights of the losses that this comes to."""
        sigmoid = self.loss_of(model) is Loss.SIGLIP
        return LossWeights(softmax=float(not sigmoid), sigmoid=float(sigmoid))

    def schedule(self, model: torch.nn.Module, n_rows: int) -> EncoderSchedule:
        """The run's schedule for a model and the number of rows to train on.

        Batch norms keep their statistics: over 225 boutique rows, in batches of 64, the embedded encoder's nDCG@10 fell
        from 0.768 to 0.685 in five epochs with those of the batches, and rose to 0.784 with its own.
        """
        small = is_small(model)
        batch_size = min(self.batch_size or batch_size_for(n_rows), n_rows)
        alone = self.lora_rank is not None or not small or next(model.parameters()).device.type != "cpu"
        return EncoderSchedule(
            n_epochs=self.n_epochs,
            batch_size=batch_size,
            learning_rate=self.learning_rate or LEARNING_RATES[small, self.lora_rank is not None],
            warmup=0.1,
            average_decay=None,
            keep_statistics=True,
            n_parts=1 if alone else max(1, min(torch.get_num_threads(), batch_size // MIN_PART)),
            seed=self.seed,
        )


def batch_size_for(n_rows: int) -> int:
    """The largest power of 2 that leaves enough steps an epoch, within bounds."""
    size = LARGEST_BATCH
    while size > SMALLEST_BATCH and n_rows < size * STEPS_AN_EPOCH:
        size //= 2
    return size


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
