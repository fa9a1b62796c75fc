"""Relevance evaluation: how well a search answers judged queries, how certain that is, and where it fails."""
