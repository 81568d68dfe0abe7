"""``python -m mailserver``."""

from mailserver.cli import main

main()
