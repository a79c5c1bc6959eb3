"""
Drive Microsoft's Python worker library in process: load an app, call its functions.

This module knows nothing of HTTP or timers. The library keeps its state in module globals, so a
process holds one app.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from traceback import format_exc

import azure_functions_runtime as runtime

from emulator.functions_host import records
from emulator.functions_host.errors import HostError
from emulator.functions_host.records import (
    InvocationRequest,
    InvocationResponse,
    RpcException,
    RpcFunctionMetadata,
    StatusResult,
    WorkerInitRequest,
    failed,
)


async def load(app: Path) -> list[RpcFunctionMetadata]:
    """
    Import the function app in folder *app* and return the functions that it declares.

    Raise `HostError` with the app's own traceback if the import or a declaration fails. After a
    failed import the library still answers a request for metadata with success, so the result of
    the init request decides.
    """
    runtime.start_threadpool_executor()
    request = WorkerInitRequest(str(app), {"host": "127.0.0.1", "protos": records})
    try:
        answer: records.WorkerInitResponse = await runtime.worker_init_request(request)
    except SystemExit as error:
        reason = f"SystemExit: {error}"
        raise HostError(f"the function app cannot be loaded: {reason}", format_exc()) from error
    if answer.result.status != StatusResult.Success:
        failure = answer.result.exception or RpcException(message="the worker gave no reason")
        raise HostError(
            f"the function app cannot be loaded: {failure.message}", failure.stack_trace
        )
    found: records.FunctionMetadataResponse = await runtime.functions_metadata_request(request)
    return found.function_metadata_results or []


async def invoke(request: InvocationRequest) -> InvocationResponse:
    """
    Call one function and return its answer; an exception of the function is in the answer.

    Log entries made meanwhile can ask `running_call` which call it belongs to.
    """
    runtime.invocation_id_cv.set(request.invocation_id)
    try:
        answer: InvocationResponse = await runtime.invocation_request(request)
    except SystemExit as error:  # on Azure it ends the worker, which the host restarts
        return failed(request.invocation_id, f"SystemExit: {error}", format_exc())
    return answer


def running_call(names: Mapping[str, str]) -> tuple[str, str] | None:
    """
    Return function name and id of the call that runs in this task or thread, if one does.

    *names* are the functions of the running calls by id.
    """
    invocation: str | None = runtime.invocation_id_cv.get()
    name = names.get(invocation) if invocation else None
    return (name, invocation) if name and invocation else None


def put_app_first(app: Path) -> None:
    """
    Let imports find the app's files first, then its packages, then the platform's.

    The folder that this host was started from and the repository that contains it are removed from
    the path, so that an app cannot import modules from there.
    """
    packages = app / ".python_packages" / "lib" / "site-packages"
    ours = {Path.cwd(), app}
    repository = Path(__file__).resolve().parents[2]
    if (repository / "pyproject.toml").exists():
        ours.add(repository)
        sys.meta_path[:] = [
            finder
            for finder in sys.meta_path
            if not getattr(finder, "__module__", "").startswith("__editable__")
        ]
    rest = [
        entry
        for entry in sys.path
        if entry and not entry.startswith("__editable__") and Path(entry).resolve() not in ours
    ]
    sys.path[:] = [str(app), *([str(packages)] if packages.is_dir() else []), *rest]
    sys.path_importer_cache.clear()
