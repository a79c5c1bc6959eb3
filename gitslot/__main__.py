"""Run the command line: `python -m gitslot` is the same as `gitslot`."""

from gitslot.cli import main

main()
