"""The types that all packages share: items, queries, filters, requirements, answers, models and errors."""
