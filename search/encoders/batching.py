"""Batches: what concurrent searches ask of one encoder is encoded together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar, cast

import numpy as np
from PIL import Image

from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.late_interaction import EncodedText, encoded_texts
from vitrina.search.types.calibration import Calibration
from vitrina.search.types.models import EncoderIdentity, Pixels, Vectors

MAX_BATCH = 32
"""The most inputs that are encoded together, as many as ONNX Runtime is given at a time anyway."""

MAX_SHARED = 8
"""The most inputs of a call that shares a batch; an import's are batches of their own already."""


N_BEFORE = 16
FIRST_SHARE = 0.5
"""How many threads may take a slot before one in the background that waits for one, too; those that go first, which
have a deadline, count half."""


class ComputeSlots:
    """Lets at most ``n`` threads compute at a time. A thread that waits for another's result gives its slot away, and
    gets one back before threads that have not begun. What computes in the background goes after all others, but waits
    for about ``N_BEFORE`` of them at most."""

    def __init__(self, n: int) -> None:
        self._n_free = n
        self._lock = threading.Lock()
        self._first: deque[threading.Event] = deque()
        self._waiting: deque[threading.Event] = deque()
        self._in_background: deque[threading.Event] = deque()
        self._n_before = 0.0
        self._held = threading.local()

    @contextmanager
    def taken(self, *, goes_first: bool = False) -> Iterator[None]:
        """Waits for a slot, and keeps it inside the context."""
        self._take(goes_first=goes_first)
        self._held.any = True
        try:
            yield
        finally:
            self._held.any = False
            self._give()

    @contextmanager
    def taken_in_background(self, timeout_s: float | None = None) -> Iterator[bool]:
        """Waits for a slot that no other thread wants, for so long at most, and keeps it inside the context; whether
        there was one."""
        turn = self._enter(self._in_background)
        if not turn.wait(timeout_s):
            with self._lock:
                if not turn.is_set():
                    self._in_background.remove(turn)
        try:
            yield turn.is_set()
        finally:
            if turn.is_set():
                self._give()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """Gives the thread's slot away, if it has one, and waits for one at the end of the context."""
        if not getattr(self._held, "any", False):
            yield
            return
        self._give()
        try:
            yield
        finally:
            self._take(goes_first=True)

    def _take(self, *, goes_first: bool) -> None:
        self._enter(self._first if goes_first else self._waiting).wait()

    def _enter(self, queue: deque[threading.Event]) -> threading.Event:
        """A turn that is set once its thread has a slot."""
        turn = threading.Event()
        with self._lock:
            if self._n_free:
                self._n_free -= 1
                turn.set()
            else:
                queue.append(turn)
        return turn

    def _give(self) -> None:
        with self._lock:
            queue = self._first or self._waiting
            if self._in_background and (not queue or self._n_before >= N_BEFORE):
                queue, self._n_before = self._in_background, 0.0
            elif self._in_background:
                self._n_before += FIRST_SHARE if queue is self._first else 1.0
            if queue:
                queue.popleft().set()  # handed over, so that nobody takes it in between
            else:
                self._n_free += 1


Input = TypeVar("Input")
Output = TypeVar("Output", bound="Vectors | list[EncodedText]")


@dataclass(eq=False, slots=True)
class _Call(Generic[Input, Output]):
    """What one thread asks for, and what it gets."""

    inputs: Sequence[Input]
    outputs: Output | None = None
    error: Exception | None = None
    is_next: bool = False
    changed: threading.Event = field(default_factory=threading.Event)


