"""The types that everything speaks in: items, queries, filters, requirements, answers and errors."""
