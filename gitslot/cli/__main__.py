"""`python -m gitslot.cli`: the same as `gitslot`."""

from gitslot.cli import main

main()
