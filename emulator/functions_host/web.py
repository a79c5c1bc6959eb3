"""
Answer HTTP: find the function, check the key, call it, send its answer.

An ASGI application without a framework, because every prediction passes here. Functions get
requests as ToRpcHttp in GrpcMessageConversionExtensions.cs of github.com/Azure/azure-functions-host
makes them: header names in lower case, several values joined with a comma, empty query values left
out, the body always as bytes.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from emulator.functions_host.admin import Admin
from emulator.functions_host.answers import Answer, answer_of, empty, plain
from emulator.functions_host.app import App
from emulator.functions_host.functions import HttpFunction
from emulator.functions_host.keys import Keys
from emulator.functions_host.records import (
    NO_TRACE,
    ParameterBinding,
    RpcHttp,
    StatusResult,
    TraceContext,
    TypedData,
)

type Scope = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
type Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

# The limit of the Functions host: HttpRequestBodySizeMiddleware.cs, and the setting to change it.
BODY_LIMIT = 104_857_600
BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
REASON = "This function was programmatically called via the host APIs."
HOME_PAGE = (
    "<!doctype html><html><head><title>Function app</title></head>"
    "<body><h1>This function app is up and running</h1></body></html>"
)
_NO_BODY = TypedData()
_NO_QUERY: dict[str, str] = {}


class TooLargeError(Exception):
    """A body is above the limit."""


class DisconnectedError(Exception):
    """The client left before its request was complete."""


@dataclass(frozen=True)
class Web:
    """Serve an app's HTTP functions and the host's own paths."""

    app: App
    admin: Admin
    keys: Keys
    home_page: bool
    body_limit: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, headers, body = await self._answer(scope, receive)
        except TooLargeError:
            status, headers, body = empty(413)  # uvicorn drops the rest of the body
        except DisconnectedError:
            return
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        path: str = scope["path"]
        raw: bytes = scope["raw_path"]
        if b"%" in raw:
            # An encoded slash is not a slash, as in ASP.NET's routing.
            text = raw.decode("ascii", "replace")
            path = unquote(text.replace("%2F", "%252F").replace("%2f", "%252f"))
        try:
            headers = _headers(scope["headers"])
        except UnicodeDecodeError:
            return empty(400)
        query = _query(scope["query_string"]) if scope["query_string"] else _NO_QUERY
        if path[:6].lower() == "/admin" and path[6:7] in ("", "/"):
            return await self.admin.answer(scope["method"], path, headers, _key(headers, query))
        if self.app.state != "Running":
            return plain(503, "Function host is not running.")
        if path == "/" and self.home_page:
            # Whatever function has the root (github.com/MicrosoftDocs/azure-docs/issues/42031).
            return plain(200, HOME_PAGE, "text/html; charset=utf-8")
        found = self.app.router.find(scope["method"], path)
        if found is None:
            return (204, [], b"") if path == "/" else empty(404)
        function, parameters = found
        if function.level != "anonymous" or function.disabled:
            key = _key(headers, query)
            if not self.keys.opens(function.level, key):
                return empty(401)
            if function.disabled and not self.keys.opens("admin", key):
                return empty(404)
        body = await self._body(headers, receive)
        where = {"method": scope["method"], "url": _url(scope, headers)}
        request = RpcHttp(**where, headers=headers, query=query, params=parameters, body=body)
        return await self._call(function, request)

    async def _call(self, function: HttpFunction, request: RpcHttp) -> Answer:
        trace = NO_TRACE
        if "traceparent" in request.headers:
            state = request.headers.get("tracestate", "")
            trace = TraceContext(request.headers["traceparent"], state)
        inputs = [ParameterBinding(function.parameter, TypedData(http=request))]
        result = await self.app.call(function, inputs, REASON, trace)
        if result.result.status != StatusResult.Success:
            return empty(500)
        value = result.return_value
        if function.output != "$return" and value is None:
            named = (out.data for out in result.output_data if out.name == function.output)
            value = next(named, None)
        try:
            return answer_of(value)
        except ValueError as error:
            self.app.log.write(40, f"Function.{function.name}", str(error), result.invocation_id)
            return empty(500)

    async def _body(self, headers: Mapping[str, str], receive: Receive) -> TypedData:
        length = headers.get("content-length", "")
        if "transfer-encoding" not in headers and length in ("", "0"):
            return _NO_BODY
        if length.isdigit() and int(length) > self.body_limit:
            raise TooLargeError
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise DisconnectedError
            parts.append(message["body"])
            size += len(message["body"])
            if size > self.body_limit:
                raise TooLargeError
            more = message["more_body"]
        return TypedData(bytes=parts[0] if len(parts) == 1 else b"".join(parts))


def _headers(given: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers = {name.decode(): value.decode() for name, value in given}
    if len(headers) != len(given):
        headers = {}
        for raw_name, raw_value in given:
            name, value = raw_name.decode(), raw_value.decode()
            headers[name] = f"{headers[name]},{value}" if name in headers else value
    return headers


def _query(text: bytes) -> dict[str, str]:
    values: dict[str, str] = {}
    spelled: dict[str, str] = {}
    for name, value in parse_qsl(text.decode("latin-1"), keep_blank_values=True):
        first = spelled.setdefault(name.lower(), name)
        values[first] = f"{values[first]},{value}" if first in values else value
    return {name: value for name, value in values.items() if value}


def _key(headers: Mapping[str, str], query: Mapping[str, str]) -> str | None:
    if "x-functions-key" in headers:
        return headers["x-functions-key"]
    return next((value for name, value in query.items() if name.lower() == "code"), None)


def _url(scope: Scope, headers: Mapping[str, str]) -> str:
    scheme = headers.get("x-forwarded-proto", "http")
    url = f"{scheme}://{headers.get('host', '')}{scope['raw_path'].decode('latin-1')}"
    if scope["query_string"]:
        url += "?" + scope["query_string"].decode("latin-1")
    return url
