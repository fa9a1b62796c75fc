"""Localization: where in an image a statement is true, as a box or a heatmap."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageStat

from vitrina.search.encoders.base import Encoder
from vitrina.search.images.drawing import in_columns, label, with_box, with_heatmap
from vitrina.search.reranking.base import Box, Deadline, RerankCandidate, Reranker
from vitrina.search.types.errors import RerankerError

log = logging.getLogger(__name__)

Heatmap = NDArray[np.float32]
"""The relevance of each place of an image, shape (height, width), 0 to 1; relative within the image, so that it shows
where a statement fits best, not whether it is true."""

WINDOWS = ((3, 0.5), (5, 0.3))
"""Windows along each side, and a window's side as a fraction of the image's, as the geometric mean of both sides.

Measured with the embedded encoder on drawings of the boutique. Two side by side: the highest place lies in the right
half for all of 144 (with 5 x 5 windows of 0.35 alone, for 0.75 of a wide image's 48). Two of a third to half a
image's width, anywhere: it lies in the right box for 0.93 of 144 (with windows of 0.5 alone, for 0.24)."""

_SPREAD = 0.25
"""Standard deviation, in windows' sides, of how a window counts around its middle. 0.2 and 0.3 find as much."""

_PLAIN = 0.5
"""The weight of a window of one colour, relative to the most varied one: a bare wall matches everything a little, and
few statements are about it. Judged by eye: at 1 the lining of a shoe is found on the wall above it."""

_OVERLAP = 1.2
"""The windows of a side add up to this multiple of it at least, so that no place of a long image is left out."""

SIDE_CELLS = 64
"""The heatmap's longer side."""

_MIN_SPREAD = 1e-6
"""Smaller differences in relevance count as none."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a statement fits an image: a model's box, or an encoder's heatmap.

    ``is_fallback``: a model that gives boxes failed or was late, so the next answer may be a box.
    """

    statement: str
    box: Box | None = None
    heatmap: Heatmap | None = None
    is_fallback: bool = False


def regions(
    candidate: RerankCandidate,
    statements: Sequence[str],
    encoder: Encoder,
    reranker: Reranker | None,
    deadline: Deadline,
) -> list[Region]:
    """Return one region for each statement about a candidate that has an image.

    It is the reranker's box if it gives one in time, else a heatmap; all heatmaps come from one run of the encoder,
    which has no deadline. Blocks. Logs the reranker's failures.
    """
    if candidate.pixels is None or not statements:
        return []
    boxes: dict[str, Box] = {}
    failed: set[str] = set()
    if reranker is not None and reranker.capabilities.boxes:
        boxes, failed = _located(candidate, statements, reranker, deadline)
    left = [statement for statement in dict.fromkeys(statements) if statement not in boxes]
    heatmaps = dict(zip(left, relevance(encoder, candidate.pixels, left), strict=True))
    return [
        Region(statement, boxes.get(statement), heatmaps.get(statement), statement in failed)
        for statement in statements
    ]


def relevance(encoder: Encoder, image: Image.Image, statements: Sequence[str]) -> list[Heatmap]:
    """Return where an image matches each statement: by how much the cosines of overlapping windows exceed the least of
    them, each spread around its window's centre and summed.

    Not averaged: a place in a corner, which few windows reach, would score as high as the one window there (the highest
    place in the right box for 0.34 of 144, not 0.93).

    Any encoder can do it, in one batch of 34: on two cores 40 ms with the embedded one as exported, 60 ms with PyTorch,
    and seconds with a ViT-B. Features of an image tower's last map would take one image, but are of little use where
    an encoder learned from whole images: the embedded one's, each through the pooled head as in MaskCLIP (Zhou et
    al., 2022), had their highest place in the box of 0.06 to 0.58 of 120 drawings, by the size of the image, where
    averaged windows had theirs in 0.80. Blocks; uses the GPU where the encoder does.
    """
    if not statements:
        return []
    boxes, weights = _windows(*_cells(image.size))
    small = _reduced(image, encoder)
    crops = [small.crop(_pixels(box, small.size)) for box in boxes]
    cosines = encoder.encode_images(crops) @ encoder.encode_texts(statements).T  # (n windows, n statements)
    matches = (cosines - cosines.min(axis=0)) * _variety(crops)[:, None]
    return [_stretched(np.tensordot(column, weights, axes=1)) for column in matches.T]


def _located(
    candidate: RerankCandidate, statements: Sequence[str], reranker: Reranker, deadline: Deadline
) -> tuple[dict[str, Box], set[str]]:
    """The boxes of the statements that the reranker located, and the statements at which it failed or was late."""
    boxes: dict[str, Box] = {}
    failed: set[str] = set()
    for statement in dict.fromkeys(statements):
        try:
            box = reranker.locate(candidate, statement, deadline) if deadline.seconds_left else None
        except RerankerError as error:
            log.warning("A statement is located without the reranker: %s", error)
            failed.add(statement)
            continue
        if box is not None:
            boxes[statement] = box
        elif not deadline.seconds_left:
            failed.add(statement)
    return boxes, failed


def _cells(size: tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image's heatmap."""
    scale = SIDE_CELLS / max(size)
    return max(1, round(size[1] * scale)), max(1, round(size[0] * scale))


@lru_cache(maxsize=64)
def _windows(height: int, width: int) -> tuple[tuple[Box, ...], NDArray[np.float32]]:
    """The windows, and the weight of each at each place, shape (n windows, height, width). The weights of one size sum
    to at most 1 at any place."""
    boxes: list[Box] = []
    weights: list[NDArray[np.float64]] = []
    for n_a_side, part in WINDOWS:
        across, down = (_part(part, n_a_side, own, other) for own, other in ((width, height), (height, width)))
        lefts, tops = (np.linspace(0, 1 - each, n_a_side).tolist() for each in (across, down))
        same = [Box(left, top, left + across, top + down) for top in tops for left in lefts]
        bells = np.stack(
            [np.outer(_bell(box.top, box.bottom, height), _bell(box.left, box.right, width)) for box in same]
        )
        boxes += same
        weights.append(bells / bells.sum(axis=0).max())
    return tuple(boxes), np.concatenate(weights).astype(np.float32)


def _part(part: float, n_a_side: int, own: int, other: int) -> float:
    """A square window's side as a fraction of the image's side; longer if the windows would not meet."""
    return float(min(1.0, max(part * np.sqrt(other / own), _OVERLAP / n_a_side)))


def _bell(start: float, end: float, n_places: int) -> NDArray[np.float64]:
    """A normal curve around the middle of a window, 1 there, shape (n places,)."""
    places = (np.arange(n_places) + 0.5) / n_places
    bell: NDArray[np.float64] = np.exp(-0.5 * ((places - (start + end) / 2) / (_SPREAD * (end - start))) ** 2)
    return bell


def _variety(crops: Sequence[Image.Image]) -> NDArray[np.float32]:
    """The weight of each window by its spread of colours, shape (n windows,): from ``_PLAIN`` for one colour to 1 for
    half of the largest spread or more."""
    deviations = np.array([np.mean(ImageStat.Stat(crop).stddev) for crop in crops])
    varied = np.minimum(2 * deviations / max(deviations.max(), 1e-6), 1)
    return np.asarray(_PLAIN + (1 - _PLAIN) * varied, np.float32)


def _reduced(image: Image.Image, encoder: Encoder) -> Image.Image:
    """The image reduced to what its smallest windows need. Twice that size finds no more, and scaling it down takes as
    long as embedding it."""
    height, width = encoder.prepare(Image.new("RGB", (8, 8))).shape[1:]
    most = round(max(height, width) / min(part for _, part in WINDOWS))
    if max(image.size) <= most:
        return image
    scale = most / max(image.size)
    return image.resize((max(1, round(image.width * scale)), max(1, round(image.height * scale))))


def _pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """A box's corners in pixels, at least one apart."""
    width, height = size
    left, top = int(box.left * width), int(box.top * height)
    return left, top, max(left + 1, round(box.right * width)), max(top + 1, round(box.bottom * height))


def _stretched(relevant: NDArray[np.float32]) -> Heatmap:
    """From 0 to 1; all 0 where every place is the same."""
    low, high = float(relevant.min()), float(relevant.max())
    if high - low < _MIN_SPREAD:
        return np.zeros_like(relevant, dtype=np.float32)
    return ((relevant - low) / (high - low)).astype(np.float32)


_LAST_LATIN = "\u024f"
"""The font that Pillow brings knows no other letters."""


def illustrated(image: Image.Image, regions: Sequence[Region], side_px: int) -> Image.Image:
    """One panel a region, in a row, RGB; each panel's longer side is ``side_px``. Needs at least one region.

    A panel is labelled with its statement, or with its number where the font lacks the statement's letters. Drawing one
    takes some 90 bytes a pixel, and 60 ms for 640 x 640 pixels.
    """
    scale = side_px / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    resized = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    return in_columns([_panel(resized, region, number) for number, region in enumerate(regions, start=1)])


def _panel(image: Image.Image, region: Region, number: int) -> Image.Image:
    text = region.statement if max(region.statement, default=" ") <= _LAST_LATIN else str(number)
    if region.box is not None:
        box = region.box
        panel = with_box(image, (box.left, box.top, box.right, box.bottom))
        label(panel, text, (box.left, box.top))
        return panel
    assert region.heatmap is not None
    panel = with_heatmap(image, region.heatmap)
    label(panel, text)
    return panel
