"""Understanding: a query parsed into requirements and vectors, with the catalog's own vocabulary."""
