"""Run the emulator until SIGTERM or SIGINT: ``python -m emulator --state DIR``."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from emulator.machine.storage import ACCOUNT, StorageError
from emulator.platform import AlreadyRunningError, Options, Platform
from emulator.seen.latency import PROFILES


def main(arguments: list[str] | None = None) -> int:
    """Run until a signal; return the exit code, 0 after a signal and 2 if it cannot start."""
    parser = argparse.ArgumentParser(
        prog="python -m emulator", description="Azure for one laptop: slots as real processes."
    )
    add = parser.add_argument
    add("--state", type=Path, required=True, metavar="DIR", help="folder for all state")
    add("--latency", choices=sorted(PROFILES), default="zero", help="how long Azure takes")
    add("--azurite", metavar="CMD", help="azurite-blob, if npm ci did not install it")
    add("--account", default=ACCOUNT, metavar="NAME", help="the storage account's name")
    given = parser.parse_args(arguments)
    options = Options(given.state, PROFILES[given.latency], given.azurite, given.account)
    try:
        asyncio.run(_run(options))
    except (AlreadyRunningError, StorageError) as error:
        print(f"emulator: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(options: Options) -> None:
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, done.set)
    platform = Platform(options)
    try:
        facts = await platform.start()
        print(f"emulator: ready, arm {facts['arm']}, admin {facts['admin']}", flush=True)
        await done.wait()
    finally:
        await platform.stop()


if __name__ == "__main__":
    sys.exit(main())
