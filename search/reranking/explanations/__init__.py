"""Explanations of verdicts: by the model if the verdicts support its text, else by template."""
