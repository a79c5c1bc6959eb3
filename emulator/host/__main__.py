"""
Run a function app: `python -m emulator.host --app DIR --port N --keys FILE`.

Exit code 0 after SIGTERM, SIGINT or the end of standard input; 1 where the port is taken; 2 for
arguments that cannot be used. An app that cannot be loaded keeps the host up in state Error.
"""

import argparse
import asyncio
import logging
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from socket import socket

from emulator.host import worker
from emulator.host.admin import Admin
from emulator.host.app import App
from emulator.host.errors import HostError
from emulator.host.functions import HttpFunction, describe_functions
from emulator.host.hostjson import read_host_config
from emulator.host.keys import Keys
from emulator.host.listing import Listing
from emulator.host.logs import AppHandler, Console, Log
from emulator.host.routes import Router
from emulator.host.server import Server, open_socket
from emulator.host.triggers import Triggers
from emulator.host.web import BODY_LIMIT, BODY_LIMIT_SETTING, Web

# How long requests, timer runs and messages may go on after a stop.
GRACE_S = 30.0
STARTUP = "Host.Startup"


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line, run the host, return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m emulator.host", description=__doc__)
    parser.add_argument("--app", type=Path, required=True, help="folder of an unpacked package")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1, 0 for any")
    parser.add_argument("--keys", type=Path, required=True, help="JSON file of the slot's keys")
    parser.add_argument("--timers", type=Path, help="folder to keep timer status in over restarts")
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
    log = Log(os.dup(1))
    threading.Thread(target=log.flush_late, name="log", daemon=True).start()
    asyncio.run(_run(App(log), app_folder, listener, keys, timers))
    log.flush()
    os._exit(0)  # threads of the app that do not end must not hold the slot


async def _run(
    app: App, folder: Path, listener: socket, keys: Keys, timer_folder: Path | None
) -> None:
    stopping = asyncio.Event()
    settings = dict(os.environ)
    _take_output(app)
    triggers = await _load(app, folder, settings, stopping, timer_folder)
    instance = settings.get("WEBSITE_INSTANCE_ID", "")
    web = Web(
        app,
        Admin(app, keys, _host_id(settings), instance, triggers.fire),
        keys,
        home_page=settings.get("AzureWebJobsDisableHomepage", "").lower() != "true",
        body_limit=_body_limit(settings),
    )
    port = listener.getsockname()[1]

    def ready() -> None:
        app.log.write(20, STARTUP, f"listening on http://127.0.0.1:{port}, state {app.state}")
        app.log.flush()
        triggers.begin()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await Server(web, GRACE_S, stopping, ready).serve(sockets=[listener])
    await triggers.end(GRACE_S)
    for stream in (sys.stdout, sys.stderr):
        print(file=stream)  # ends a line that the app began
    app.log.write(20, STARTUP, "stopped")


async def _load(
    app: App,
    folder: Path,
    settings: Mapping[str, str],
    stopping: asyncio.Event,
    timer_folder: Path | None,
) -> Triggers:
    worker.put_app_first(folder)
    os.chdir(folder)
    triggers = Triggers(app, stopping)
    try:
        config = read_host_config(folder)
        app.log.set_levels(config.levels)
        _set_worker_level(app.log)
        found = await worker.load(folder)
        app.listing = Listing(found, settings, config.route_prefix)
        functions = describe_functions(found, settings)
        router = Router([f for f in functions if isinstance(f, HttpFunction)], config.route_prefix)
        triggers.take(functions, settings, config.queues, timer_folder)
        app.run(functions, router)
    except HostError as error:
        app.fail(error)
        return Triggers(app, stopping)
    for function in functions:
        off = " (disabled)" if function.disabled else ""
        app.log.write(20, STARTUP, f"found function '{function.name}'{off}")
    if not functions:
        app.log.write(30, STARTUP, "no functions found")
    return triggers


def _take_output(app: App) -> None:
    root = logging.getLogger()
    root.handlers[:] = [AppHandler(app.log, app.whose)]
    debug = os.environ.get("PYTHON_ENABLE_DEBUG_LOGGING", "").lower() in ("1", "true")
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    sys.stdout = Console(app.log, logging.INFO, app.whose)
    sys.stderr = Console(app.log, logging.WARNING, app.whose)


def _set_worker_level(log: Log) -> None:
    least = next((level for level in (5, 10, 20, 30, 40, 50) if log.shows("Worker", level)), 100)
    logging.getLogger("azure.functions").setLevel(least)


def _host_id(settings: Mapping[str, str]) -> str:
    """Return the host id, made as ScriptHostIdProvider.cs of azure-functions-host makes it."""
    if given := settings.get("AzureFunctionsWebHost__hostid"):
        return given
    name = settings.get("WEBSITE_SITE_NAME", "local")
    slot = settings.get("WEBSITE_SLOT_NAME", "Production")
    full = name if slot.lower() == "production" else f"{name}-{slot}"
    return full.lower()[:32].strip("-")


def _body_limit(settings: Mapping[str, str]) -> int:
    text = settings.get(BODY_LIMIT_SETTING, "")
    return int(text) if text.isdigit() else BODY_LIMIT


def _watch_parent() -> None:
    """End this process when standard input does: the parent that held its other end is gone."""
    kind = os.fstat(0).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return  # a terminal, a file, nothing: no parent holds it

    def watch() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(GRACE_S)
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
