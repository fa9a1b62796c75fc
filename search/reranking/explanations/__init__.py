"""Explaining: verdicts in words, by the model where the verdicts support what it writes, else by template."""
