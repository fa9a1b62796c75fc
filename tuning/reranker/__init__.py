"""Tuning a reranker on a shop's own judged pairs."""
