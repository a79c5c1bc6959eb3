"""
Our HTTP client as the transport of Azure's own clients.

Whoever makes such a client also sets its retries to none and its redirects off.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import urlencode

from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest._http_response_impl import HttpResponseImpl

from gitslot.errors import NoAnswer
from gitslot.http.client import CONNECT_S, USER_AGENT, Http

# azure-storage-blob resends, waits and follows redirects unless its options forbid it. Large blobs
# are read in pieces, each within the total time of one request.
STORAGE: dict[str, Any] = {
    "retry_total": 0,
    "permit_redirects": False,
    "max_single_get_size": 4 * 1024 * 1024,
    "max_chunk_get_size": 4 * 1024 * 1024,
}
T = TypeVar("T")

MAX_BODY = 64 * 1024 * 1024
_UPLOAD_BYTES_A_SECOND = 100_000  # a large body gets more time


class AzureTransport(HttpTransport[Any, Any]):
    """
    Sends what an Azure client wants sent, each request within *total_s* seconds.

    A request may have its own `connection_timeout`, and a `read_timeout`, which then is its total
    time. Raises azure-core's ServiceRequestError if nothing was sent, and ServiceResponseError if
    something may have been.
    """

    def __init__(self, http: Http, total_s: float, connect_s: float = CONNECT_S) -> None:
        self._http = http
        self._total_s = total_s
        self._connect_s = connect_s

    def open(self) -> None:
        """Do nothing: connections belong to the pool."""

    def close(self) -> None:
        """Do nothing: others use the pool, too."""

    def __exit__(self, *_: object) -> None:
        self.close()

    def send(
        self,
        request: Any,
        *,
        connection_timeout: float | None = None,
        read_timeout: float | None = None,
        stream: bool = False,
        **_: Any,
    ) -> Any:
        """
        Send *request* and return its answer, read whole.

        It is an `azure.core.rest.HttpRequest`, or its forerunner, which azure-identity 1.19 makes.
        """
        headers = dict(request.headers)
        agents = USER_AGENT, headers.pop("User-Agent", "")
        headers["User-Agent"] = " ".join(filter(None, agents))
        body = getattr(request, "content", None) or getattr(request, "data", None)
        if isinstance(body, dict):
            body = urlencode(body)
        upload_s = int(headers.get("Content-Length", 0)) / _UPLOAD_BYTES_A_SECOND
        try:
            found = self._http.request(
                request.method,
                request.url,
                headers=headers,
                body=body,
                connect_s=connection_timeout or self._connect_s,
                total_s=(read_timeout or self._total_s) + upload_s,
                most=MAX_BODY,
            )
        except NoAnswer as error:
            kind = ServiceResponseError if error.sent else ServiceRequestError
            raise kind(error.message, error=error) from error
        answer = HttpResponseImpl(
            request=request,
            internal_response=BytesIO(found.body),
            status_code=found.status,
            reason=found.reason,
            headers=found.headers,
            content_type=found.headers.get("Content-Type"),
            stream_download_generator=_Body,
        )
        if not stream:
            answer.read()
        return answer


class _Body:
    """The body as azure-core's iterators want it: decoded already, in one piece."""

    def __init__(self, pipeline: Any, response: Any, **_: Any) -> None:
        self.response = response
        self.content_length = int(response.headers.get("Content-Length", 0))

    def __iter__(self) -> Iterator[bytes]:
        yield self.response.internal_response.getvalue()


def why(error: BaseException) -> NoAnswer | None:
    """Return the NoAnswer that made an Azure client raise *error*, if that is what it was."""
    cause = getattr(error, "inner_exception", None)
    return cause if isinstance(cause, NoAnswer) else None


def refusal(error: HttpResponseError) -> str:
    """Return status and code of a refusal; of one that no service sent, that no login works."""
    if error.status_code is None:
        return f"no login works here: {str(error.message).partition(chr(10))[0]}"
    code = getattr(error, "error_code", None) or error.reason
    return f"{error.status_code} {getattr(code, 'value', code)}"


def in_container(container: Any, ask: Callable[[], T]) -> T:
    """
    Return what *ask* returns; create *container*, a ContainerClient, if storage says it lacks it.

    Never before: whether a role on a container lets its holder create it is not known.
    """
    try:
        return ask()
    except ResourceNotFoundError as error:
        if getattr(error, "error_code", "") != "ContainerNotFound":
            raise
    with suppress(ResourceExistsError):
        container.create_container()
    return ask()
