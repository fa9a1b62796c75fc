"""Catalog sources: one module per file format, each yielding records and rejections."""

from vitrina.indexer.sources.base import Source
from vitrina.indexer.sources.registry import open_source

__all__ = ["Source", "open_source"]
