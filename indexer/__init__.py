"""Turns a catalog into searchable rows: read, fetch, decode, embed, commit."""
