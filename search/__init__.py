"""Answers a query: the domain. Catalog, encoders, vector indexes, ranking and errors."""
