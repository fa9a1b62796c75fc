"""An installation's reranker, opened in the background, and what answers while it is not open."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from types import TracebackType

from api.rerankers import open_reranker, reranker_name, usual_budget
from api.settings import Settings
from indexer.looking import look_at
from search.answer import Answer, RerankState
from search.catalog.entry import StoredItem
from search.engine import SearchEngine
from search.errors import RerankerError, VitrinaError
from search.home import Home
from search.query import Query
from search.reranking.base import Capabilities, Reranker
from search.reranking.budget import Rerank
from search.reranking.engine import RerankingEngine
from search.reranking.events import Event, Reranked, Retrieved, Steps
from search.reranking.judging.pictures import key_of
from search.reranking.stage import RerankStage

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
class Status:
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


class Reranking:
    """Reranks answers once its reranker is open. A context manager: inside it, it opens it, and tries again where that
    failed. Until then answers come in the retrieval's order and say why. Safe to use from several threads.

    ``usual`` is the budget of requests that do not give one.
    """

    def __init__(self, home: Home, name: str, open_: Open, usual: Rerank | None = None) -> None:
        self.usual = usual or Rerank()
        self._home = home
        self._open = open_
        self._status = Status(name, Readiness.OPENING)
        self._stage: RerankStage | None = None
        self._opened = ExitStack()
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._keep_opening, name="reranker-opening", daemon=True)
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="reranker-ahead")

    @classmethod
    def from_settings(cls, settings: Settings, home: Home) -> Reranking | None:
        """The reranker that the settings name, not open yet; None where it is switched off."""
        name = reranker_name(settings)
        if name is None:
            return None
        return cls(home, name, lambda closing: open_reranker(settings, closing), usual_budget(settings))

    @property
    def status(self) -> Status:
        """How far the reranker is, and what it can do."""
        return self._status

    @property
    def reranker(self) -> Reranker | None:
        """The reranker, None while it is not open."""
        return self._stage.reranker if self._stage else None

    def events(self, engine: SearchEngine, query: Query, rerank: Rerank, like: str | None = None) -> Steps:
        """The answer in steps, as ``RerankingEngine.stream`` gives them, or of the items most ``like`` that sku's;
        where the reranker is not open, in the retrieval's order, with the reason. Retrieves at once, and raises what
        ``SearchEngine.search`` raises."""
        stage = self._stage
        if stage is None:
            return Steps(iter(unranked(retrieved(engine, query, like), self._status, rerank)))
        reranking = RerankingEngine(engine, stage)
        return reranking.stream(query, rerank) if like is None else reranking.stream_similar(like, query, rerank)

    def look_ahead(self, stored: StoredItem) -> None:
        """Have the reranker look at a new item's picture, in a thread of its own, so that no search waits for that; not
        where it is not open, or keeps nothing of what it sees."""
        reranker, key = self.reranker, key_of(stored)
        if reranker is not None and key is not None:
            with suppress(RuntimeError):  # it is being closed
                self._ahead.submit(self._look_ahead, reranker, key)

    def __enter__(self) -> Reranking:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._closed.set()
        self._ahead.shutdown(wait=False, cancel_futures=True)
        self._thread.join(CLOSE_S)
        with self._lock:
            self._stage = None
            self._opened.close()

    def _look_ahead(self, reranker: Reranker, key: str) -> None:
        try:
            look_at(self._home, reranker, key)
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
            stage = opened.enter_context(self._home.open_stage(reranker))
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

    def _publish(self, stage: RerankStage, opened: ExitStack) -> None:
        reranker = stage.reranker
        self._stage, self._opened = stage, opened
        self._status = Status(reranker.identity.name, Readiness.READY, reranker.capabilities)
        log.info("Hits are reranked by %s: %s", reranker.identity.name, abilities(reranker.capabilities))

    def _fail(self, error: VitrinaError) -> None:
        told = self._status.problem
        self._status = Status(self._status.name, Readiness.FAILED, problem=error)
        if told is None or str(told) != str(error):
            log.error("Hits are not reranked: %s", error)


def retrieved(engine: SearchEngine, query: Query, like: str | None) -> Answer:
    """The retrieval's answer: what a query finds, or the items most ``like`` that sku's."""
    return engine.search(query) if like is None else engine.similar(like, query)


def unranked(answer: Answer, status: Status, rerank: Rerank) -> tuple[Event, ...]:
    """The events of an answer that nobody looked at again."""
    state = RerankState.LATE if status.readiness is Readiness.OPENING else RerankState.FAILED
    hits = tuple(replace(hit, retrieval_rank=hit.rank) for hit in answer.hits)
    retrieved = replace(answer, hits=hits, reranker=status.name)
    kept = tuple(replace(hit, rerank=state) if hit.rank <= rerank.top else hit for hit in hits)
    return Retrieved(retrieved), Reranked(replace(retrieved, hits=kept, rerank=state, rerank_note=status.note))


def abilities(capabilities: Capabilities) -> str:
    """What a reranker can do, in words."""
    able = {
        "writes explanations": capabilities.writes,
        "keeps a schema": capabilities.schema,
        "gives boxes": capabilities.boxes,
    }
    return ", ".join([f"scores by {capabilities.scoring}", *(words for words, can in able.items() if can)])
