"""Retrieval: a parsed query into candidates, in order, with their confidences."""
