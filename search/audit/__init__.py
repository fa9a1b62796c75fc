"""Auditing: the listings of a whole catalog held against their pictures, to find those that do not agree."""
