"""Imports: a catalog that was sent, or is fetched, from its file to its report; told how far it is, and cancelled."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from vitrina.indexer.dead_letters import OPENED, RetriedLetters
from vitrina.indexer.download import Download
from vitrina.indexer.features import FeatureStage
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.pipeline import Indexer, IndexingProgress
from vitrina.indexer.report import ImportReport, report_of
from vitrina.indexer.sources import open_source
from vitrina.indexer.sources.base import Source
from vitrina.indexer.sources.dialects.dialect import built_in
from vitrina.indexer.summary import LeftOut
from vitrina.indexer.sync import GoneItems
from vitrina.indexer.uploads import Unpacker, catalog_in, is_packed_catalog
from vitrina.search.encoders.base import Encoder
from vitrina.search.store.jobs import JobKind
from vitrina.search.store.store import Store
from vitrina.search.types.errors import NotFoundError, SourceError
from vitrina.search.types.item import AttributeValue

REPORT_EVERY_S = 0.5
"""How often progress is stored, and looked whether to stop."""

MAX_REASONS = 20
"""Reasons that progress lists; the report at the end has all."""

WAITS = "Another import into this store is under way; waiting for it to finish."


class ImportKind(StrEnum):
    """Where a catalog comes from."""

    UPLOAD = "upload"
    URL = "url"
    ROWS = "rows"


class ImportStage(StrEnum):
    """What an import does."""

    WAITING = "waiting"
    FETCHING = "fetching"
    UNPACKING = "unpacking"
    READING = "reading"
    INDEXING = "indexing"
    FINISHING = "finishing"
    PRECOMPUTING = "precomputing"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What to import: the file of that name in the import's ``folder``, one of the store's ``uploads``, or the file at
    ``url``; as items of ``source``.

    The options are those of ``vitrina index``; ``sync_many`` deletes what is gone even if it is much, and ``catalog``
    names the file in an archive. ``retry`` is the id of the import of whose dead letters alone the rows are tried."""

    kind: ImportKind
    source: str
    folder: str
    file_name: str = ""
    url: str = ""
    dialect: str | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)
    encoding: str | None = None
    sync: bool = False
    sync_many: bool = False
    dry_run: bool = False
    catalog: str = ""
    retry: int | None = None


@dataclass(frozen=True, slots=True)
class ExampleItem:
    """An item as it would be."""

    sku: str
    title: str
    origin: str
    price_cents: int | None
    currency: str | None
    attributes: Mapping[str, AttributeValue]
    n_images: int
    n_variants: int


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is: rows read of about ``n_total``, and what became of them; ``n_bytes`` were fetched or
    unpacked. ``seconds`` are those of indexing. ``dead_letters`` is the name of their file, if there are any."""

    stage: ImportStage = ImportStage.WAITING
    note: str = ""
    n_bytes: int = 0
    n_total: int | None = None
    n_rows: int = 0
    n_done: int = 0
    n_added: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_rejected: int = 0
    n_images: int = 0
    n_failed_images: int = 0
    n_deleted: int = 0
    seconds: float = 0.0
    left_out: tuple[LeftOut, ...] = ()
    dead_letters: str = ""
    slowest_stage: str = ""

    @property
    def per_second(self) -> float | None:
        """Rows done in a second; None before there are any."""
        return self.n_done / self.seconds if self.seconds and self.n_done else None

    @property
    def seconds_left(self) -> float | None:
        """How long indexing will take yet, at this rate; None where that is unknown."""
        if self.per_second is None or self.n_total is None or self.stage is not ImportStage.INDEXING:
            return None
        return max(0.0, (self.n_total - self.n_done) / self.per_second)

    def indexed(self, done: IndexingProgress) -> ImportProgress:
        """The progress as of so many rows."""
        return replace(
            self,
            stage=ImportStage.FINISHING if done.is_finishing else ImportStage.INDEXING,
            n_total=done.n_total,
            n_rows=done.summary.n_rows,
            n_done=done.n_done,
            n_added=done.n_added,
            n_updated=done.n_updated,
            n_unchanged=done.n_unchanged,
            n_rejected=done.n_rejected,
            n_images=done.n_images,
            n_failed_images=done.n_failed_images,
            n_deleted=done.n_deleted,
            seconds=done.seconds,
            left_out=tuple(done.summary.left_out[:MAX_REASONS]),
            dead_letters=done.dead_letters.name if done.dead_letters else "",
            slowest_stage=done.slowest_stage,
        )


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What came of an import, and some of its items where it was a plan."""

    report: ImportReport
    examples: tuple[ExampleItem, ...] = ()


REQUEST = TypeAdapter(ImportRequest)
PROGRESS = TypeAdapter(ImportProgress)
RESULT = TypeAdapter(ImportResult)
"""To JSON and back, as jobs are stored."""


class CancelledError(Exception):
    """Somebody cancelled the work."""


