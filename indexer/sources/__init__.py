"""Catalog sources: one file format a module, each yielding records and rejections."""
