"""Sources: what the matcher learns from, and what is known of its images before training."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from recipes.encoder.corpus import LabelledRows, Say, repeat_factors
from recipes.encoder.held_out import CALTECH, OPEN_SETS, held_out_class
from recipes.encoder.images import PLAIN, decode
from recipes.encoder.labels import LabelledProduct
from recipes.encoder.pretrained import imagenet_classifier, imagenet_names
from recipes.encoder.sources import SOURCES, is_learnt, is_measured, read_file, read_sources, stored_images
from recipes.encoder.texts import save_array
from recipes.matcher.model import N_LAST, N_ROWS, SIDE
from recipes.reranker.statements import SoftLabels
from vitrina.search.encoders.base import BesideImages, TextEncoder
from vitrina.search.reranking.backends.onnx.vlm import ExportedVlm

UNSEEN = "unseen"
"""What the rows of classes that nothing was learnt from are called."""

TITLED = ("sweethome3d-icons", "sweethome3d-renders", "emoji-objects", "openclipart-objects")
"""Sources whose title says what is shown, where the category is a wide one."""


@dataclass(frozen=True, slots=True)
class MatchCorpus:
    """The rows of every source."""

    rows: Sequence[LabelledRows]

    @classmethod
    def read(cls, data: Path, work: Path, say: Say) -> MatchCorpus:
        """The sources of the encoder; what has to be drawn is kept in ``work``. Raises OSError where a file is
        missing."""
        return cls([_named(part) for part in read_sources(data, work, say)])

    @classmethod
    def open_sets(cls, data: Path) -> MatchCorpus:
        """The files alone that show classes which nothing is learnt from. Raises OSError where one is missing."""
        names = [source.name for source in SOURCES if source.name.startswith(OPEN_SETS)]
        return cls([_named(read_file(data, name)) for name in names])

    @property
    def learnt(self) -> list[LabelledRows]:
        """The rows to train on, of sources that have any."""
        parts = [part.where(is_learnt(part)) for part in self.rows]
        return [part for part in parts if part.products]

    @property
    def held_out(self) -> list[LabelledRows]:
        """The rows held out for tuning, of shops and classes that are trained on; then those of no other class."""
        parts = [part.split()[1] for part in self.rows]
        kept = [part.where([not is_measured(part, product) for product in part.products]) for part in parts]
        return [*(part for part in kept if part.products), self.unseen]

    @property
    def unseen(self) -> LabelledRows:
        """The rows of classes that nothing was learnt from, each with its class as its kind."""
        found = [
            (replace(product, kinds=(called,), title=called), image)
            for part in self.rows
            for product, image in zip(part.products, part.images, strict=True)
            if (called := held_out_class(part.source, product.title, " ".join(product.kinds)))
        ]
        return LabelledRows(UNSEEN, tuple(product for product, _ in found), tuple(image for _, image in found))


def _named(rows: LabelledRows) -> LabelledRows:
    """The rows with a kind that says what is shown: the title, or a class as it is said, grand piano for
    ``grand_piano``."""
    if rows.source in TITLED:
        return replace(rows, products=tuple(replace(product, kinds=(product.title,)) for product in rows.products))
    if rows.source.startswith(CALTECH):
        return replace(rows, products=tuple(_spoken(product) for product in rows.products))
    return rows


def _spoken(product: LabelledProduct) -> LabelledProduct:
    kinds = tuple(kind.replace("_", " ").lower() for kind in product.kinds)
    return replace(product, kinds=kinds, title=product.title.replace("_", " "))


Describe = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""From pixels, (n, 3, ``SIDE``, ``SIDE``), to numbers of each image."""

DescribeWhole = Callable[[Sequence[Image.Image]], NDArray[Any]]
"""From images as they are, for models that prepare them themselves."""

DESCRIBED_TOGETHER = 256


def squashed(rows: LabelledRows, work: Path) -> NDArray[np.uint8]:
    """The images of a source, squashed to a square; uint8, (n, 3, ``SIDE``, ``SIDE``), kept in ``work``."""
    pixels: NDArray[np.uint8] = stored_images(rows, PLAIN, work, SIDE, "squash").images.numpy()
    return pixels


