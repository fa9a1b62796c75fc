"""Backends: one module or package for each way of running a vision-language model."""
