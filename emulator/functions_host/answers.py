"""
Turn a function's return value into status, headers and body.

Pure, and the last step of every prediction. Cookies have the form of ASP.NET's
SetCookieHeaderValue.
"""

import re
from email.utils import formatdate
from functools import lru_cache
from urllib.parse import quote

from emulator.functions_host.records import RpcHttp, RpcHttpCookie, TypedData

type Header = tuple[bytes, bytes]
type Answer = tuple[int, list[Header], bytes]

# The server counts and frames the body itself.
_OURS = ("content-length", "transfer-encoding", "connection", "keep-alive")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PLAIN_TYPES = {
    "string": b"text/plain; charset=utf-8",
    "json": b"application/json; charset=utf-8",
    "bytes": b"application/octet-stream",
}
_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


def empty(status: int) -> Answer:
    """Return an answer without a body."""
    return status, [(b"content-length", b"0")], b""


def plain(status: int, text: str, content_type: str = "text/plain; charset=utf-8") -> Answer:
    """Return an answer with *text*."""
    return _typed(status, text.encode(), content_type.encode())


def _typed(status: int, body: bytes, content_type: bytes) -> Answer:
    length = str(len(body)).encode()
    return status, [(b"content-type", content_type), (b"content-length", length)], body


def answer_of(value: TypedData | None) -> Answer:
    """
    Return the HTTP answer for a function's return *value*.

    Nothing becomes 204, text becomes text/plain, an HttpResponse sets everything itself. Raise
    `ValueError` for a status or header that HTTP cannot carry.
    """
    if value is None or value.kind is None:
        return 204, [], b""
    if value.kind == "http":
        return _http_answer(value.http)
    if value.kind not in _PLAIN_TYPES:
        raise ValueError(f"a function cannot answer HTTP with a value of kind '{value.kind}'")
    content = getattr(value, value.kind)
    body = content if isinstance(content, bytes) else str(content).encode()
    return _typed(200, body, _PLAIN_TYPES[value.kind])


def _http_answer(http: RpcHttp) -> Answer:
    status = int(http.status_code)
    if not 200 <= status <= 599:
        raise ValueError(f"a function cannot answer with the status {status}")
    headers = [
        _header(name, value) for name, value in http.headers.items() if name.lower() not in _OURS
    ]
    for cookie in http.cookies or ():
        headers.append((b"set-cookie", _cookie_text(cookie).encode("ascii")))
    if status in (204, 304):
        return status, headers, b""
    body: bytes = http.body.bytes
    headers.append((b"content-length", str(len(body)).encode()))
    return status, headers, body


@lru_cache(1024)  # most answers of an app carry the same few headers
def _header(name: str, value: str) -> Header:
    if not _NAME.fullmatch(name) or _BAD_VALUE.search(value):
        raise ValueError(f"the header {name!r} cannot be sent")
    return name.lower().encode(), value.encode("latin-1")


def _cookie_text(cookie: RpcHttpCookie) -> str:
    parts = [f"{cookie.name}={quote(cookie.value, safe='')}"]
    if cookie.expires:
        parts.append(f"expires={formatdate(cookie.expires.value.seconds, usegmt=True)}")
    if cookie.max_age:
        parts.append(f"max-age={int(cookie.max_age.value)}")
    for name, given in (("domain", cookie.domain), ("path", cookie.path)):
        if given and given.value:
            if _BAD_VALUE.search(given.value) or ";" in given.value:
                raise ValueError(f"the cookie {cookie.name!r} has a {name} that cannot be sent")
            parts.append(f"{name}={given.value}")
    if cookie.secure and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in _SAME_SITE:
        parts.append(f"samesite={_SAME_SITE[cookie.same_site]}")
    if cookie.http_only and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)
