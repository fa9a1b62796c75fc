"""The relevance lab: how well a search answers judged queries, how sure that is, and where it fails."""
