"""The catalog in SQL: the truth that every view is derived from."""
