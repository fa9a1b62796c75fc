"""Generation: streamed, constrained by a grammar, stopped at a deadline; and the boxes in its text."""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vitrina.search.reranking.base import Box, Deadline

log = logging.getLogger(__name__)

Generate = Callable[[dict[str, Any]], None]
"""Runs ``generate`` with these additional arguments: a streamer and stopping criteria."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A regular expression compiled for one tokenizer by xgrammar."""

    compiled: Any

    @classmethod
    def of(cls, pattern: str, tokenizer: Any, *, n_logits: int, stop_tokens: list[int]) -> Grammar | None:
        """Compile a regular expression. Returns None if xgrammar is not installed or cannot read the tokenizer."""
        try:
            import xgrammar
        except ImportError:
            log.info("xgrammar is not installed (extra 'rerank'): explanations are not constrained to a pattern.")
            return None
        try:
            vocabulary = xgrammar.TokenizerInfo.from_huggingface(
                tokenizer, vocab_size=n_logits, stop_token_ids=stop_tokens
            )
            return cls(xgrammar.GrammarCompiler(vocabulary, max_threads=1).compile_regex(pattern))
        except (RuntimeError, ValueError) as error:
            log.warning("xgrammar cannot use the model's tokenizer: %s", error)
            return None

    def processor(self) -> Any:
        """Return a logits processor for one run of ``generate``; a new one each time, since it has state."""
        from xgrammar.contrib.hf import LogitsProcessor

        return LogitsProcessor(self.compiled)


@dataclass(slots=True)
class StopOnDeadline:
    """A stopping criterion of transformers: the reader has stopped, or the deadline has passed."""

    deadline: Deadline
    asked: threading.Event = field(default_factory=threading.Event)

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        late = self.asked.is_set() or self.deadline.seconds_left <= 0
        return torch.full((len(input_ids),), late, dtype=torch.bool, device=input_ids.device)


def stream_text(generate_with: Generate, tokenizer: Any, deadline: Deadline, executor: Executor) -> Iterator[str]:
    """Run ``generate_with`` in another thread, and yield its text until it ends or the deadline passes.

    Closing the iterator stops the generation. Raises what ``generate_with`` raised.
    """
    from transformers import StoppingCriteriaList, TextIteratorStreamer

    stopping = StopOnDeadline(deadline)
    streamer = TextIteratorStreamer(
        tokenizer, skip_prompt=True, timeout=deadline.seconds_left, skip_special_tokens=True
    )

    def run() -> None:
        try:
            generate_with({"streamer": streamer, "stopping_criteria": StoppingCriteriaList([stopping])})
        finally:
            streamer.on_finalized_text("", stream_end=True)  # also after an error; after a regular end it is not read

    writing = executor.submit(run)
    try:
        yield from (piece for piece in streamer if piece)
        writing.result()
    except queue.Empty:  # no text before the deadline
        return
    finally:
        stopping.asked.set()


class BoxUnit(StrEnum):
    """The unit of the corners of a box in a model family's output."""

    THOUSANDTHS = "thousandths"
    """Of the image's width and height, 0 to 1000."""
    PIXELS = "pixels"
    """Of the image as resized by the processor."""
    PLACES = "places"
    """A token for each of ``N_PLACES`` positions, evenly from edge to edge: ``<loc_0>`` to ``<loc_31>``."""


N_PLACES = 32

BOX_UNITS: Mapping[str, BoxUnit] = {
    "qwen2_vl": BoxUnit.THOUSANDTHS,
    "qwen2_5_vl": BoxUnit.PIXELS,
    "qwen3_vl": BoxUnit.THOUSANDTHS,
    "qwen3_vl_moe": BoxUnit.THOUSANDTHS,
    "fast_vlm": BoxUnit.PLACES,
}
"""Model families by ``model_type`` that were trained to write boxes, according to their model cards; of FastVLM's, the
embedded model. Molmo writes points, the others neither."""

_NUMBER = r"-?\d+(?:\.\d+)?"
_GAP = r"[\s,;()\[\]]+"
_CORNERS = re.compile(rf"(?<![\w.])({_NUMBER}){_GAP}({_NUMBER}){_GAP}({_NUMBER}){_GAP}({_NUMBER})(?![\w.]*\d)")
"""Four numbers with nothing but brackets and commas between: ``(1,2),(3,4)``, ``"bbox_2d": [1, 2, 3, 4]``."""

_PLACES = re.compile(r"<loc_(\d+)>\s*<loc_(\d+)>\s*<loc_(\d+)>\s*<loc_(\d+)>")

_SCALES = {BoxUnit.THOUSANDTHS: (1000, 1000), BoxUnit.PLACES: (N_PLACES - 1, N_PLACES - 1)}


def parse_box(text: str, unit: BoxUnit, size: tuple[int, int]) -> Box | None:
    """Return the first box in a model's text, in fractions of the image; None without one, or if it is empty.

    ``size`` is the width and height of the resized image, in pixels. Corners in the wrong order are swapped, and those
    outside the image are clipped to its edge.
    """
    found = (_PLACES if unit is BoxUnit.PLACES else _CORNERS).search(text)
    if found is None:
        return None
    corners = [float(number) for number in found.groups()]
    width, height = _SCALES.get(unit, size)
    across = sorted(_within(corner / width) for corner in corners[0::2])
    down = sorted(_within(corner / height) for corner in corners[1::2])
    if across[0] == across[1] or down[0] == down[1]:
        return None
    return Box(left=across[0], top=down[0], right=across[1], bottom=down[1])


def _within(part: float) -> float:
    return min(1.0, max(0.0, part))
