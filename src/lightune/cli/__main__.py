"""`python -m lightune.cli`."""

from lightune.cli import main

main()
