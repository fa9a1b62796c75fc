"""Tuning an encoder on the rows of an indexed catalog."""
