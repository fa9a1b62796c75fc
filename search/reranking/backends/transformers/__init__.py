"""Rerankers in this process: any vision-language model that transformers loads as ``AutoModelForImageTextToText``."""
