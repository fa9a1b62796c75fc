"""The reranker that the settings name, opened at once or in the background of a service."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType

from vitrina.api.settings import Settings
from vitrina.indexer.backfill import precompute_image
from vitrina.indexer.features import FeatureStage
from vitrina.search.encoders.base import Runtime
from vitrina.search.encoders.batching import ComputeSlots
from vitrina.search.reranking.backends import RerankerOptions, host_of, is_address, open_by_name
from vitrina.search.reranking.backends.model_folders import (
    EMBEDDED,
    MAX_PIXELS,
    identity_of,
    local_folder,
    matched_identity,
    n_weight_bytes,
)
from vitrina.search.reranking.base import Capabilities, Reranker, key_of
from vitrina.search.reranking.client import NOTES, CacheCounts
from vitrina.search.reranking.pipeline import RerankPipeline, UnavailableReranker
from vitrina.search.store.store import FEATURES_FOLDER, Store
from vitrina.search.types.answer import Answer, AnswerStream, RerankStatus
from vitrina.search.types.errors import NoRerankerError, RerankerError, VitrinaError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import RerankerIdentity
from vitrina.search.types.query import RerankOptions
from vitrina.search.understanding.parsed_query import ParsedQuery

log = logging.getLogger(__name__)

OFF = "off"
ANTHROPIC = "anthropic"

DEFAULT = EMBEDDED
"""The reranker if ``VITRINA_RERANKER`` is not set."""

MAX_SMALL_BYTES = 256 * 2**20
"""The most bytes of weights of a small model. The image features of larger models do not fit into the feature cache,
and they take long to open."""

RERANKER_SETTING = (
    "VITRINA_RERANKER takes embedded, the folder of a vision-language model, its name on the Hugging Face hub, the "
    "address of an OpenAI-compatible server (http://127.0.0.1:8001/v1), anthropic, or the name of an installed plug-in."
)


def reranker_name(settings: Settings) -> str | None:
    """The reranker's name before it is open, without keys, passwords or URL parameters; None if there is none."""
    name = settings.reranker or DEFAULT
    if name == OFF:
        return None
    if is_address(name):
        return f"{settings.reranker_model or 'a model'} at {host_of(name)}"
    return f"{settings.reranker_model or 'a model'} at Anthropic" if name == ANTHROPIC else name


def needed_reranker(settings: Settings) -> str:
    """The reranker's name. Raises NoRerankerError if there is no reranker."""
    name = reranker_name(settings)
    if name is None:
        raise no_reranker()
    return name


def no_reranker() -> NoRerankerError:
    """The error of requests for a reranker if there is none."""
    return NoRerankerError(
        "There is no reranker on this installation to check images, rerank hits and explain them.",
        remedy=f'Set one: {RERANKER_SETTING} A search without "rerank" and "explain" needs none.',
    )


def default_rerank_options(settings: Settings) -> RerankOptions:
    """The options of a query for which none are given."""
    return RerankOptions(
        top=settings.rerank_top,
        deadline_ms=settings.rerank_deadline_ms,
        explain=settings.rerank_explain,
        explain_ms=settings.rerank_explain_ms,
    )


def open_reranker(settings: Settings, closing: ExitStack) -> Reranker:
    """Open and probe the reranker that the settings name; ``closing`` closes it.

    Blocks, for minutes if weights are large or downloaded. Uses a GPU if the settings say so. Raises RerankerError and
    PluginError.
    """
    options = RerankerOptions(
        model=settings.reranker_model,
        key=settings.reranker_key,
        n_parallel=settings.reranker_parallel_requests,
        open_timeout_s=settings.reranker_open_timeout_s,
        device=settings.reranker_device or settings.device,
        runtime=Runtime(settings.runtime),
        allow_remote_code=settings.reranker_trust_remote_code,
        cache_bytes=settings.reranker_cache_bytes,
        features=settings.store / FEATURES_FOLDER,
        max_pixels=settings.reranker_max_pixels,
    )
    return closing.enter_context(open_by_name(settings.reranker or DEFAULT, options))


