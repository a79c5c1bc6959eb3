"""
Drive Microsoft's Python worker library in process: load an app, call its functions.

Nothing here knows of HTTP or timers. The library keeps its state in module globals, so a process
holds one app.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from traceback import format_exc

import azure_functions_runtime as runtime

from emulator.functions_host import records
from emulator.functions_host.errors import HostError
from emulator.functions_host.records import (
    InvocationRequest,
    InvocationResponse,
    ParameterBinding,
    RpcException,
    RpcFunctionMetadata,
    StatusResult,
    TraceContext,
    TypedData,
    WorkerInitRequest,
)


async def load(app: Path) -> list[RpcFunctionMetadata]:
    """
    Import the function app in folder *app* and return the functions that it declares.

    Raise `HostError` with the app's own traceback where the import or a declaration fails. The
    library answers a request for metadata after a failed import as if nothing had happened, so it
    is the result of the init request that decides.
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


async def invoke(
    function_id: str,
    invocation_id: str,
    inputs: Sequence[ParameterBinding],
    trace: TraceContext = records.NO_TRACE,
    metadata: Mapping[str, TypedData] = records.NO_METADATA,
) -> InvocationResponse:
    """
    Call one function and return its answer; an exception of the function is in the answer.

    Whatever logs meanwhile can ask `current_invocation` which call it belongs to.
    """
    runtime.invocation_id_cv.set(invocation_id)
    try:
        answer: InvocationResponse = await runtime.invocation_request(
            InvocationRequest(invocation_id, function_id, inputs, trace, metadata)
        )
    except SystemExit as error:  # on Azure it would end the worker, which the host restarts
        exception = RpcException(f"SystemExit: {error}", format_exc())
        return InvocationResponse(invocation_id, StatusResult(StatusResult.Failure, exception))
    return answer


def current_invocation() -> str | None:
    """Return the id of the call that runs in this task or thread, if one does."""
    invocation: str | None = runtime.invocation_id_cv.get()
    return invocation


def put_app_first(app: Path) -> None:
    """
    Let imports find the app's files first, then its packages, then the platform's.

    The folder that this host was started from and the repository that it lies in are taken off the
    path: an app must not import what happens to lie beside the emulator.
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
