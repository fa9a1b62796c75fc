"""Embeddings in SQL: unit vectors as little-endian float32 bytes, read back by sequence number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from sqlalchemy import ColumnElement, Connection, and_, delete, select, union

from vitrina.search.store.database import chunks
from vitrina.search.store.schema import clock, deletions, embeddings, items
from vitrina.search.types.item import MODALITIES, Changes, EmbeddingRows, Modality
from vitrina.search.types.models import Vectors

ROWS_PER_FETCH = 10_000


def embedding_rows(
    version_id: int, item_id: int, vectors: Mapping[Modality, Vectors], sequence: int
) -> Iterator[dict[str, object]]:
    """The rows of one item\'s vectors, for ``insert_rows``."""
    for modality, of_modality in vectors.items():
        for vector in of_modality:
            yield {
                "version_id": version_id,
                "item_id": item_id,
                "modality": modality,
                "vector": vector.astype("<f4").tobytes(),
                "sequence": sequence,
            }


def clear_vectors(connection: Connection, version_id: int, item_ids: Sequence[int]) -> None:
    """Remove the items\' vectors in one index version."""
    for chunk in chunks(item_ids):
        of_items = (embeddings.c.version_id == version_id) & embeddings.c.item_id.in_(chunk)
        connection.execute(delete(embeddings).where(of_items))


def changes_since(connection: Connection, version_id: int, dimension: int, since: int) -> Changes:
    """What changed after sequence number ``since`` in one index version; everything in it for ``since`` 0."""
    sequence = int(connection.execute(select(clock.c.sequence)).scalar_one())
    touched = union(
        select(items.c.id).where(items.c.sequence > since),
        select(deletions.c.item_id).where(deletions.c.sequence > since),
        select(embeddings.c.item_id).where(newer(version_id, since)),
    )
    ids = np.fromiter(connection.scalars(touched) if since else (), dtype=np.int64)
    rows = {modality: rows_since(connection, version_id, modality, since, dimension) for modality in MODALITIES}
    return Changes(sequence, ids, rows)


def newer(version_id: int, since: int) -> ColumnElement[bool]:
    return and_(embeddings.c.version_id == version_id, embeddings.c.sequence > since)


def rows_since(
    connection: Connection, version_id: int, modality: Modality, since: int, dimension: int
) -> EmbeddingRows:
    query = (
        select(embeddings.c.id, embeddings.c.item_id, embeddings.c.vector)
        .where(newer(version_id, since), embeddings.c.modality == modality)
        .order_by(embeddings.c.sequence, embeddings.c.id)  # as the index has them: ids grow with the sequence
    )
    parts = [EmbeddingRows(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, dimension), np.float32))]
    parts += [rows_of([tuple(row) for row in page]) for page in connection.execute(query).partitions(ROWS_PER_FETCH)]
    return EmbeddingRows(
        np.concatenate([part.row_ids for part in parts]),
        np.concatenate([part.item_ids for part in parts]),
        np.concatenate([part.vectors for part in parts]),
    )


def rows_of(page: Sequence[tuple[int, int, bytes]]) -> EmbeddingRows:
    row_ids, item_ids, blobs = zip(*page, strict=True)
    vectors = np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(page), -1)  # (n, d)
    return EmbeddingRows(np.array(row_ids, np.int64), np.array(item_ids, np.int64), vectors)
