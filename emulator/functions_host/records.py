"""
Stand-ins for the protobuf messages between the Functions host and its Python worker.

The worker library reads and builds its messages by attribute and is given the classes, so small
records can replace the generated ones. Names and numbers are those of Microsoft's
FunctionRpc.proto (github.com/Azure/azure-functions-language-worker-protobuf). The records of every
call are not frozen: a frozen dataclass takes three times as long to make.
"""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, ClassVar, Self


class TypedData:
    """Hold one value and its kind, as the message's `oneof data` does."""

    __slots__ = ("bytes", "double", "http", "int", "json", "kind", "string")

    kind: str | None
    http: "RpcHttp"
    bytes: builtins.bytes

    def __init__(self, **data: Any) -> None:
        self.kind = None
        for kind, value in data.items():
            self.kind = kind
            setattr(self, kind, value)

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802 - protobuf's name
        """Return the kind of the value, or None without a value."""
        return self.kind

    @property
    def TypedData(self) -> "TypedData":  # noqa: N802 - the worker asks every value for it first
        """Return the value itself; a missing attribute would cost an exception each time."""
        return self


@dataclass(slots=True, kw_only=True)
class RpcHttp:
    """Hold an HTTP request on its way in, or an answer on its way out."""

    body: TypedData
    headers: Mapping[str, str]
    method: str = ""
    url: str = ""
    params: Mapping[str, str] | None = None
    query: Mapping[str, str] | None = None
    status_code: str = ""
    cookies: "Sequence[RpcHttpCookie] | None" = None
    enable_content_negotiation: bool = False


@dataclass(slots=True)
class ParameterBinding:
    name: str
    data: TypedData

    def WhichOneof(self, group: str) -> str:  # noqa: N802 - protobuf's name
        """Return `data`: values never travel through shared memory here."""
        return "data"


@dataclass(slots=True)
class TraceContext:
    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


NO_TRACE = TraceContext()
NO_METADATA: Mapping[str, TypedData] = {}
FIRST_TRY = SimpleNamespace(retry_count=0, max_retry_count=0, exception=None)


class Envelope:
    """Stand for the message itself and the two envelopes around it."""

    __slots__ = ()

    @property
    def request(self) -> Self:
        """Return the message inside the next envelope."""
        return self

    worker_init_request = invocation_request = request


@dataclass(slots=True)
class InvocationRequest(Envelope):
    invocation_id: str
    function_id: str
    input_data: Sequence[ParameterBinding]
    trace_context: TraceContext
    trigger_metadata: Mapping[str, TypedData]
    retry_context: ClassVar = FIRST_TRY


@dataclass(slots=True)
class WorkerInitRequest(Envelope):
    function_app_directory: str
    properties: Mapping[str, Any]
    capabilities: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RpcException:
    message: str = ""
    stack_trace: str = ""
    source: str = ""


@dataclass(slots=True)
class StatusResult:
    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1

    status: int = 0
    exception: RpcException | None = None


@dataclass(slots=True)
class InvocationResponse:
    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()


def failed(invocation: str, message: str, stack_trace: str = "") -> InvocationResponse:
    """Return the response of a call that ended with an exception."""
    result = StatusResult(StatusResult.Failure, RpcException(message, stack_trace))
    return InvocationResponse(invocation, result)


@dataclass(slots=True)
class WorkerInitResponse:
    capabilities: dict[str, str]
    worker_metadata: object
    result: StatusResult


class BindingInfo(SimpleNamespace):
    undefined, out, inout = range(3)


@dataclass(slots=True)
class RpcFunctionMetadata:
    """Hold one function that the worker found; *raw_bindings* are JSON texts."""

    name: str
    function_id: str
    managed_dependency_enabled: bool
    directory: str
    script_file: str
    entry_point: str
    is_proxy: bool
    language: str
    bindings: dict[str, BindingInfo]
    raw_bindings: Sequence[str]
    retry_options: object | None
    properties: dict[str, str]


@dataclass(slots=True)
class FunctionMetadataResponse:
    """Hold every function that the worker found; None where it found no app."""

    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


# Messages of plain values. Those of Nullable replace protobuf's optional values: they have *value*.
Nullable = SimpleNamespace
WorkerMetadata = RpcRetryOptions = Timestamp = SimpleNamespace
NullableString = NullableBool = NullableDouble = NullableTimestamp = Nullable


@dataclass(slots=True)
class RpcHttpCookie:
    # `None` cannot be written as a name.
    SameSite: ClassVar = SimpleNamespace(Lax=1, Strict=2, ExplicitNone=3, **{"None": 0})

    name: str
    value: str
    domain: Nullable | None = None
    path: Nullable | None = None
    expires: Nullable | None = None
    secure: Nullable | None = None
    http_only: Nullable | None = None
    same_site: int = 0
    max_age: Nullable | None = None