def described(rows: Sequence[LabelledRows], what: str, describe: Describe, work: Path, say: Say) -> NDArray[Any]:
    """Numbers for every image, (n, ...), made once a source and kept in ``work``. Blocks."""

    def batches(part: LabelledRows) -> Iterator[NDArray[Any]]:
        pixels = squashed(part, work)
        for start in range(0, len(pixels), DESCRIBED_TOGETHER):
            yield describe(pixels[start : start + DESCRIBED_TOGETHER])

    return _made_once(rows, what, batches, work, say)


def described_whole(
    rows: Sequence[LabelledRows], what: str, describe: DescribeWhole, work: Path, say: Say
) -> NDArray[Any]:
    """As ``described``, of the images as they are."""

    def batches(part: LabelledRows) -> Iterator[NDArray[Any]]:
        for start in range(0, len(part.images), DESCRIBED_TOGETHER):
            yield describe([decode(image) for image in part.images[start : start + DESCRIBED_TOGETHER]])

    return _made_once(rows, what, batches, work, say)


def _made_once(
    rows: Sequence[LabelledRows],
    what: str,
    batches: Callable[[LabelledRows], Iterator[NDArray[Any]]],
    work: Path,
    say: Say,
) -> NDArray[Any]:
    found = []
    for part in rows:
        path = work / f"{what}-{part.source}-{len(part.images)}.npy"
        if not path.is_file():
            say(f"{what} of {len(part.images)} images of {part.source}")
            save_array(path, np.concatenate(list(batches(part))))
        found.append(np.load(path))
    return np.concatenate(found)


def encoder_vectors(rows: Sequence[LabelledRows], encoder: BesideImages, work: Path, say: Say) -> NDArray[np.float32]:
    """The encoder's vectors of every image, (n, d)."""
    return described_whole(rows, "vectors", encoder.encode_images, work, say)


def model_features(rows: Sequence[LabelledRows], vlm: ExportedVlm, work: Path, say: Say) -> NDArray[np.float16]:
    """What the vision-language model's tower makes of every image, (n, places, width)."""

    def describe(images: Sequence[Image.Image]) -> NDArray[np.float16]:
        parts = [images[start : start + 32] for start in range(0, len(images), 32)]
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            return np.concatenate(list(pool.map(vlm.features, parts))).astype(np.float16)

    return described_whole(rows, "model", describe, work, say)


def imagenet_probabilities(classifier: Any, last_maps: NDArray[np.float16]) -> NDArray[np.float16]:
    """What timm's EfficientNet says of images whose last map is known, (n, rows, columns, features); shape (n, 1000).
    Blocks for seconds per 10,000."""

    def of(maps: NDArray[np.float16]) -> torch.Tensor:
        states = torch.from_numpy(maps).float().permute(0, 3, 1, 2)
        states = classifier.bn2(classifier.conv_head(states))
        logits: torch.Tensor = classifier.classifier(classifier.global_pool(states))
        return logits.softmax(dim=1).half()

    starts = range(0, len(last_maps), DESCRIBED_TOGETHER)
    with torch.inference_mode():
        return torch.cat([of(last_maps[start : start + DESCRIBED_TOGETHER]) for start in starts]).numpy()


def soft_labels(rows: Sequence[LabelledRows], maps: NDArray[np.float16], encoder: TextEncoder) -> SoftLabels:
    """ImageNet's classes of every image, from what the tower made of it, but for those that are measured as never seen.
    Blocks for a minute."""
    classifier = imagenet_classifier()
    last = maps[..., -N_LAST:].reshape(len(maps), N_ROWS, N_ROWS, N_LAST)
    names = [() if any(held_out_class(CALTECH, name) for name in group) else group for group in imagenet_names()]
    products = [product for part in rows for product in part.products]
    return SoftLabels.checked_by(encoder, products, imagenet_probabilities(classifier, last), names)


def repeats_of(rows: Sequence[LabelledRows], n_images: int) -> torch.Tensor:
    """How often each product is shown in an epoch of ``n_images``, by its source's share; float, shape (n,)."""
    shares: Mapping[str, float] = {source.name: source.share for source in SOURCES}
    n_rows, parts = sum(len(part.products) for part in rows), []
    for part in rows:
        factors = repeat_factors(part.products)
        parts.append(shares.get(part.source, len(part.products) / n_rows) * factors / factors.sum())
    repeats = torch.cat(parts)
    return n_images * repeats / repeats.sum()
