"""Bulk indexing: a catalog's rows through bounded stages into committed transactions; bad rows into dead letters."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace

from vitrina.evaluation.own_queries import renew_trust
from vitrina.indexer.dead_letters import DeadLetters, RetriedLetters, SourceOptions
from vitrina.indexer.features import FeatureStage
from vitrina.indexer.fetch import Fetcher
from vitrina.indexer.preparation import (
    FetchedRecord,
    PreparedItem,
    Preparer,
    absent_images,
    content_hash,
    prepare_stored,
    weigh,
)
from vitrina.indexer.progress import Progress, StageClock
from vitrina.indexer.rows import (
    MAX_BATCH_ROWS,
    FetchedRow,
    IndexingStages,
    ItemBatch,
    PreparedRow,
    ReadRecord,
    ReadRow,
    Stages,
    UnchangedRecord,
    encoded,
    unchanged,
)
from vitrina.indexer.sources.base import Record, Rejection, Source
from vitrina.indexer.stages import batched
from vitrina.indexer.summary import SourceSummary
from vitrina.indexer.sync import NONE_GONE, GoneItems, OnGone, SourceRun, digest_of
from vitrina.indexer.twins import TwinFinder
from vitrina.indexer.web_images import StoredImages
from vitrina.search.encoders.base import Encoder
from vitrina.search.encoders.compute import n_available_cores
from vitrina.search.encoders.registry import open_index_version
from vitrina.search.index.replica import IndexReplica
from vitrina.search.store.sources import KnownItem
from vitrina.search.store.store import Store
from vitrina.search.types.errors import EncoderReplacedError, InputError, NotFoundError
from vitrina.search.types.item import Item, StoredItem

LOOKUP_ROWS = 128
"""Rows whose content hashes are compared with the catalog's in one query."""


@dataclass(frozen=True, slots=True)
class IndexingProgress(Progress):
    """Rows done so far, by what became of them. ``n_total`` is the source's size; ``n_failed_images`` counts images of
    items that were indexed without them. ``gone`` are items that the source no longer has, of which ``n_deleted`` were
    deleted; ``beside`` has other sources of the same file name, and how many items stay theirs. ``summary``, one object
    for the run, counts what was read and left out. ``is_finishing`` once all rows are done, while the index is written
    and twins are found."""

    n_added: int = 0
    n_updated: int = 0
    n_unchanged: int = 0
    n_rejected: int = 0
    n_images: int = 0
    n_deleted: int = 0
    gone: GoneItems = NONE_GONE
    beside: Mapping[str, int] = field(default_factory=dict)
    summary: SourceSummary = field(default_factory=SourceSummary, compare=False)
    is_finishing: bool = False


OnIndexingProgress = Callable[[IndexingProgress], None]


def in_threads(indexer: Indexer) -> Stages:
    """The stages of a run in this process."""
    return IndexingStages(indexer.fetch, indexer.decode, indexer.encode, indexer.features)


Engine = Callable[["Indexer"], Stages]
"""Makes the stages of a run, as ``in_threads`` does."""


