"""`python -m lightune`."""

from lightune.cli import main

main()
