"""Judging: what a query asks of each candidate, what listing and picture answer, and the verdicts."""
