"""The command: ``python -m recipes.encoder --data FOLDER --out FOLDER``."""

import typer

from recipes.encoder.recipe import main

if __name__ == "__main__":
    typer.run(main)
