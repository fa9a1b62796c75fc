"""``python -m api.cli`` is ``vitrina``."""

from vitrina.api.cli import main

main()
