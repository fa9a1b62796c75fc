"""Catalog sources: one file format a module, each yielding records and rejections."""

from indexer.sources.catalog import open_source
from indexer.sources.source import Source

__all__ = ["Source", "open_source"]
