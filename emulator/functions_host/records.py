"""
Stand-ins for the protobuf messages between the Functions host and its Python worker.

The worker library reads and builds its messages by attribute and is given the classes, so small
records can replace the generated ones. Names and numbers are those of Microsoft's
FunctionRpc.proto (github.com/Azure/azure-functions-language-worker-protobuf). The records of every
call are plain slotted classes: a frozen dataclass takes three times as long to make.
"""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar


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


class RpcHttp:
    """Hold an HTTP request on its way in, or an answer on its way out."""

    __slots__ = (
        "body",
        "cookies",
        "enable_content_negotiation",
        "headers",
        "method",
        "params",
        "query",
        "status_code",
        "url",
    )

    def __init__(
        self,
        *,
        body: TypedData,
        headers: Mapping[str, str],
        method: str = "",
        url: str = "",
        params: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
        status_code: str = "",
        cookies: "Sequence[RpcHttpCookie] | None" = None,
        enable_content_negotiation: bool = False,
    ) -> None:
        self.body = body
        self.headers = headers
        self.method = method
        self.url = url
        self.params = params if params is not None else {}
        self.query = query if query is not None else {}
        self.status_code = status_code
        self.cookies = cookies
        self.enable_content_negotiation = enable_content_negotiation


class ParameterBinding:
    """Hold the value of one binding of a call."""

    __slots__ = ("data", "name")

    def __init__(self, name: str, data: TypedData) -> None:
        self.name = name
        self.data = data

    def WhichOneof(self, group: str) -> str:  # noqa: N802 - protobuf's name
        """Return `data`: values never travel through shared memory here."""
        return "data"


@dataclass(slots=True)
class TraceContext:
    """Hold the caller's W3C trace headers."""

    trace_parent: str = ""
    trace_state: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class RetryContext:
    """Hold which try of a call this is."""

    retry_count: int = 0
    max_retry_count: int = 0
    exception: "RpcException | None" = None


NO_TRACE = TraceContext()
NO_METADATA: Mapping[str, TypedData] = {}
FIRST_TRY = RetryContext()


class InvocationRequest:
    """Ask for one call; replaces the envelopes around the request too."""

    __slots__ = (
        "function_id",
        "input_data",
        "invocation_id",
        "retry_context",
        "trace_context",
        "trigger_metadata",
    )

    def __init__(
        self,
        invocation_id: str,
        function_id: str,
        input_data: Sequence[ParameterBinding],
        trace_context: TraceContext = NO_TRACE,
        trigger_metadata: Mapping[str, TypedData] = NO_METADATA,
    ) -> None:
        self.invocation_id = invocation_id
        self.function_id = function_id
        self.input_data = input_data
        self.trace_context = trace_context
        self.retry_context = FIRST_TRY
        self.trigger_metadata = trigger_metadata

    @property
    def request(self) -> "InvocationRequest":
        """Return the streaming message inside the call's envelope."""
        return self

    @property
    def invocation_request(self) -> "InvocationRequest":
        """Return the invocation inside the streaming message."""
        return self


@dataclass(slots=True)
class WorkerInitRequest:
    """Ask the worker to import an app; replaces the envelopes around the request too."""

    function_app_directory: str
    properties: Mapping[str, Any]
    capabilities: Mapping[str, str] = field(default_factory=dict)

    @property
    def request(self) -> "WorkerInitRequest":
        """Return the streaming message inside the call's envelope."""
        return self

    @property
    def worker_init_request(self) -> "WorkerInitRequest":
        """Return the init request inside the streaming message."""
        return self


@dataclass(slots=True)
class RpcException:
    """Hold an exception of the app as text."""

    message: str = ""
    stack_trace: str = ""
    source: str = ""


@dataclass(slots=True)
class StatusResult:
    """Hold how a request ended."""

    Failure: ClassVar[int] = 0
    Success: ClassVar[int] = 1

    status: int = 0
    exception: RpcException | None = None


@dataclass(slots=True)
class InvocationResponse:
    """Hold what a call returned."""

    invocation_id: str
    result: StatusResult
    return_value: TypedData | None = None
    output_data: Sequence[ParameterBinding] = ()


@dataclass(slots=True)
class WorkerMetadata:
    """Hold the worker's description of itself."""

    runtime_name: str
    runtime_version: str
    worker_version: str
    worker_bitness: str
    custom_properties: dict[str, str]


@dataclass(slots=True)
class WorkerInitResponse:
    """Hold whether the app could be imported."""

    capabilities: dict[str, str]
    worker_metadata: WorkerMetadata
    result: StatusResult


class BindingInfo:
    """Hold one binding's kind and direction."""

    undefined = 0
    out = 1
    inout = 2

    def __init__(self, type: str, data_type: int | None, direction: int) -> None:  # noqa: A002 - protobuf's name
        self.type = type
        self.data_type = data_type
        self.direction = direction


@dataclass(slots=True)
class RpcRetryOptions:
    """Hold a function's retry policy."""

    max_retry_count: int
    retry_strategy: str
    delay_interval: object = None
    minimum_interval: object = None
    maximum_interval: object = None


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
    retry_options: RpcRetryOptions | None
    properties: dict[str, str]


@dataclass(slots=True)
class FunctionMetadataResponse:
    """Hold every function that the worker found; None where it found no app."""

    use_default_metadata_indexing: bool
    function_metadata_results: list[RpcFunctionMetadata] | None
    result: StatusResult


@dataclass(slots=True)
class Nullable:
    """Hold a value that may be absent; replaces protobuf's NullableString and the like."""

    value: Any


NullableString = NullableBool = NullableDouble = NullableTimestamp = Nullable


@dataclass(slots=True)
class Timestamp:
    """Hold a moment in seconds since 1970 UTC."""

    seconds: int


class SameSite:
    """Name the values of a cookie's SameSite attribute; `None` cannot be written as a name."""

    Lax = 1
    Strict = 2
    ExplicitNone = 3


setattr(SameSite, "None", 0)


@dataclass(slots=True)
class RpcHttpCookie:
    """Hold one cookie of an answer."""

    SameSite: ClassVar[type[SameSite]] = SameSite

    name: str
    value: str
    domain: Nullable | None = None
    path: Nullable | None = None
    expires: Nullable | None = None
    secure: Nullable | None = None
    http_only: Nullable | None = None
    same_site: int = 0
    max_age: Nullable | None = None
