"""``python -m api.cli`` is ``vitrina``."""

from api.cli import main

main()
