"""Batches of items: put and deleted in one request, in order, each with a result of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Annotated, Literal

from pydantic import Field

from vitrina.api.errors import FailureOut
from vitrina.api.item_records import record_of
from vitrina.api.request_schemas import SKU
from vitrina.api.requests import EXAMPLE_IMAGE, ItemIn, JsonModel
from vitrina.api.service import Service
from vitrina.indexer.sources.base import Record
from vitrina.indexer.sources.cells import key_text
from vitrina.search.types.errors import InputError

MAX_OPERATIONS = 1_000

N_TOGETHER = 64
"""Items that are fetched, encoded and committed together: their images are in memory until then, 0.6 MB each."""

BATCH_S = 120.0
"""How long fetching all images of a batch may take."""


class PutIn(JsonModel):
    """Add an item, or replace it as a whole."""

    op: Literal["put"]
    sku: str = Field(min_length=1, json_schema_extra=SKU)
    item: ItemIn


class DeleteIn(JsonModel):
    """Remove an item."""

    op: Literal["delete"]
    sku: str = Field(min_length=1)


OperationIn = Annotated[PutIn | DeleteIn, Field(discriminator="op")]


class BatchIn(JsonModel):
    """What to put and delete, in this order."""

    model_config = JsonModel.model_config | {
        "json_schema_extra": {
            "examples": [
                {
                    "operations": [
                        {"op": "put", "sku": "A-17", "item": {"title": "Linen Shirt", "images": [EXAMPLE_IMAGE]}},
                        {"op": "delete", "sku": "B-4"},
                    ]
                }
            ]
        }
    }

    operations: list[OperationIn] = Field(min_length=1, max_length=MAX_OPERATIONS)


class OperationOut(JsonModel):
    """What came of one operation."""

    op: Literal["put", "delete"]
    sku: str
    status: Literal["created", "replaced", "deleted", "not_found", "failed"]
    error: FailureOut | None = Field(None, description="Why it failed.")


class BatchOut(JsonModel):
    """A result for each operation, in their order."""

    results: list[OperationOut]
    n_failed: int


class BatchWriter:
    """Writes one batch: operations on different skus together, those on one sku in their order."""

    def __init__(self, service: Service, cancelled: threading.Event) -> None:
        self._service = service
        self._cancelled = cancelled
        self._until = time.monotonic() + BATCH_S

    def write(self, operations: Sequence[OperationIn]) -> BatchOut:
        """Write them all. What is searched after it sees all of it. Blocks. Raises StorageError and EncoderError, where
        what came before is written."""
        results = [result for part in parts_of(operations) for result in self._written(part)]
        return BatchOut(results=results, n_failed=sum(each.error is not None for each in results))

    def _written(self, part: Sequence[OperationIn]) -> list[OperationOut]:
        """The results of operations of one kind, on different skus."""
        puts = [each for each in part if isinstance(each, PutIn)]
        return self._put(puts) if puts else self._deleted([each.sku for each in part])

    def _deleted(self, skus: Sequence[str]) -> list[OperationOut]:
        gone = set(self._service.delete([key_text(sku) for sku in skus]))
        return [
            OperationOut(op="delete", sku=sku, status="deleted" if key_text(sku) in gone else "not_found")
            for sku in skus
        ]

    def _put(self, puts: Sequence[PutIn]) -> list[OperationOut]:
        read = [record_or_error(each) for each in puts]
        records = [each for each in read if isinstance(each, Record)]
        written = iter(self._service.put_all(records, self._cancelled, self._until))
        return [
            put_result(put.sku, next(written) if isinstance(each, Record) else each)
            for put, each in zip(puts, read, strict=True)
        ]


def parts_of(operations: Sequence[OperationIn]) -> Iterator[list[OperationIn]]:
    """Runs of operations of one kind, none with a sku twice, of up to ``N_TOGETHER``."""
    for _, run in groupby(operations, key=lambda each: each.op):
        part: dict[str, OperationIn] = {}
        for each in run:
            if key_text(each.sku) in part or len(part) == N_TOGETHER:
                yield list(part.values())
                part = {}
            part[key_text(each.sku)] = each
        yield list(part.values())


def record_or_error(put: PutIn) -> Record | InputError:
    """The item as a record, or why it cannot be one."""
    try:
        return record_of(put.sku, put.item)
    except InputError as error:
        return error


def put_result(sku: str, found: bool | InputError) -> OperationOut:
    """What came of a put: whether the item was new, or why it failed."""
    if isinstance(found, InputError):
        return OperationOut(op="put", sku=sku, status="failed", error=FailureOut.of(found))
    return OperationOut(op="put", sku=sku, status="created" if found else "replaced")