class Indexer:
    """Indexes catalogs, and single items, into one store with one encoder.

    ``features`` computes a reranker's features of new images, in runs over sources; ``engine`` makes the stages that
    the rows of such a run pass. Raises EncoderError if the store's catalog was embedded with another encoder.
    """

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        fetcher: Fetcher,
        features: FeatureStage | None = None,
        engine: Engine = in_threads,
    ) -> None:
        self.store = store
        self.engine = engine
        self.features = features
        self.encoder = encoder
        self.index_version = open_index_version(store, encoder)
        self.preparer = Preparer(StoredImages(store, self.index_version), encoder.prepare, fetcher, features)

    def run(
        self,
        source: Source,
        on_progress: OnIndexingProgress = lambda _: None,
        *,
        name: str | None = None,
        on_gone: OnGone = lambda _: False,
        options: SourceOptions | None = None,
        retried: RetriedLetters | None = None,
    ) -> IndexingProgress:
        """Index a whole source; rows that fail go to the dead-letter file and the run continues. Blocks until done.

        The items become those of the source's ``name``, by default its own. At the end ``on_gone`` is asked whether to
        delete what is no longer in it, if anything is; by default that is only counted. ``options`` are kept with the
        dead letters. With ``retried`` only the rows of those are indexed, what still fails takes their place, and
        nothing is counted as gone.

        Raises SourceError if the source can no longer be read and StorageError if the disk refuses; all that was
        committed stays, and the same call resumes from there.
        """
        before = self.store.catalog.sequence()
        with closing(SourceRun(self.store.catalog, name or source.name)) as of_source:
            letters = DeadLetters(self.store.dead_letters, options, retried)
            done = self._index(source, on_progress, of_source, letters, retried)
            if retried is None:
                gone, beside = of_source.gone(), of_source.beside()
                of_source.inherit()
                n_deleted = of_source.delete_gone() if gone.n_gone and on_gone(gone) else 0
                done = replace(done, gone=gone, n_deleted=n_deleted, beside=beside)
        on_progress(replace(done, is_finishing=True))
        clock = StageClock("publish")
        with clock.working(done.n_added + done.n_updated):
            self._publish(done, before)
        published = clock.load(1.0)
        seconds = done.seconds + published.busy_s
        published = replace(published, load=published.busy_s / seconds if seconds else 0.0)
        return replace(done, seconds=seconds, stages=(*done.stages, published))

    def _publish(self, done: IndexingProgress, before: int) -> None:
        """Write the index, so that a service starts at once, find the twins of what changed after sequence number
        ``before``, and measure the trust in the vectors."""
        while self.store.fingerprints.fill(MAX_BATCH_ROWS):  # of images that an older version stored
            pass
        if not (done.n_added or done.n_updated or done.n_deleted):
            return
        with suppress(EncoderReplacedError):  # since the last commit; everything was committed before
            replica = IndexReplica.open(self.store, self.encoder.identity, self.index_version)
            replica.maintain(n_available_cores())
            replica.save()
            TwinFinder(self.store, replica).find_since(before)
        renew_trust(self.store, self.encoder)

    def _index(
        self,
        source: Source,
        on_progress: OnIndexingProgress,
        of_source: SourceRun,
        letters: DeadLetters,
        retried: RetriedLetters | None,
    ) -> IndexingProgress:
        started = time.perf_counter()
        done = IndexingProgress(source.n_rows if retried is None else len(retried))
        stages = self.engine(self)
        rows = stages.batches(self.read(source, done.summary, of_source, retried))
        with letters, closing(rows) as batches:
            for batch in batches:
                with stages.commit.working(batch.n_rows):
                    for rejection in batch.failures + batch.rejections:
                        letters.add(rejection)
                    done.summary.reject(batch.rejections)
                    done.summary.fail(batch.failures)
                    self.commit(batch, of_source.source_id)
                    of_source.assign(batch.moved)
                seconds = time.perf_counter() - started
                done = replace(
                    add(done, batch),
                    seconds=seconds,
                    dead_letters=letters.path if letters.n_rejections else None,
                    stages=stages.loads(seconds),
                )
                on_progress(done)
        left = letters.path if letters.n_rejections else None
        return replace(done, seconds=time.perf_counter() - started, dead_letters=left)

    def plan(
        self,
        source: Source,
        on_progress: OnIndexingProgress = lambda _: None,
        *,
        name: str | None = None,
        retried: RetriedLetters | None = None,
    ) -> IndexingProgress:
        """Count what ``run`` would do, without decoding images or fetching URLs; images that are not there count as
        failed. Writes nothing."""
        with closing(SourceRun(self.store.catalog, name or source.name, make=False)) as of_source:
            done = self._plan(source, on_progress, of_source, retried)
            return done if retried is not None else replace(done, gone=of_source.gone(), beside=of_source.beside())

    def _plan(
        self, source: Source, on_progress: OnIndexingProgress, of_source: SourceRun, retried: RetriedLetters | None
    ) -> IndexingProgress:
        started = time.perf_counter()
        done = IndexingProgress(source.n_rows if retried is None else len(retried))
        for read in self.read(source, done.summary, of_source, retried):
            row = self.compare(read)
            done = replace(done, n_done=done.n_done + 1, seconds=time.perf_counter() - started)
            if isinstance(row, FetchedRecord) and (absent := absent_images(row.record)):
                done.summary.fail(absent)
                done = replace(done, n_failed_images=done.n_failed_images + len(absent))
            match row:
                case FetchedRecord(is_new=True):
                    done = replace(done, n_added=done.n_added + 1)
                case FetchedRecord():
                    done = replace(done, n_updated=done.n_updated + 1)
                case UnchangedRecord():
                    done = replace(done, n_unchanged=done.n_unchanged + 1)
                case Rejection():
                    done.summary.reject([row])
                    done = replace(done, n_rejected=done.n_rejected + 1)
            on_progress(done)
        return done

    def put(self, record: Record, before: StoredItem | None = None) -> StoredItem:
        """Index one item now. With what it was ``before``, it keeps the images of that unless the record has any.
        Raises InputError with the reason if it would be a dead letter, and ItemChangedError if it is no longer as it
        was before. Blocks."""
        is_kept = before is not None and before.image_ids and not record.images
        prepared = self.prepare_kept(record.item, before) if before and is_kept else self.prepare_whole(record)
        self.commit(self.encode([prepared]), before=before)
        return self.store.catalog.item(record.item.sku)

    def prepare_kept(self, item: Item, before: StoredItem) -> PreparedItem:
        """An item with the images that it had before, which are embedded anew only where their vectors are missing.
        Raises InputError if one of them is lost. Blocks."""
        with self.store.catalog.reading() as reader:
            vectors = reader.image_vectors(self.index_version, before.item.sku)
        digest = before.content_hash and content_hash(item, before.image_ids)  # incomplete stays so
        changed = replace(before, item=item, content_hash=digest)
        prepared = prepare_stored(self.store, self.encoder, changed, self.preparer.working_side_px, vectors)
        if prepared.failures:
            raise InputError(prepared.failures[0].reason, remedy=prepared.failures[0].remedy)
        return prepared

    def prepare_whole(self, record: Record) -> PreparedItem:
        """An item ready to be encoded with all its images. Raises InputError with the reason if one cannot be used.
        Blocks."""
        is_new = not self.store.catalog.content_hashes([record.item.sku])
        fetched = self.preparer.fetch(record, None)
        assert fetched is not None
        prepared = self.preparer.decode(replace(fetched, is_new=is_new))
        failures = [prepared] if isinstance(prepared, Rejection) else prepared.failures
        if failures or isinstance(prepared, Rejection):  # a request is answered, so no image is left out of it
            raise InputError(failures[0].reason, remedy=failures[0].remedy, details={"sku": record.item.sku})
        return prepared

    def read(
        self, source: Source, summary: SourceSummary, of_source: SourceRun, retried: RetriedLetters | None = None
    ) -> Generator[ReadRow, None, None]:
        """The source's rows, each with what the catalog has of it, or rejected; counted on the way. A row that says the
        same as an earlier one is counted and passed by. With ``retried`` only its rows, and of the others only the skus
        are noted."""
        with closing(batched(source.rows(), LOOKUP_ROWS, weigh=weigh)) as batches:
            for batch in batches:
                rows = batch if retried is None else of_source.noting_others(retried.among(batch))
                records = [row for row in rows if isinstance(row, Record)]
                known = self.store.catalog.known_items([record.item.sku for record in records])
                for row in rows:
                    summary.n_rows += row.n_rows
                    found = row if isinstance(row, Rejection) else self.join_known(row, known, of_source)
                    if found is None:
                        summary.n_repeated_rows += row.n_rows
                        continue
                    if isinstance(row, Rejection) and row.sku is not None:  # it is still in the source
                        of_source.rejected.first_origin(row.sku, row.origin)
                    if isinstance(row, Record) and not isinstance(found, Rejection):
                        summary.add(row)
                    yield found

    def join_known(self, record: Record, known: Mapping[str, KnownItem], of_source: SourceRun) -> ReadRow | None:
        """A record with what the catalog has of it, by sku; rejected if an earlier row has its sku, and None if that
        says the same."""
        sku, digest = record.item.sku, digest_of(record)
        if (first := of_source.skus.first_origin(sku, record.origin, digest)) is not None:
            if of_source.skus.has(sku, digest):
                return None
            reason = f"The sku {sku!r} is already used at {first}."
            return Rejection(record.origin, reason, "Keep one row per sku.", sku, record.n_rows)
        before = known.get(sku)
        return ReadRecord(record, before.content_hash if before else None, of_source.note(before))

    def compare(self, row: ReadRow) -> FetchedRow:
        """Whether a record differs from the catalog's; fetches nothing. Other rows are returned as they are."""
        if isinstance(row, Rejection):
            return row
        return self.preparer.compare(row.record, row.known_hash) or unchanged(row)

    def fetch(self, row: ReadRow) -> FetchedRow:
        """A record with its images, unless it is unchanged; other rows are returned as they are."""
        if isinstance(row, Rejection):
            return row
        return self.preparer.fetch(row.record, row.known_hash) or unchanged(row)

    def decode(self, row: FetchedRow) -> PreparedRow:
        """Decode a fetched record's images; other rows are returned as they are."""
        if not isinstance(row, FetchedRecord):
            return row
        prepared = self.preparer.decode(row)
        if isinstance(prepared, PreparedItem) and prepared.failures and not (prepared.image_ids or row.is_new):
            return self._with_stored_images(prepared)
        return prepared

    def _with_stored_images(self, prepared: PreparedItem) -> PreparedItem:
        """The item with the images that the catalog has of it: a server that is down must not take a shop's images."""
        try:
            before = self.store.catalog.item(prepared.item.sku)
            stored = prepare_stored(self.store, self.encoder, before, self.preparer.working_side_px)
        except NotFoundError:  # deleted since it was compared
            return prepared
        return prepared if stored.failures else replace(prepared, image_ids=stored.image_ids, pixels=stored.pixels)

    def encode(self, rows: Sequence[PreparedRow]) -> ItemBatch:
        """Embed what is prepared among these rows."""
        return encoded(self.encoder, rows)

    def commit(self, batch: ItemBatch, source_id: int | None = None, before: StoredItem | None = None) -> None:
        """Store a batch's images, then commit its items, so that no item is there before its images are. Raises
        ItemChangedError where an item is no longer as it was ``before``."""
        self.store.images.put_all(batch.images)
        self.store.fingerprints.put_all(batch.fingerprints)
        self.store.web_images.put_all(batch.found)
        if batch.entries:
            self.store.catalog.commit(self.index_version, batch.entries, source_id, before)


def add(done: IndexingProgress, batch: ItemBatch) -> IndexingProgress:
    """The progress after a batch."""
    return replace(
        done,
        n_done=done.n_done + batch.n_rows,
        n_added=done.n_added + batch.n_added,
        n_updated=done.n_updated + len(batch.entries) - batch.n_added,
        n_unchanged=done.n_unchanged + batch.n_unchanged,
        n_rejected=done.n_rejected + len(batch.rejections),
        n_images=done.n_images + sum(len(entry.image_ids) for entry in batch.entries),
        n_failed_images=done.n_failed_images + len(batch.failures),
    )