class Import:
    """One import into a store. ``folder`` is its own, with the file that was sent, and is the caller's to remove.

    ``tell`` is told the progress and says whether to go on; where it says no, CancelledError ends the import, and all
    that was committed stays. ``encoder`` is loaded when it is needed.
    """

    def __init__(
        self,
        store: Store,
        encoder: Callable[[], Encoder],
        folder: Path,
        request: ImportRequest,
        tell: Callable[[ImportProgress], bool],
        *,
        features: FeatureStage | None = None,
        download: Download,
        max_unpacked_bytes: int,
    ) -> None:
        self.progress = ImportProgress()
        self._store = store
        self._encoder = encoder
        self._folder = folder
        self._request = request
        self._tell = tell
        self._features = features
        self._download = download
        self._max_unpacked_bytes = max_unpacked_bytes
        self._told_at = 0.0

    def run(self) -> ImportResult:
        """Import it. Blocks until done. Raises CancelledError, SourceError, FetchError, EncoderError and
        StorageError."""
        source = self._opened(self._catalog())
        if self._request.dry_run:
            return self._index(source)
        with self._store.importing(lambda: self._note(WAITS), lambda: self._note(WAITS)):
            self._note("")
            return self._index(source)

    def _catalog(self) -> Path:
        """The file or folder to index, fetched and unpacked."""
        request = self._request
        if request.kind is ImportKind.URL:
            self._enter(ImportStage.FETCHING)
            file = self._download.fetch(request.url, request.file_name, self._count_bytes)
        else:
            file = self._folder / request.file_name
        suffix = file.suffix.lower()
        if suffix not in (".zip", ".gz", ".tgz", ".tar"):
            return file
        self._enter(ImportStage.UNPACKING)
        unpacker = Unpacker(self._folder / "unpacked" / file.stem, self._max_unpacked_bytes, self._count_bytes)
        if suffix in (".gz", ".tgz"):
            file = unpacker.decompress(file)
        if suffix != ".zip" and not is_packed_catalog(file):
            return file
        unpacker.unpack(file)
        file.unlink()
        return catalog_in(unpacker.folder, self._request.catalog)

    def _opened(self, path: Path) -> Source:
        self._enter(ImportStage.READING)
        request = self._request
        if request.dialect is not None and request.dialect not in built_in():
            known = ", ".join(sorted(built_in()))
            raise SourceError(f"There is no dialect {request.dialect[:200]!r}.", remedy=f"Give one of: {known}.")
        try:
            return open_source(str(path), request.mapping, dialect=request.dialect, encoding=request.encoding)
        except SourceError as error:  # the file's place on this machine is nobody's business
            raise SourceError(self._public(error.message), remedy=self._public(error.remedy)) from error

    def _public(self, text: str) -> str:
        return text.replace(f"{self._folder}/", "")

    def _index(self, source: Source) -> ImportResult:
        self.progress = replace(self.progress, n_bytes=0)
        self._enter(ImportStage.INDEXING)
        request = self._request
        retried = None if request.retry is None else letters_of(self._store, request.retry)
        with Fetcher() as fetcher:
            indexer = Indexer(self._store, self._encoder(), fetcher, self._features)
            if request.dry_run:
                done = indexer.plan(source, self._count_rows, name=request.source, retried=retried)
            else:
                done = indexer.run(source, self._count_rows, name=request.source, on_gone=self._agree, retried=retried)
        self.progress = self.progress.indexed(done)
        examples = tuple(
            ExampleItem(
                sku=record.item.sku,
                title=record.item.title,
                origin=record.origin,
                price_cents=record.item.price_cents,
                currency=record.item.currency,
                attributes=record.item.attributes,
                n_images=len(record.images),
                n_variants=len(record.item.variants),
            )
            for record in done.summary.examples
        )
        return ImportResult(report_of(source, done, dry_run=request.dry_run), examples if request.dry_run else ())

    def _agree(self, gone: GoneItems) -> bool:
        return self._request.sync and (self._request.sync_many or not gone.is_doubtful)

    def _enter(self, stage: ImportStage) -> None:
        self.progress = replace(self.progress, stage=stage)
        self._report()

    def _note(self, note: str) -> None:
        self.progress = replace(self.progress, note=note)
        self._report()

    def _count_bytes(self, n_bytes: int) -> None:
        self.progress = replace(self.progress, n_bytes=n_bytes)
        self._report_if_due()

    def _count_rows(self, done: IndexingProgress) -> None:
        if done.is_finishing or time.monotonic() - self._told_at > REPORT_EVERY_S:
            self.progress = self.progress.indexed(done)
            self._report()

    def _report_if_due(self) -> None:
        if time.monotonic() - self._told_at > REPORT_EVERY_S:
            self._report()

    def _report(self) -> None:
        self._told_at = time.monotonic()
        if not self._tell(self.progress):
            raise CancelledError


def letters_of(store: Store, import_id: int) -> RetriedLetters:
    """The dead letters of an earlier import. Raises NotFoundError where it has none."""
    progress = PROGRESS.validate_python(store.jobs.find(import_id, JobKind.IMPORT).progress)
    file = store.dead_letters / (progress.dead_letters or "none")
    if not file.is_file():
        raise NotFoundError(f"The import {import_id} has no dead letters.", remedy="Import the catalog without retry.")
    return RetriedLetters.read(file)


def write_rows(folder: Path, rows: Sequence[Mapping[str, Any]]) -> str:
    """Write rows as a catalog file into a folder; returns its name. Raises OSError."""
    name = "rows.jsonl"
    with (folder / name).open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return name


def read_dead_letters(file: Path, offset: int, limit: int) -> tuple[list[dict[str, Any]], int]:
    """A page of a dead-letter file, and how many lines it has; none where the file is gone."""
    found: list[dict[str, Any]] = []
    total = 0
    if file.is_file():
        with file.open(encoding="utf-8") as lines:
            for total, line in enumerate(lines, start=1):
                if offset < total <= offset + limit:
                    found.append(letter_of(line))
    return found, total


def letter_of(line: str) -> dict[str, Any]:
    """A line of a dead-letter file, without how its source was opened."""
    return {key: value for key, value in json.loads(line).items() if key != OPENED}
