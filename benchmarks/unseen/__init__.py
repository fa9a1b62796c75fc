"""The search in shops that it has never seen, beside the references that anybody could install instead."""
