"""Text analysis: words to the terms that are indexed and searched, in the catalog's language."""
