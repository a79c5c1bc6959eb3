"""
The body and the query of a request: inflate it, bounded, and refuse what nobody reads.

A parameter that is misspelled would otherwise change nothing without a word.
"""

import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from .blame import BadRows
    from .limits import BODY
else:  # the Functions worker puts this folder itself on sys.path
    from blame import BadRows
    from limits import BODY

_AZURE = ("code", "clientid")  # the function key; the platform reads it
_GZIP = b"\x1f\x8b"
_ANY_GZIP = 31  # for zlib: a gzip header and the largest window


def check_query(params: Mapping[str, str], *known: str) -> None:
    """Raise BadRows unless all *params* are *known* or Azure's."""
    for name in params:
        if name not in known and name.lower() not in _AZURE:
            takes = f"takes {', '.join(known)}" if known else "takes none"
            raise BadRows(f"unknown query parameter {ascii(name)[:80]}: this path {takes}")


def asked_proba(params: Mapping[str, str]) -> bool:
    """Return whether the query asks for probabilities; raise BadRows."""
    check_query(params, "proba")
    asked = params.get("proba", "0")
    if asked not in ("0", "1"):
        raise BadRows(f"proba is {ascii(asked)[:40]}, must be 1 or 0")
    return asked == "1"


def plain(body: bytes) -> bytes:
    """Return *body*, inflated if it is gzip, which no JSON begins like; raise BadRows."""
    if body[:2] == _GZIP:
        body = _inflated(body)
    if len(body) > BODY:
        raise BadRows(f"the body is {len(body)} bytes, at most {BODY} are read", status=413)
    return body


def encoding_of(headers: Mapping[str, str]) -> str:
    """Return a Content-Encoding that is not read, or ""."""
    encoding = headers.get("content-encoding", "").strip().lower()
    return "" if encoding in ("", "gzip", "x-gzip", "identity") else encoding


def _inflated(body: bytes) -> bytes:
    stream = zlib.decompressobj(_ANY_GZIP)
    try:
        content = stream.decompress(body, BODY + 1)
    except zlib.error:
        raise BadRows("the body begins as gzip, and is not") from None
    if len(content) > BODY:
        raise BadRows(f"the body unpacks to more than {BODY} bytes", status=413)
    if not stream.eof or stream.unused_data:
        raise BadRows("the body is cut off, or goes on after its gzip")
    return content
