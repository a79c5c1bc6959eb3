"""
Run a function app: `python -m emulator.functions_host --app DIR --port N --keys FILE`.

Exit code 0 after SIGTERM, SIGINT or the end of standard input; 1 if the port is taken; 2 for
unusable arguments. If the app cannot be loaded, the host stays up in state Error.
"""

import argparse
import asyncio
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from socket import socket

from emulator.functions_host.admin import Admin
from emulator.functions_host.app import App
from emulator.functions_host.keys import Keys
from emulator.functions_host.loading import STARTUP, load
from emulator.functions_host.logs import Log, take_output
from emulator.functions_host.server import Server, open_socket
from emulator.functions_host.triggers import Triggers
from emulator.functions_host.web import BODY_LIMIT, BODY_LIMIT_SETTING, Web

# How long requests, timer runs and messages may continue after a stop.
GRACE_S = 30.0


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the host, return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m emulator.functions_host", description=__doc__)
    parser.add_argument("--app", type=Path, required=True, help="folder of an unpacked package")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1, 0 for any")
    parser.add_argument("--keys", type=Path, required=True, help="JSON file of the slot's keys")
    parser.add_argument("--timers", type=Path, help="folder that keeps timer status over restarts")
    parser.add_argument("--insights", type=Path, help="file of what Application Insights would get")
    options = parser.parse_args(arguments)
    app_folder: Path = options.app.resolve()
    keys = Keys(options.keys.resolve())
    timers = options.timers.resolve() if options.timers else None
    if not app_folder.is_dir():
        parser.error(f"--app {options.app} is not a folder")
    try:
        keys.read()
    except (OSError, ValueError) as error:
        parser.error(f"--keys {options.keys} cannot be used: {error}")
    try:
        listener = open_socket(options.port)
    except (OSError, OverflowError) as error:
        print(f"port {options.port} cannot be used: {error}", file=sys.stderr)
        return 1
    _watch_parent()
    exports = options.insights and os.environ.get("APPLICATIONINSIGHTS_CONNECTION_STRING")
    log = Log(os.dup(1), insights=options.insights.open("ab", buffering=0) if exports else None)
    threading.Thread(target=log.flush_late, name="log", daemon=True).start()
    asyncio.run(_run(App(log), app_folder, listener, keys, timers))
    log.flush()
    os._exit(0)  # threads of the app that do not end must not keep the process alive


async def _run(
    app: App, folder: Path, listener: socket, keys: Keys, timer_folder: Path | None
) -> None:
    stopping = asyncio.Event()
    settings = dict(os.environ)
    take_output(app.log, app.whose)
    triggers = Triggers(app, stopping)
    async with AsyncExitStack() as exits:
        await load(app, folder, settings, triggers, timer_folder, exits)
        await _serve(app, settings, listener, keys, triggers)
    for stream in (sys.stdout, sys.stderr):
        print(file=stream)  # ends a line that the app began
    app.log.write(20, STARTUP, "stopped")


async def _serve(
    app: App, settings: Mapping[str, str], listener: socket, keys: Keys, triggers: Triggers
) -> None:
    instance = settings.get("WEBSITE_INSTANCE_ID", "")
    limit = settings.get(BODY_LIMIT_SETTING, "")
    web = Web(
        app,
        Admin(app, keys, _host_id(settings), instance, triggers.fire),
        keys,
        home_page=settings.get("AzureWebJobsDisableHomepage", "").lower() != "true",
        body_limit=int(limit) if limit.isdigit() else BODY_LIMIT,
    )
    port = listener.getsockname()[1]

    def ready() -> None:
        app.log.write(20, STARTUP, f"listening on http://127.0.0.1:{port}, state {app.state}")
        app.log.flush()
        triggers.begin()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, triggers.stopping.set)
    await Server(web, GRACE_S, triggers.stopping, ready).serve(sockets=[listener])
    await triggers.end(GRACE_S)


def _host_id(settings: Mapping[str, str]) -> str:
    """Return the host id, computed as in ScriptHostIdProvider.cs of azure-functions-host."""
    if given := settings.get("AzureFunctionsWebHost__hostid"):
        return given
    name = settings.get("WEBSITE_SITE_NAME", "local")
    slot = settings.get("WEBSITE_SLOT_NAME", "Production")
    full = name if slot.lower() == "production" else f"{name}-{slot}"
    return full.lower()[:32].strip("-")


def _watch_parent() -> None:
    """End this process when its standard input ends, because then its parent has ended."""
    kind = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return  # a terminal, a file or nothing: it does not end with a parent

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
