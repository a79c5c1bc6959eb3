"""
The command line: one file per command group. It prints the results of functions, without logic.

Data goes to stdout, everything else to stderr. Exit codes: 0 in sync or done, 1 drift or not done,
2 error, 130 interrupted.
"""

import gc
import sys


def main() -> None:
    """Run `gitslot` with this process's arguments and exit."""
    gc.set_threshold(100_000)  # modules are no garbage: looking at them takes a tenth of the time
    # azure-storage-blob loads it where it is installed, in 0.08 s, and uses it for its `aio` alone.
    sys.modules.setdefault("aiohttp", None)  # type: ignore[arg-type] # Python's way to hide one
    try:
        from gitslot.cli.app import run  # noqa: PLC0415 - Ctrl-C while it loads ends here too

        code = run(sys.argv[1:])
    except KeyboardInterrupt:
        code = 130
    gc.freeze()
    sys.exit(code)
