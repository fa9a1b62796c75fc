"""Text as a model generates it: in pieces, held to a pattern, stopped in time, and read for boxes."""

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

Write = Callable[[dict[str, Any]], None]
"""Generates with these arguments besides its own: a streamer and stopping criteria."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """A pattern compiled for one tokenizer, by xgrammar."""

    compiled: Any

    @classmethod
    def of(cls, pattern: str, tokenizer: Any, *, n_logits: int, stop_tokens: list[int]) -> Grammar | None:
        """Compile a regular expression; None where xgrammar is not installed or cannot read the tokenizer."""
        try:
            import xgrammar
        except ImportError:
            log.info("xgrammar is not installed (extra 'rerank'): explanations are held to no pattern.")
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
        """What holds one run of ``generate`` to the pattern; a new one each time, since it counts along."""
        from xgrammar.contrib.hf import LogitsProcessor

        return LogitsProcessor(self.compiled)


@dataclass(slots=True)
class Halt:
    """A stopping criterion of transformers: the reader went away, or it is too late."""

    deadline: Deadline
    asked: threading.Event = field(default_factory=threading.Event)

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        late = self.asked.is_set() or self.deadline.seconds_left <= 0
        return torch.full((len(input_ids),), late, dtype=torch.bool, device=input_ids.device)


def streamed(write: Write, tokenizer: Any, deadline: Deadline, executor: Executor) -> Iterator[str]:
    """Run ``write`` in another thread, and yield what it writes until it ends or the deadline passes.

    Whoever stops reading stops the writing. Raises what ``write`` raised.
    """
    from transformers import StoppingCriteriaList, TextIteratorStreamer

    halt = Halt(deadline)
    streamer = TextIteratorStreamer(
        tokenizer, skip_prompt=True, timeout=deadline.seconds_left, skip_special_tokens=True
    )

    def run() -> None:
        try:
            write({"streamer": streamer, "stopping_criteria": StoppingCriteriaList([halt])})
        finally:
            streamer.on_finalized_text("", stream_end=True)  # after an error, too; after an end it is not read

    writing = executor.submit(run)
    try:
        yield from (piece for piece in streamer if piece)
        writing.result()
    except queue.Empty:  # no word within the whole of the deadline
        return
    finally:
        halt.asked.set()


class Measure(StrEnum):
    """In what a family counts the corners of a box."""

    THOUSANDTHS = "thousandths"
    """Of the picture's width and height, 0 to 1000."""
    PIXELS = "pixels"
    """Of the picture as the processor resized it."""
    PLACES = "places"
    """A token for each of ``N_PLACES`` places, evenly from edge to edge: ``<loc_0>`` to ``<loc_31>``."""


N_PLACES = 32

MEASURES: Mapping[str, Measure] = {
    "qwen2_vl": Measure.THOUSANDTHS,
    "qwen2_5_vl": Measure.PIXELS,
    "qwen3_vl": Measure.THOUSANDTHS,
    "qwen3_vl_moe": Measure.THOUSANDTHS,
    "fast_vlm": Measure.PLACES,
}
"""The families, by the ``model_type`` of their configuration, that were trained to write boxes, as their model cards
say; of FastVLM's, the embedded model. Molmo writes points, the others nothing of the kind."""

_NUMBER = r"-?\d+(?:\.\d+)?"
_GAP = r"[\s,;()\[\]]+"
_CORNERS = re.compile(rf"(?<![\w.])({_NUMBER}){_GAP}({_NUMBER}){_GAP}({_NUMBER}){_GAP}({_NUMBER})(?![\w.]*\d)")
"""Four numbers with nothing but brackets and commas between: ``(1,2),(3,4)``, ``"bbox_2d": [1, 2, 3, 4]``."""

_PLACES = re.compile(r"<loc_(\d+)>\s*<loc_(\d+)>\s*<loc_(\d+)>\s*<loc_(\d+)>")

_SCALES = {Measure.THOUSANDTHS: (1000, 1000), Measure.PLACES: (N_PLACES - 1, N_PLACES - 1)}


def box_in(text: str, measure: Measure, size: tuple[int, int]) -> Box | None:
    """The first box in what a model wrote, in parts of the picture; None where there is none, or an empty one.

    ``size`` is the width and height of the resized picture, in pixels. Corners in the wrong order are put right, and
    those outside of the picture brought to its edge.
    """
    found = (_PLACES if measure is Measure.PLACES else _CORNERS).search(text)
    if found is None:
        return None
    corners = [float(number) for number in found.groups()]
    width, height = _SCALES.get(measure, size)
    across = sorted(_within(corner / width) for corner in corners[0::2])
    down = sorted(_within(corner / height) for corner in corners[1::2])
    if across[0] == across[1] or down[0] == down[1]:
        return None
    return Box(left=across[0], top=down[0], right=across[1], bottom=down[1])


def _within(part: float) -> float:
    return min(1.0, max(0.0, part))
