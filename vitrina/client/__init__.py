"""A client of a running service, that needs neither its models nor its catalog: ``Client``, and ``AsyncClient``.

::

    from vitrina.client import Client

    with Client("http://127.0.0.1:8000") as shop:
        shop.search("navy linen shirt", rerank=True, explain=3)

A result shows its pictures in a notebook.
"""

from vitrina.client.clients import AsyncClient, Client
from vitrina.client.errors import ClientError, ServiceError, UnreachableError
from vitrina.client.results import (
    BatchResult,
    CatalogItem,
    CatalogPage,
    DeadLetter,
    HitExplanation,
    HitVerdict,
    ImportJob,
    ImportNumbers,
    ItemVariant,
    LeftOutRows,
    OperationResult,
    QuerySuggestion,
    RankReport,
    SearchHit,
    SearchResult,
    ServiceProblem,
    StreamedResult,
)

__all__ = [
    "AsyncClient",
    "BatchResult",
    "CatalogItem",
    "CatalogPage",
    "Client",
    "ClientError",
    "DeadLetter",
    "HitExplanation",
    "HitVerdict",
    "ImportJob",
    "ImportNumbers",
    "ItemVariant",
    "LeftOutRows",
    "OperationResult",
    "QuerySuggestion",
    "RankReport",
    "SearchHit",
    "SearchResult",
    "ServiceError",
    "ServiceProblem",
    "StreamedResult",
    "UnreachableError",
]
