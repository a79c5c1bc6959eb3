"""
Why a host gave no answer, in plain words: certificate, name, network, proxy, time.

Pure. Git's host, which can say what ends each, has the rows for its answers beside these.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from http.client import IncompleteRead

from urllib3 import exceptions as http

FAILURES: Mapping[str, str] = {
    "strict": "its certificate is refused: {why}",
    "ca": "its certificate is signed by nobody who is trusted here: {why}",
    "certificate": "its certificate is refused: {why}",
    "tls": "the TLS handshake failed: {why}",
    "name": "no host of that name is known",
    "refused": "the connection was refused",
    "network": "it cannot be reached: {why}",
    "proxy": "the proxy refuses: {why}",
    "timeout": "it did not answer in time",
    "cut": "its answer was cut off",
    "other": "{why}",
}


def failed(error: BaseException) -> tuple[str, str]:
    """Return the row of `FAILURES` for *error*, and the words that it adds."""
    chain = list(_chain(error))
    proxy = any(isinstance(each, http.ProxyError) for each in chain)
    for each in chain:
        match each:
            case ssl.SSLCertVerificationError():
                return _certificate((each.verify_message or "not valid").rstrip("."))
            case ssl.SSLError():
                return "tls", (getattr(each, "reason", "") or "no reason given").replace(
                    "_", " "
                ).lower()
            case OSError() if proxy and "Tunnel connection failed" in str(each):
                return "proxy", str(each).partition("Tunnel connection failed: ")[2]
            case socket.gaierror() | http.NameResolutionError():
                return ("proxy", "no host of that name is known") if proxy else ("name", "")
            case ConnectionRefusedError():
                return ("proxy", "the connection was refused") if proxy else ("refused", "")
            case http.TimeoutError() | TimeoutError():
                if not isinstance(each, http.NewConnectionError):
                    return "timeout", ""
            case IncompleteRead() | http.ProtocolError() | ConnectionError():
                return "cut", ""
            case OSError() if each.strerror:
                return "network", each.strerror.lower()
    return "other", type(error).__name__


def _certificate(why: str) -> tuple[str, str]:
    strict = ("key usage", "Key Identifier", "Basic Constraints", "basic constraints")
    if any(words in why for words in strict):
        return "strict", why
    return "ca" if "issuer" in why or "self-signed" in why or "self signed" in why else (
        "certificate"
    ), why


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give *error* and what led to it, the innermost first."""
    seen: list[BaseException] = []
    while error is not None and error not in seen:
        seen.append(error)
        held = (getattr(error, name, None) for name in ("reason", "original_error"))
        inner = next((each for each in held if isinstance(each, BaseException)), None)
        error = inner or error.__cause__ or error.__context__
    return reversed(seen)
