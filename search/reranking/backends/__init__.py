"""Backends: one file for each way of asking a vision-language model."""
