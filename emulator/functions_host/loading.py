"""Load a function app: read host.json, start its worker, prepare its triggers."""

import os
import re
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path

from emulator.functions_host import worker
from emulator.functions_host.app import App, Invoke, Limit
from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import HttpFunction, describe_functions
from emulator.functions_host.hostjson import read_host_config
from emulator.functions_host.listing import Listing
from emulator.functions_host.logs import Log, quieten_worker
from emulator.functions_host.pool import Pool
from emulator.functions_host.routes import Router
from emulator.functions_host.triggers import Triggers

COUNT_SETTING = "FUNCTIONS_WORKER_PROCESS_COUNT"
MOST_PROCESSES = 10
TIMED_OUT = 3  # exit code
STARTUP = "Host.Startup"


async def load(
    app: App,
    folder: Path,
    settings: Mapping[str, str],
    triggers: Triggers,
    timer_folder: Path | None,
    exits: AsyncExitStack,
) -> None:
    """
    Load the app in *folder* into *app* and *triggers*, or record in *app* why it cannot run.

    *exits* gets what must end with the host. A single worker process is this one, which makes calls
    faster; with several, this process loads nothing of the app.
    """
    invoke: Invoke = worker.invoke
    try:
        config = read_host_config(folder)
        app.log.set_levels(config.levels)
        count = process_count(settings)
        if count == 1:
            quieten_worker(app.log)
            worker.put_app_first(folder)
            os.chdir(folder)
            found = await worker.load(folder)
            limit = Limit(config.timeout_s, lambda _: _end(app.log))
        else:
            pool = Pool(folder, count, app.log, triggers.stopping.set)
            exits.push_async_callback(pool.close)
            found, invoke = await pool.load(), pool.invoke
            limit = Limit(config.timeout_s, pool.restart)
        app.listing = Listing(found, settings, config.route_prefix)
        functions = describe_functions(found, settings)
        router = Router([f for f in functions if isinstance(f, HttpFunction)], config.route_prefix)
        triggers.take(functions, settings, config.queues, timer_folder)
    except HostError as error:
        app.fail(error)
        await exits.aclose()
        return
    app.run(functions, router, invoke, limit)
    for function in functions:
        off = " (disabled)" if function.disabled else ""
        app.log.write(20, STARTUP, f"found function '{function.name}'{off}")
    if not functions:
        app.log.write(30, STARTUP, "no functions found")


def _end(log: Log) -> None:
    """End this process, which is the worker too; the platform starts another one."""
    log.flush()
    os._exit(TIMED_OUT)


def process_count(settings: Mapping[str, str]) -> int:
    """
    Return the number of worker processes in *settings*; raise `HostError` for more than ten.

    As in WorkerConfigFactory.cs of github.com/Azure/azure-functions-host, a number below 1 means 1,
    and anything else than a whole number is an error.
    """
    text = settings.get(COUNT_SETTING, "").strip() or "1"
    if not re.fullmatch(r"[+-]?\d{1,9}", text):
        raise HostError(f"{COUNT_SETTING} is '{text}', it must be a whole number")
    if int(text) > MOST_PROCESSES:
        raise HostError(
            f"{COUNT_SETTING} is {text}: ProcessCount must not be greater than MaxProcessCount "
            f"({MOST_PROCESSES})"
        )
    return max(1, int(text))
