"""``python -m vitrina.api.cli`` is ``vitrina``."""

from vitrina.api.cli import main

main()
