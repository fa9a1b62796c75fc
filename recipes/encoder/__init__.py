"""The recipe of the embedded encoder: ``python -m recipes.encoder``."""
