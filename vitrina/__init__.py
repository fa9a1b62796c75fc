"""Vitrina: multimodal semantic search for product catalogs."""
