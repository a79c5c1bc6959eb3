"""`python -m controller.cli`: the same as `gitslot`."""

from controller.cli import main

main()
