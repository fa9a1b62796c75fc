"""The catalog: items, images and embeddings, committed together under growing numbers and read back by key."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from uuid import uuid4

from sqlalchemy import select, update

from vitrina.search.store import facets, index_versions, items, sources, terms, twins
from vitrina.search.store.database import CHUNK, Database, clock, pages
from vitrina.search.store.facets import FacetChanges
from vitrina.search.store.index_versions import Embedded, IndexVersion
from vitrina.search.store.items import NameChanges
from vitrina.search.store.reader import COUNTED, CatalogReader
from vitrina.search.store.sources import ItemPage, KnownItem, item_page
from vitrina.search.store.sql import SqlDatabase
from vitrina.search.store.terms import TermChanges, TextSettings
from vitrina.search.types.errors import StateError
from vitrina.search.types.item import Changes, IndexedItem, StoredItem
from vitrina.search.types.models import EncoderIdentity

MAX_EMBEDDED_LAST = 16
"""How many items may be embedded during a promotion, while writers wait. A model of 90 million parameters embeds them
in two to five seconds on two cores; a writer gives up after ``sqlite_file.BUSY_TIMEOUT_S``."""

LANGUAGE_WAIT_S = 0.5

TERMS_PER_COMMIT = 2000
"""How many items of an older catalog are analysed in one transaction, which takes a fifth of a second."""

Embed = Callable[[Sequence[StoredItem]], Sequence[Embedded]]


class Catalog:
    """The items of one store. Safe to use from several threads and processes at once.

    Reads see one consistent state; writes are single transactions under a growing sequence number. Every method may
    raise StorageError.
    """

    def __init__(self, place: Path | SqlDatabase) -> None:
        """Open an SQLite file, made if there is none, or a database whose schema is of this version."""
        self.database: SqlDatabase = Database(place) if isinstance(place, Path) else place
        with self.database.read() as connection:
            self.name: str = connection.execute(select(clock.c.catalog)).scalar_one()

    def close(self) -> None:
        self.database.close()

    def become_another(self) -> None:
        """Take a new name, after which nothing that was derived from the catalog under its old name fits it."""
        name = uuid4().hex
        with self.database.write() as connection:
            connection.execute(update(clock).values(catalog=name))
        self.name = name

    # Index versions

    def active_encoder(self) -> EncoderIdentity | None:
        """The encoder whose vectors answer queries, or None before anything was indexed."""
        with self.database.read() as connection:
            return index_versions.active_identity(connection)

    def is_active(self, version_id: int) -> bool:
        """Whether an index version is the one that answers queries. Costs one row."""
        with self.database.read() as connection:
            return index_versions.is_active(connection, version_id)

    def index_versions(self) -> list[IndexVersion]:
        """Every index version, the active one first, then the youngest."""
        with self.database.read() as connection:
            return index_versions.all_index_versions(connection)

    def open_index_version(self, identity: EncoderIdentity, *, active: bool) -> int:
        """The key of an encoder's index version, made if there is none; ``active`` asks for the one that answers
        queries.

        Raises EncoderReplacedError where another encoder's is the active one.
        """
        with self.database.read() as connection:  # the usual case needs no write lock, nor a writable folder
            version_id = index_versions.find_index_version(connection, identity, active=active)
        if version_id is not None:
            return version_id
        with self.database.write() as connection:
            return index_versions.make_index_version(connection, identity, active=active)

    def pending(self, version_id: int) -> Iterator[StoredItem]:
        """The items that an index version has yet to embed, oldest change first, read in pages, each a consistent state
        of its own; items that change meanwhile come last. Raises EncoderReplacedError where the version was dropped."""
        with self.database.read() as connection:
            position = index_versions.start_of_pending(connection, version_id)
        while True:
            with self.database.read() as connection:
                page = index_versions.items_after(connection, position, CHUNK)
            if not page:
                return
            yield from page
            position = (page[-1].sequence, page[-1].id)

    def n_pending(self, version_id: int) -> int:
        """How many items ``pending`` gives. Raises EncoderReplacedError where the version was dropped."""
        with self.database.read() as connection:
            return index_versions.n_changed_since(connection, index_versions.watermark_of(connection, version_id))

    def backfill(self, version_id: int, batch: Sequence[Embedded]) -> None:
        """Store the vectors of consecutive items of ``pending`` in their index version, in place of older ones.

        An item without vectors keeps those it has there. Items that changed or were deleted since they were read are
        left out; the former are pending again. Raises EncoderReplacedError where the version was dropped.
        """
        if not batch:
            return
        with self.database.write() as connection:
            index_versions.backfill(connection, version_id, items.next_sequence(connection), batch)

    def mark_all_pending(self, version_id: int) -> None:
        """Make every item pending in an index version; its vectors stay until others replace them."""
        with self.database.write() as connection:
            index_versions.mark_all_pending(connection, version_id)

    def promote(self, version_id: int, embed: Embed | None = None) -> bool:
        """Make an index version the active one in one step, if nothing is pending; returns whether it is active now.

        With ``embed``, up to ``MAX_EMBEDDED_LAST`` items may be pending: they are embedded while all writers wait, so
        that a catalog that never stops changing can change its encoder too. The version before is kept, every other is
        dropped. Writing to any other version raises EncoderReplacedError from then on; the one that is kept can still
        be read.
        """
        with self.database.write() as connection:
            if index_versions.is_active(connection, version_id):
                return True
            last = index_versions.items_after(
                connection, index_versions.start_of_pending(connection, version_id), MAX_EMBEDDED_LAST + 1
            )
            if len(last) > (MAX_EMBEDDED_LAST if embed else 0):
                return False
            sequence = items.next_sequence(connection)
            if embed and last:
                index_versions.backfill(connection, version_id, sequence, embed(last))
            index_versions.promote(connection, version_id, sequence)
        return True

    def drop_index_version(self, version_id: int) -> None:
        """Delete an index version with its vectors. Raises StateError for the active one."""
        with self.database.write() as connection:
            if index_versions.is_active(connection, version_id):
                raise StateError(
                    "The active encoder's index version answers the queries and cannot be dropped.",
                    remedy="Go over to another encoder first: vitrina encoder use NAME.",
                )
            index_versions.drop(connection, [version_id])

    # Writing

    def commit(
        self,
        version_id: int,
        entries: Sequence[IndexedItem],
        source_id: int | None = None,
        before: StoredItem | None = None,
    ) -> int:
        """Insert or replace items by sku, all or none; returns the change's sequence number.

        They become items of a source; without one those that are there stay with theirs. Skus must be distinct within
        one call. Raises EncoderReplacedError where another index version is the active one, and ItemChangedError where
        an item is no longer as it was ``before``.
        """
        with self.database.write() as connection:
            index_versions.check_active(connection, version_id)
            if before is not None:
                items.check_unchanged(connection, before)
            return items.replace_items(connection, version_id, entries, source_id)

    def mark_incomplete(self, stored: Sequence[StoredItem]) -> None:
        """Let the next run over the items' source index them again, unless they changed since they were read."""
        if stored:
            with self.database.write() as connection:
                items.mark_incomplete(connection, stored)

    def delete(self, skus: Sequence[str]) -> list[str]:
        """Delete items with everything that belongs to them; returns the skus that were there."""
        with self.database.write() as connection:
            return items.delete_items(connection, skus)

    # Sources

    def source_id(self, name: str, *, make: bool = True) -> int | None:
        """The id of the source of a name, which is added if it is new; None where it is not and ``make`` is false."""
        with self.database.read() as connection:
            known = sources.source_id_of(connection, name)
        if known is not None or not make:
            return known
        with self.database.write() as connection:
            return sources.make_source(connection, name)

    def source_counts(self) -> dict[int, int]:
        """How many items each source has, by its id."""
        with self.database.read() as connection:
            return sources.source_counts(connection)

    def source_names(self) -> dict[str, int]:
        """How many items each source has that has any, by its name."""
        with self.database.read() as connection:
            return sources.source_names(connection)

    def assign(self, source_id: int, skus: Sequence[str]) -> None:
        """Make items those of a source."""
        if skus:
            with self.database.write() as connection:
                sources.assign(connection, source_id, skus)

    def move_items(self, source_ids: Sequence[int], source_id: int) -> None:
        """Make the items of some sources those of another."""
        if source_ids:
            with self.database.write() as connection:
                sources.move_items(connection, source_ids, source_id)

    def skus_of(self, source_ids: Sequence[int]) -> Iterator[list[str]]:
        """The skus of the items of some sources, in pages, each a consistent state of its own."""
        return pages(self.database, lambda connection, last: sources.skus_of(connection, source_ids, last))

    def item_page(
        self,
        limit: int,
        after: tuple[int, int] = (0, 0),
        *,
        sources: Collection[str] | None = None,
        since: float | None = None,
    ) -> ItemPage:
        """A page of the items of some sources, or of all, that changed ``since`` (seconds since 1970) or later, the
        longest unchanged first; ``after`` is the ``last`` of the page before."""
        with self.database.read() as connection:
            return item_page(connection, limit, after, sources, since)

    # Twins

    def replace_twins(self, item_ids: Sequence[int] | None, groups: Sequence[Sequence[int]]) -> None:
        """Forget the groups of some items, or all for None, and store others, joined with those their items are in."""
        with self.database.write() as connection:
            twins.replace_twins(connection, item_ids, groups)

    # Words and facets

    def term_changes(self, since: int) -> TermChanges:
        """The words of what changed after sequence number ``since``; of everything for 0."""
        with self.database.read() as connection:
            return terms.term_changes(connection, since)

    def facet_changes(self, since: int) -> FacetChanges:
        """The facets of what changed after sequence number ``since``; of everything for 0."""
        with self.database.read() as connection:
            return facets.facet_changes(connection, since)

    def names_since(self, since: int) -> NameChanges:
        """The names of the items that changed after sequence number ``since``; of all for 0."""
        with self.database.read() as connection:
            return items.names_since(connection, since)

    def store_missing_terms(self) -> int:
        """Analyse some of the items whose words are not stored; returns how many, 0 where none is left."""
        if self.database.is_read_only:
            return 0
        with self.database.write() as connection:
            return terms.store_missing_terms(connection, TERMS_PER_COMMIT)

    def text_settings(self) -> TextSettings:
        """The catalog's language and the shop's own synonyms."""
        with self.database.read() as connection:
            return terms.read_text_settings(connection)

    def keep_language(self, language: str, n_judged: int) -> None:
        """Store the language that was found out when there were ``n_judged`` items. Raises StorageError where another
        process writes for longer than ``LANGUAGE_WAIT_S``: searches wait for this."""
        with self.database.write(wait_s=LANGUAGE_WAIT_S) as connection:
            terms.write_text_settings(connection, language=language, n_judged=n_judged)

    def keep_synonyms(self, synonyms: str) -> None:
        """Replace the shop's own synonyms, as a change that every index follows. They must have been parsed before."""
        with self.database.write() as connection:
            terms.write_text_settings(connection, synonyms=synonyms)
            items.next_sequence(connection)

    # Reading

    @contextmanager
    def reading(self) -> Iterator[CatalogReader]:
        """One consistent state of the catalog, however long it is read."""
        with self.database.read() as connection:
            yield CatalogReader(connection)

    def sequence(self) -> int:
        """The number of the last committed change; 0 for an empty, new catalog. Costs one row."""
        with self.reading() as reader:
            return reader.sequence()

    def count(self, what: str) -> int:
        """How many ``items``, ``images`` or, which takes longer, ``vectors`` of the active index version there are."""
        with self.reading() as reader:
            return reader.count(what)

    def counts(self) -> dict[str, int]:
        """How many there are of each of these."""
        with self.reading() as reader:
            return {what: reader.count(what) for what in COUNTED}

    def content_hashes(self, skus: Sequence[str]) -> dict[str, str]:
        """The content hash of each sku that is there."""
        return {sku: known.content_hash for sku, known in self.known_items(skus).items()}

    def known_items(self, skus: Sequence[str]) -> dict[str, KnownItem]:
        """The content hash and the source of each sku that is there."""
        with self.reading() as reader:
            return reader.known_items(skus)

    def item(self, sku: str) -> StoredItem:
        """One item by its sku. Raises NotFoundError."""
        with self.reading() as reader:
            return reader.item(sku)

    def items(self, item_ids: Sequence[int]) -> dict[int, StoredItem]:
        """Items by id, without those that are gone."""
        with self.reading() as reader:
            return reader.items(item_ids)

    def all_items(self) -> Iterator[StoredItem]:
        """Every item in the order of its id, read in pages, each a consistent state of its own."""
        return chain.from_iterable(pages(self.database, items.items_above))

    def first_images(self) -> Iterator[str]:
        """The id of each item's first image, the oldest first, read in pages; an image that several items share comes
        several times."""
        return chain.from_iterable(pages(self.database, items.first_images_above))

    def changes(self, version_id: int, since: int) -> Changes:
        """What changed after sequence number ``since`` in one index version; everything in it for ``since`` 0.

        Raises EncoderReplacedError where the version was dropped.
        """
        with self.reading() as reader:
            return reader.changes(version_id, since)
