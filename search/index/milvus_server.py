"""A Milvus server, or a file of Milvus Lite: its address, its collections, and its failures in words."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlsplit

from vitrina.search.types.errors import MissingDependencyError, StateError, StorageError

try:
    import grpc
    from pymilvus import DataType, MilvusClient, MilvusException
except ImportError as error:
    raise MissingDependencyError(
        "The client of Milvus is not installed.",
        remedy="Install it with: pip install 'vitrina[milvus]' (and milvus-lite for a local .db file).",
    ) from error

CONNECT_S = 10.0
READ_S = 10.0
WRITE_S = 120.0
"""How long Milvus may take for each. The client tries again by itself until then."""

N_LISTS = 1024
"""Lists of a segment, which Milvus seals at about a million rows; a smaller one gets fewer."""

STATE = "vitrina_state"
"""The collection that says up to which change of the catalog other collections are written."""

MAX_NAME = 255

UNREACHABLE = (
    "Check that it runs and that VITRINA_VECTORS names it; the vectors are also in the catalog, and a service goes on "
    "by itself once Milvus answers."
)

Row = Mapping[str, Any]


class MilvusServer:
    """A connection to ``http[s]://[USER:PASSWORD@]HOST:19530[/DATABASE]``, or to a local file that ends in ``.db``.

    Raises StateError for another address, and StorageError where nothing answers. Every method may raise StorageError.
    """

    def __init__(self, address: str) -> None:
        options = parse_address(address)
        self._shown = options["uri"]
        self._loaded: set[str] = set()
        logging.getLogger("pymilvus").setLevel(logging.CRITICAL)  # what it logs as an error is raised, too
        with self.translated():
            self._client: Any = MilvusClient(**options, timeout=CONNECT_S)

    def __str__(self) -> str:
        return f"Milvus at {self._shown}"

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn Milvus's errors into StorageError; collections are loaded again then, in case it was restarted."""
        try:
            yield
        except MilvusException as error:
            self._loaded.clear()
            raise StorageError(f"{self} failed: {error.message.rstrip('.')}.", remedy=UNREACHABLE) from error
        except (grpc.RpcError, ValueError, OSError) as error:  # the client raises some of gRPC's as they are
            self._loaded.clear()
            raise StorageError(f"{self} failed: {error}.", remedy=UNREACHABLE) from error

    def make(self, collection: str, dimension: int) -> bool:
        """Make a collection of rows where there is none, and have it loaded; returns whether it was made."""
        with self.translated():
            is_new = not self._client.has_collection(collection, timeout=READ_S)
            if is_new:
                self._create_rows(collection, dimension)
            self._load(collection, again=is_new)
            return is_new

    def _load(self, collection: str, *, again: bool) -> None:
        if again or collection not in self._loaded:
            self._client.load_collection(collection, timeout=WRITE_S)
            self._loaded.add(collection)

    def _create_rows(self, collection: str, dimension: int) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("item_id", DataType.INT64)
        schema.add_field("rank", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=dimension)
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type="IVF_FLAT", metric_type="IP", params={"nlist": N_LISTS})
        for field in ("item_id", "rank"):
            indexes.add_index(field, index_type="INVERTED")
        self._create(collection, schema, indexes)

    def _create(self, collection: str, schema: Any, indexes: Any) -> None:
        self._client.create_collection(collection, schema=schema, consistency_level="Session", timeout=WRITE_S)
        self._client.create_index(collection, indexes, sync=False, timeout=WRITE_S)  # it is empty: nothing to wait for

    def drop(self, collection: str) -> None:
        """Delete a collection with its rows; nothing where there is none."""
        with self.translated():
            self._client.drop_collection(collection, timeout=WRITE_S)

    def collections(self) -> list[str]:
        """The names of all collections."""
        with self.translated():
            return list(self._client.list_collections(timeout=READ_S))

    def search(
        self, collection: str, query: Any, limit: int, condition: str, n_probed: int
    ) -> tuple[list[int], list[int], list[float]]:
        """Row ids, item ids and inner products of the best rows that meet a condition, if not empty."""
        with self.translated():
            (hits,) = self._client.search(
                collection,
                [query],
                filter=condition,
                limit=limit,
                output_fields=["item_id"],
                anns_field="vector",
                search_params={"metric_type": "IP", "params": {"nprobe": n_probed}},
                consistency_level="Session",
                timeout=READ_S,
            )
            ids = [hit["id"] for hit in hits]
            return ids, [hit["entity"]["item_id"] for hit in hits], [hit["distance"] for hit in hits]

    def query(self, collection: str, condition: str, fields: Sequence[str], *, newest: bool = False) -> list[Row]:
        """Fields of all rows that meet a condition, in no order; ``newest`` waits for what other clients wrote."""
        with self.translated():
            level = "Strong" if newest else "Session"
            found = self._client.query(
                collection,
                filter=condition,
                output_fields=list(fields),
                consistency_level=level,
                strict_float32=True,  # vectors as arrays, not as lists of numbers
                timeout=READ_S,
            )
            return list(found)

    def count(self, collection: str) -> int:
        """How many rows a collection has."""
        return int(self.query(collection, "", ["count(*)"], newest=True)[0]["count(*)"])

    def write(self, collection: str, rows: list[dict[str, Any]], *, fresh: bool = False) -> None:
        """Write rows in place of those with the same ids; ``fresh`` says that there are none, and saves looking."""
        with self.translated():
            method = self._client.insert if fresh else self._client.upsert
            method(collection, rows, timeout=WRITE_S)

    def delete(self, collection: str, ids: list[int]) -> None:
        """Delete rows by id."""
        with self.translated():
            self._client.delete(collection, ids=ids, timeout=WRITE_S)

    def sequence(self, name: str) -> int:
        """The number that was kept under a name; 0 for none."""
        self._make_state()
        found = self.query(STATE, f'name == "{name}"', ["sequence"], newest=True)
        return int(found[0]["sequence"]) if found else 0

    def _make_state(self) -> None:
        with self.translated():
            is_new = not self._client.has_collection(STATE, timeout=READ_S)
            if is_new:
                self._create_state()
            self._load(STATE, again=is_new)

    def _create_state(self) -> None:
        schema = MilvusClient.create_schema(auto_id=False, enable_dynamic_field=False)
        schema.add_field("name", DataType.VARCHAR, is_primary=True, max_length=MAX_NAME)
        schema.add_field("sequence", DataType.INT64)
        schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2)  # Milvus wants one in each collection
        indexes = self._client.prepare_index_params()
        indexes.add_index("vector", index_type="FLAT", metric_type="IP")
        self._create(STATE, schema, indexes)

    def keep_sequence(self, name: str, sequence: int) -> None:
        """Keep a number under a name."""
        self._make_state()
        self.write(STATE, [{"name": name, "sequence": sequence, "vector": [0.0, 0.0]}])


def parse_address(address: str) -> dict[str, str]:
    """What the client is told of an address. Raises StateError where it is not Milvus's."""
    address = address.strip()
    if "://" not in address and address.endswith(".db"):
        return {"uri": address}
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StateError(
            "VITRINA_VECTORS is not the address of a Milvus server.",
            remedy="Write it as http://HOST:19530, or as a file that ends in .db for Milvus Lite, or leave it out.",
        )
    options = {"uri": f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"}
    if parts.username is not None:
        options["token"] = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    if parts.path.strip("/"):
        options["db_name"] = unquote(parts.path.strip("/"))
    return options
