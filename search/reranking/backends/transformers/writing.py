"""Text as a model writes it: in pieces, held to a pattern, and stopped in time."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any

from search.reranking.base import Deadline

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