def small_reranker(settings: Settings) -> RerankerIdentity | None:
    """The identity of the reranker that the settings name if it is a small model in a folder, such as the embedded one;
    None for others, and if there is none.

    The image features of such a model are worth precomputing. Blocks for about 10 ms. Raises RerankerError.
    """
    name = settings.reranker or DEFAULT
    folder = None if name in (OFF, ANTHROPIC) else local_folder(name)
    if folder is None or n_weight_bytes(folder) > MAX_SMALL_BYTES:
        return None
    identify = matched_identity if name == DEFAULT else identity_of
    return identify(name, folder, max_pixels=settings.reranker_max_pixels or MAX_PIXELS)


def feature_stage(store: Store, settings: Settings, closing: ExitStack) -> FeatureStage | None:
    """What computes the reranker's features of new images while they are indexed, if it is a small one; ``closing``
    closes the reranker, if it is opened."""
    try:
        is_small = small_reranker(settings) is not None
    except VitrinaError as error:  # who uses the reranker is told, too
        log.info("No features are precomputed for the reranker: %s", error)
        return None
    return FeatureStage(store, lambda: open_reranker(settings, closing)) if is_small else None


RETRY_S = 30.0
"""The first pause after a failure, by when a server may have loaded its model. Each further pause is twice as long."""

MAX_RETRY_S = 600.0

CLOSE_S = 5.0
"""How long closing waits for a reranker that is being opened."""

Open = Callable[[ExitStack], Reranker]
"""Opens a reranker; the stack closes what it holds open. Raises RerankerError."""


class Readiness(StrEnum):
    """Whether a reranker can be used."""

    OPENING = "opening"
    READY = "ready"
    FAILED = "failed"
    """It could not be opened, and will be tried again."""


@dataclass(frozen=True, slots=True)
class RerankerStatus:
    """A reranker's readiness: ``error`` is why it could not be opened, ``capabilities`` what it can do once it is."""

    name: str
    readiness: Readiness
    capabilities: Capabilities | None = None
    error: VitrinaError | None = None

    @property
    def note(self) -> str:
        """Why nothing is reranked, for people; empty if it is."""
        notes = {
            Readiness.OPENING: "The reranker is still being opened; try again in a while.",
            Readiness.READY: "",
            Readiness.FAILED: "The reranker could not be opened; GET /readyz says why.",
        }
        return notes[self.readiness]


