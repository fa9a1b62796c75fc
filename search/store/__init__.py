"""The data directory: the catalog in SQL, which is the source of truth, and everything derived from it."""
