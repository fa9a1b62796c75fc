"""Reranking: a vision-language model looks at the candidates and says which requirements each one meets."""
