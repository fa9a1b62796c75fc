"""The reranker that the settings name: opened, in the background where a service does, and what answers until then."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from urllib.parse import urlsplit

from vitrina.api.settings import Settings
from vitrina.indexer.feature_precomputation import precompute_image
from vitrina.search.reranking.base import Capabilities, Reranker, key_of
from vitrina.search.reranking.pipeline import RerankPipeline, UnavailableReranker
from vitrina.search.store.store import FEATURES_FOLDER, Store
from vitrina.search.types.answer import Answer, AnswerStream, RerankState
from vitrina.search.types.errors import NoRerankerError, RerankerError, VitrinaError
from vitrina.search.types.item import StoredItem
from vitrina.search.types.models import RerankerIdentity
from vitrina.search.types.query import RerankOptions
from vitrina.search.understanding.parsed_query import ParsedQuery

OFF = "off"
ANTHROPIC = "anthropic"

DEFAULT = "embedded"
"""What reranks where ``VITRINA_RERANKER`` is not set: ``loading.EMBEDDED``, which is not imported for its name."""

MAX_SMALL_BYTES = 256 * 2**20
"""Of weights. Pictures of larger models take more room than is kept for one (``keeping.MAX_PICTURE_BYTES``), and they
take long to open."""

CHOICES = (
    "VITRINA_RERANKER takes embedded, the folder of a vision-language model, its name on the Hugging Face hub, the "
    "address of an OpenAI-compatible server (http://127.0.0.1:8001/v1), or anthropic."
)


def reranker_name(settings: Settings) -> str | None:
    """What the reranker is called before it is open, None where there is none. Shows no key, password or query."""
    chosen = settings.reranker or DEFAULT
    if chosen == OFF:
        return None
    if is_address(chosen):
        return f"{settings.reranker_model or 'a model'} at {host_of(chosen)}"
    return f"{settings.reranker_model or 'a model'} at Anthropic" if chosen == ANTHROPIC else chosen


def needed_reranker(settings: Settings) -> str:
    """The same, for what cannot do without one. Raises NoRerankerError where there is none."""
    name = reranker_name(settings)
    if name is None:
        raise no_reranker()
    return name


def no_reranker() -> NoRerankerError:
    """For what asks for a reranker where none is set."""
    return NoRerankerError(
        "There is no reranker on this installation, which would look at pictures, rerank hits and explain them.",
        remedy=f'To have one, set it: {CHOICES} A search without "rerank" and "explain" gives the retrieval order.',
    )


def usual_budget(settings: Settings) -> RerankOptions:
    """The budget of a query that gives none."""
    return RerankOptions(
        top=settings.rerank_top,
        deadline_ms=settings.rerank_deadline_ms,
        explain=settings.rerank_explain,
        explain_ms=settings.rerank_explain_ms,
    )


def open_reranker(settings: Settings, closing: ExitStack) -> Reranker:
    """Open and probe it; what it holds open is closed with ``closing``.

    Blocks, for minutes where weights are large or downloaded. Uses a GPU where the settings say so. Raises
    RerankerError.
    """
    chosen = settings.reranker or DEFAULT
    if is_address(chosen):
        return _open_server(chosen, settings, closing)
    if chosen == ANTHROPIC:
        return _open_anthropic(settings, closing)
    return _open_here(chosen, settings, closing)


def small_reranker(settings: Settings) -> RerankerIdentity | None:
    """The reranker that the settings name, not opened, where it is a folder's small model, as the embedded one is; None
    for others, and where there is none.

    What such a model sees of pictures is worth keeping in the home. Blocks for some 10 ms, and a second where
    transformers is not imported yet. Raises RerankerError.
    """
    from vitrina.search.reranking.backends.transformers.loading import identity_of, local_folder, n_weight_bytes
    from vitrina.search.reranking.backends.transformers.prompted_model import MAX_PIXELS

    chosen = settings.reranker or DEFAULT
    folder = None if chosen in (OFF, ANTHROPIC) else local_folder(chosen)
    if folder is None or n_weight_bytes(folder) > MAX_SMALL_BYTES:
        return None
    return identity_of(chosen, max_pixels=settings.reranker_max_pixels or MAX_PIXELS)


def is_address(chosen: str) -> bool:
    """Whether it is a server's address and no model's name."""
    return chosen.startswith(("http://", "https://"))


def host_of(address: str) -> str:
    """Its host alone: the rest may hold what is not to be shown."""
    try:
        return urlsplit(address).hostname or "an unnamed server"
    except ValueError:
        return "an unnamed server"


def _open_server(address: str, settings: Settings, closing: ExitStack) -> Reranker:
    from vitrina.search.reranking.backends.openai import OpenAIReranker
    from vitrina.search.reranking.backends.remote.chat import MAX_PIXELS

    if not settings.reranker_model:
        raise RerankerError(
            f"The reranker's server at {host_of(address)} is set, its model is not.",
            remedy="Set VITRINA_RERANKER_MODEL to the name under which the server has it.",
        )
    return closing.enter_context(
        OpenAIReranker(
            address,
            settings.reranker_model,
            key=settings.reranker_key,
            n_parallel=settings.reranker_parallel_requests,
            max_pixels=settings.reranker_max_pixels or MAX_PIXELS,
            open_timeout_s=settings.reranker_open_timeout_s,
        )
    )


def _open_anthropic(settings: Settings, closing: ExitStack) -> Reranker:
    from vitrina.search.reranking.backends.anthropic import AnthropicReranker
    from vitrina.search.reranking.backends.remote.chat import MAX_PIXELS

    if settings.reranker_key is None or not settings.reranker_model:
        raise RerankerError(
            "Anthropic is set as the reranker, and its key or the model's name is not.",
            remedy="Set VITRINA_RERANKER_KEY to an API key and VITRINA_RERANKER_MODEL to a model's name.",
        )
    return closing.enter_context(
        AnthropicReranker(
            settings.reranker_model,
            key=settings.reranker_key,
            n_parallel=settings.reranker_parallel_requests,
            max_pixels=settings.reranker_max_pixels or MAX_PIXELS,
            open_timeout_s=settings.reranker_open_timeout_s,
        )
    )


def _open_here(chosen: str, settings: Settings, closing: ExitStack) -> Reranker:
    from vitrina.search.reranking.backends.transformers.loading import load_reranker
    from vitrina.search.reranking.backends.transformers.prompted_model import MAX_PIXELS

    return closing.enter_context(
        load_reranker(
            chosen,
            device=settings.reranker_device or settings.device,
            allow_remote_code=settings.reranker_may_run_its_own_code,
            max_pixels=settings.reranker_max_pixels or MAX_PIXELS,
            cache_bytes=settings.reranker_cache_bytes,
            features=settings.store / FEATURES_FOLDER,
        )
    )


log = logging.getLogger(__name__)

RETRY_S = 30.0
"""The first pause after a failure: a server that loads its model answers by then. Each further one is twice as long."""

MAX_RETRY_S = 600.0

CLOSE_S = 5.0
"""How long closing waits for an opening under way; then the process ends over it."""

Open = Callable[[ExitStack], Reranker]
"""Opens a reranker; what it holds open is closed with the stack. Raises RerankerError."""


class Readiness(StrEnum):
    """How far a reranker is."""

    OPENING = "opening"
    READY = "ready"
    FAILED = "failed"
    """It could not be opened, and is tried again."""


@dataclass(frozen=True, slots=True)
class RerankerStatus:
    """What there is to say of a reranker: ``problem`` is why it could not be opened, ``capabilities`` what it can do
    once it is."""

    name: str
    readiness: Readiness
    capabilities: Capabilities | None = None
    problem: VitrinaError | None = None

    @property
    def note(self) -> str:
        """Why nothing is reranked, to people; empty where it is."""
        notes = {
            Readiness.OPENING: "The reranker is still being opened; ask again in a while.",
            Readiness.READY: "",
            Readiness.FAILED: "The reranker could not be opened; GET /readyz says why.",
        }
        return notes[self.readiness]


class BackgroundReranker:
    """Reranks answers once its reranker is open. A context manager: inside it, it opens it, and tries again where that
    failed. Until then answers come in the retrieval's order and say why. Safe to use from several threads.

    ``usual`` is the budget of requests that do not give one.
    """

    def __init__(self, store: Store, name: str, open_: Open, usual: RerankOptions | None = None) -> None:
        self.usual = usual or RerankOptions()
        self._store = store
        self._open = open_
        self._status = RerankerStatus(name, Readiness.OPENING)
        self._stage: RerankPipeline | None = None
        self._opened = ExitStack()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_opening, name="reranker-opening", daemon=True)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="reranker-ahead")

    @classmethod
    def from_settings(cls, settings: Settings, store: Store) -> BackgroundReranker | None:
        """The reranker that the settings name, not open yet; None where it is switched off."""
        name = reranker_name(settings)
        if name is None:
            return None
        return cls(store, name, lambda closing: open_reranker(settings, closing), usual_budget(settings))

    @property
    def status(self) -> RerankerStatus:
        """How far the reranker is, and what it can do."""
        return self._status

    @property
    def reranker(self) -> Reranker | None:
        """The reranker, None while it is not open."""
        return self._stage.reranker if self._stage else None

    def rerank(self, parsed: ParsedQuery, candidates: Answer, options: RerankOptions) -> AnswerStream:
        """The answer's events, as ``RerankPipeline.rerank`` gives them; in retrieval's order, with the reason, while
        the reranker is not open."""
        pipeline, status = self._stage, self._status
        if pipeline is not None:
            return pipeline.rerank(parsed, candidates, options)
        state = RerankState.LATE if status.readiness is Readiness.OPENING else RerankState.FAILED
        return UnavailableReranker(status.name, state, status.note).rerank(parsed, candidates, options)

    def precompute(self, stored: StoredItem) -> None:
        """Have the reranker look at a new item's picture, in a thread of its own, so that no search waits for that; not
        where it is not open, or keeps nothing of what it sees."""
        reranker, key = self.reranker, key_of(stored)
        if reranker is not None and key is not None:
            with suppress(RuntimeError):  # it is being closed
                self._ahead.submit(self._precompute, reranker, key)

    def __enter__(self) -> BackgroundReranker:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._ahead.shutdown(wait=False, cancel_futures=True)
        self._thread.join(CLOSE_S)
        with self._lock:
            self._stage = None
            self._opened.close()

    def _precompute(self, reranker: Reranker, key: str) -> None:
        try:
            precompute_image(self._store, reranker, key)
        except VitrinaError as error:  # the first search that shows it looks at it
            log.warning("The picture %s was not looked at ahead: %s", key, error)

    def _keep_opening(self) -> None:
        pause_s = RETRY_S
        while not self._try_to_open():
            if self._closed.wait(pause_s):
                return
            pause_s = min(2 * pause_s, MAX_RETRY_S)

    def _try_to_open(self) -> bool:
        """Whether there is no more to do."""
        opened = ExitStack()
        try:
            reranker = self._open(opened)
            stage = opened.enter_context(RerankPipeline.open(self._store, reranker))
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
                self._publish(stage, opened)
        return True

    def _publish(self, stage: RerankPipeline, opened: ExitStack) -> None:
        reranker = stage.reranker
        self._stage, self._opened = stage, opened
        self._status = RerankerStatus(reranker.identity.name, Readiness.READY, reranker.capabilities)
        log.info("Hits are reranked by %s: %s", reranker.identity.name, abilities(reranker.capabilities))

    def _fail(self, error: VitrinaError) -> None:
        told = self._status.problem
        self._status = RerankerStatus(self._status.name, Readiness.FAILED, problem=error)
        if told is None or str(told) != str(error):
            log.error("Hits are not reranked: %s", error)


def abilities(capabilities: Capabilities) -> str:
    """What a reranker can do, in words."""
    able = {
        "writes explanations": capabilities.writes,
        "keeps a schema": capabilities.schema,
        "gives boxes": capabilities.boxes,
    }
    return ", ".join([f"scores by {capabilities.scoring}", *(words for words, can in able.items() if can)])