class BackgroundReranker:
    """A reranker that is opened in the background, and tried again if that fails. Until it is ready, answers keep the
    retrieval order and say why. Use it as a context manager. Safe to use from several threads.

    ``defaults`` are the options of requests that give none.
    """

    def __init__(self, store: Store, name: str, open_: Open, defaults: RerankOptions | None = None) -> None:
        self.defaults = defaults or RerankOptions()
        self._store = store
        self._open = open_
        self._status = RerankerStatus(name, Readiness.OPENING)
        self._pipeline: RerankPipeline | None = None
        self._resources = ExitStack()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_opening, name="reranker-opening", daemon=True)
        self._precomputing = ThreadPoolExecutor(1, thread_name_prefix="feature-precomputation")
        self.slots: ComputeSlots | None = None
        """Of a service whose searches go before what a model in this process computes; set it before this is used."""
        self.on_open: Callable[[], None] = lambda: None
        """Called once the reranker is open, before it is used."""

    @classmethod
    def from_settings(cls, settings: Settings, store: Store) -> BackgroundReranker | None:
        """The reranker that the settings name, not open yet; None if it is switched off."""
        name = reranker_name(settings)
        if name is None:
            return None
        return cls(store, name, lambda closing: open_reranker(settings, closing), default_rerank_options(settings))

    @property
    def status(self) -> RerankerStatus:
        """Whether the reranker is ready, and what it can do."""
        return self._status

    @property
    def reranker(self) -> Reranker | None:
        """The reranker, or None while it is not open."""
        return self._pipeline.reranker if self._pipeline else None

    @property
    def is_circuit_open(self) -> bool:
        """Whether the reranker failed so often that it is left alone for a while."""
        return self._pipeline is not None and self._pipeline.client.is_circuit_open

    @property
    def cache_counts(self) -> CacheCounts:
        """How often its answers were found in the cache."""
        return self._pipeline.client.cache_counts if self._pipeline else CacheCounts()

    def rerank(self, parsed: ParsedQuery, candidates: Answer, options: RerankOptions) -> AnswerStream:
        """The answer's events, as ``RerankPipeline.rerank`` gives them; in retrieval's order, with the reason, while
        the reranker is not open."""
        pipeline, status = self._pipeline, self._status
        if pipeline is not None:
            return pipeline.rerank(parsed, candidates, options)
        state = RerankStatus.LATE if status.readiness is Readiness.OPENING else RerankStatus.FAILED
        return UnavailableReranker(status.name, state, status.note).rerank(parsed, candidates, options)

    @property
    def busy(self) -> UnavailableReranker:
        """Stands for the reranker where it has too much to do."""
        return UnavailableReranker(self._status.name, RerankStatus.BUSY, NOTES[RerankStatus.BUSY])

    def precompute(self, stored: StoredItem) -> None:
        """Compute the features of a new item's image in a thread of its own, so that no search waits for them; does
        nothing if the reranker is not open, or caches no features."""
        reranker, key = self.reranker, key_of(stored)
        if reranker is not None and key is not None:
            with suppress(RuntimeError):  # closed meanwhile
                self._precomputing.submit(self._precompute, reranker, key)

    def __enter__(self) -> BackgroundReranker:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._precomputing.shutdown(wait=False, cancel_futures=True)
        self._thread.join(CLOSE_S)
        with self._lock:
            self._pipeline = None
            self._resources.close()

    def _precompute(self, reranker: Reranker, key: str) -> None:
        try:
            precompute_image(self._store, reranker, key)
        except VitrinaError as error:  # the first search that needs them computes them
            log.warning("The features of image %s were not precomputed: %s", key, error)

    def _keep_opening(self) -> None:
        pause_s = RETRY_S
        while not self._try_to_open():
            if self._closed.wait(pause_s):
                return
            pause_s = min(2 * pause_s, MAX_RETRY_S)

    def _try_to_open(self) -> bool:
        """Whether to stop trying: it is open, or this is closed."""
        opened = ExitStack()
        try:
            reranker = self._open(opened)
            pipeline = opened.enter_context(RerankPipeline.open(self._store, reranker, slots=self.slots))
        except VitrinaError as error:
            opened.close()
            self._fail(error)
            return False
        except Exception as error:
            opened.close()
            log.error("The reranker %s could not be opened", self._status.name, exc_info=error)
            remedy = "The service's log has the details."
            self._fail(RerankerError(f"The reranker could not be opened: {type(error).__name__}.", remedy=remedy))
            return False
        with self._lock:
            if self._closed.is_set():
                opened.close()
            else:
                self.on_open()
                self._publish(pipeline, opened)
        return True

    def _publish(self, pipeline: RerankPipeline, opened: ExitStack) -> None:
        reranker = pipeline.reranker
        self._pipeline, self._resources = pipeline, opened
        self._status = RerankerStatus(reranker.identity.name, Readiness.READY, reranker.capabilities)
        log.info("Hits are reranked by %s: %s", reranker.identity.name, abilities(reranker.capabilities))

    def _fail(self, error: VitrinaError) -> None:
        previous = self._status.error
        self._status = RerankerStatus(self._status.name, Readiness.FAILED, error=error)
        if previous is None or str(previous) != str(error):
            log.error("Hits are not reranked: %s", error)


def abilities(capabilities: Capabilities) -> str:
    """The capabilities of a reranker in words."""
    able = {
        "writes explanations": capabilities.writes,
        "keeps a schema": capabilities.schema,
        "gives boxes": capabilities.boxes,
    }
    return ", ".join([f"scores by {capabilities.scoring}", *(words for words, can in able.items() if can)])
