"""The recipe of the matcher: ``python -m recipes.matcher``. It needs torch, and is not in the wheel."""