class _Batches(Generic[Input, Output]):
    """Runs one batch at a time. The thread that asks while nothing runs encodes at once; those that ask meanwhile wait,
    and one of them encodes the inputs of all in the next batch. So a search that is alone waits for nobody."""

    def __init__(self, encode: Callable[[Sequence[Input]], Output], slots: ComputeSlots) -> None:
        self._encode = encode
        self._slots = slots
        self._lock = threading.Lock()
        self._waiting: list[_Call[Input, Output]] = []
        self._is_running = False

    def __call__(self, inputs: Sequence[Input]) -> Output:
        call: _Call[Input, Output] = _Call(inputs)
        with self._lock:
            leads, self._is_running = not self._is_running, True
            if not leads:
                self._waiting.append(call)
        if not leads:
            with self._slots.lent():
                call.changed.wait()
        if leads or call.is_next:
            self._run(call)
        if call.error is not None:
            raise call.error
        assert call.outputs is not None, "A batch has the outputs of every call in it."
        return call.outputs

    def _run(self, own: _Call[Input, Output]) -> None:
        """Encode a thread's own inputs with those that wait, and let another thread run the next batch."""
        batch = [own, *self._joining(len(own.inputs))]
        try:
            self._fill(batch)
        finally:
            with self._lock:
                following = self._waiting.pop(0) if self._waiting else None
                self._is_running = following is not None
            if following is not None:
                following.is_next = True
                following.changed.set()
            for call in batch[1:]:
                call.changed.set()

    def _joining(self, n_inputs: int) -> list[_Call[Input, Output]]:
        """The calls that fit into the batch, the longest waiting first."""
        with self._lock:
            n_calls = 0
            for call in self._waiting:
                n_inputs += len(call.inputs)
                if n_inputs > MAX_BATCH:
                    break
                n_calls += 1
            joining, self._waiting = self._waiting[:n_calls], self._waiting[n_calls:]
        return joining

    def _fill(self, batch: Sequence[_Call[Input, Output]]) -> None:
        """Give each call its outputs. What cannot be encoded together is encoded call by call, so that one search's
        input costs no other its answer."""
        try:
            outputs = self._encode([each for call in batch for each in call.inputs])
        except Exception as error:  # noqa: BLE001 - handed to the thread that asked, which raises it
            if len(batch) == 1:
                batch[0].error = error
                return
            for call in batch:
                self._fill([call])
            return
        first = 0
        for call in batch:
            call.outputs = cast(Output, outputs[first : first + len(call.inputs)])
            first += len(call.inputs)


class BatchingEncoder:
    """An encoder that encodes together what several threads ask for at the same time, up to ``MAX_SHARED`` inputs
    each; longer calls go to it as they are. Every method may be called from any thread.

    A thread that waits for a batch lends its slot of ``slots``.
    """

    def __init__(self, encoder: Encoder, slots: ComputeSlots) -> None:
        self.encoder = encoder
        self._texts: _Batches[str, list[EncodedText]] = _Batches(partial(encoded_texts, encoder), slots)
        self._pixels: _Batches[Pixels, Vectors] = _Batches(encoder.encode_pixels, slots)

    @property
    def identity(self) -> EncoderIdentity:
        """The encoder's own."""
        return self.encoder.identity

    @property
    def calibration(self) -> Calibration | None:
        """The encoder's own."""
        return self.encoder.calibration

    def prepare(self, image: Image.Image) -> Pixels:
        """As the encoder does."""
        return self.encoder.prepare(image)

    def encode_pixels(self, batch: Sequence[Pixels]) -> Vectors:
        """Embed prepared images; shape (len(batch), dimension), unit rows. Blocks."""
        return self._pixels(batch) if 0 < len(batch) <= MAX_SHARED else self.encoder.encode_pixels(batch)

    def encode_images(self, images: Sequence[Image.Image]) -> Vectors:
        """Prepare and embed images; shape (len(images), dimension), unit rows. Blocks."""
        return self.encode_pixels([self.prepare(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Embed texts; shape (len(texts), dimension), unit rows. Blocks."""
        if not 0 < len(texts) <= MAX_SHARED:
            return self.encoder.encode_texts(texts)
        return np.stack([text.vector for text in self._texts(texts)])

    def encode_pieces(self, texts: Sequence[str]) -> list[EncodedText]:
        """Embed texts, and their word pieces if the encoder has a head for them. Blocks."""
        return self._texts(texts) if 0 < len(texts) <= MAX_SHARED else encoded_texts(self.encoder, texts)
