"""Tuning an encoder on a shop's own rows."""
