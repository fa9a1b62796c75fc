"""The lexical index: a catalog's words in memory, searched by BM25."""
