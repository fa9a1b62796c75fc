"""The recipe of the embedded vision-language model, which reranks and explains: ``python -m recipes.reranker``."""
