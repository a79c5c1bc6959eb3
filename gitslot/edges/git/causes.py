"""
Why a Git host did not answer as Git does, in plain words, and what to do about it.

One table; pure. No message holds a URL, a header or a body of an answer. What *passes* by itself
puts Git off; the rest needs a person.
"""

import socket
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import IncompleteRead

from dulwich.errors import HangupException
from urllib3 import exceptions as http

from gitslot.errors import GitPutOff, SourceError
from gitslot.state.safe_text import safe

_REST_S = 20.0  # that a host which did not answer in time is left alone: each look would wait
_RENEW = "renew GITSLOT_GIT_TOKEN, and see that its user may read the repository"


@dataclass(frozen=True, slots=True)
class Cause:
    """What happened, with *why* in braces, and what ends it."""

    what: str
    remedy: str = ""
    passes: bool = False


CAUSES: Mapping[str, Cause] = {
    "strict": Cause(
        "its certificate is refused: {why}",
        "Python 3.13 is stricter than curl: ask for a CA that has the extensions of RFC 5280, key "
        "usage among them",
    ),
    "ca": Cause(
        "its certificate is signed by nobody who is trusted here: {why}",
        "set REQUESTS_CA_BUNDLE to a file that holds this CA and the public ones",
    ),
    "certificate": Cause("its certificate is refused: {why}", "renew it, or check GITSLOT_REPO"),
    "tls": Cause("the TLS handshake failed: {why}", "see what stands between: a proxy, an old TLS"),
    "name": Cause("no host of that name is known", "check GITSLOT_REPO, DNS and the network"),
    "refused": Cause("the connection was refused", "check GITSLOT_REPO, its port and firewalls"),
    "network": Cause("it cannot be reached: {why}", "check the network and its firewalls"),
    "proxy": Cause("the proxy refuses: {why}", "check HTTPS_PROXY, its password and NO_PROXY"),
    "timeout": Cause("it did not answer in time", passes=True),
    "cut": Cause("its answer was cut off", passes=True),
    "busy": Cause("it answered {why} and asks to wait", passes=True),
    "down": Cause("it answered {why}: it does not work right now", passes=True),
    "token missing": Cause(
        "it asks for credentials",
        "set GITSLOT_GIT_TOKEN to a token that may read the repository",
    ),
    "token refused": Cause(
        "it refuses the token: expired, revoked, or the wrong user name for it",
        f"{_RENEW}; GITSLOT_GIT_USER sets the user name",
    ),
    "saml": Cause(
        "it answered 403: the organization asks for single sign-on (SAML)",
        "authorize the token for the organization on the host's page of tokens",
    ),
    "forbidden": Cause("it answered 403: this may not be read", _RENEW),
    "not found": Cause(
        "it answered 404: no such repository, or a private one that this token may not read",
        f"check GITSLOT_REPO; {_RENEW}",
    ),
    "not found without token": Cause(
        "it answered 404: no such repository, or a private one",
        "check GITSLOT_REPO; for a private repository set GITSLOT_GIT_TOKEN",
    ),
    "sign-in": Cause(
        "it answered {why} with a page to sign in: the token is missing or not taken any more",
        _RENEW,
    ),
    "page": Cause(
        "a web page came in place of Git's answer",
        "check GITSLOT_REPO, and what stands between: a proxy, a portal to sign in",
    ),
    "status": Cause("it answered {why}", "check GITSLOT_REPO"),
    "not git": Cause("its answer is not Git's ({why})", "check GITSLOT_REPO"),
}


def error_of(name: str, where: str, why: str = "", retry_after_s: float = 0.0) -> SourceError:
    """Return the error that says *name*, a row of the table, of the host *where*."""
    cause = CAUSES[name]
    retry_after_s = retry_after_s or (_REST_S if name == "timeout" else 0.0)
    what = f"cannot read {where}: {cause.what.format(why=safe(why, 200))}"
    if cause.passes:
        return GitPutOff(what, retry_after_s=retry_after_s)
    return SourceError(f"{what}; {cause.remedy}")


# ---------------------------------------------------------------- answers


def answered(status: int, headers: Mapping[str, str], body: bytes, *, token: bool) -> str:
    """Return the row for an answer that is no 200; *token* says whether a token was sent."""
    if status == 401:
        return "token refused" if token else "token missing"
    if status == 403:
        spent = headers.get("x-ratelimit-remaining") == "0" or "retry-after" in headers
        if spent or b"rate limit" in body.lower():
            return "busy"
        return "saml" if b"SAML" in body else "forbidden"
    if status == 404:
        return "not found" if token else "not found without token"
    if status == 429:
        return "busy"
    if status == 407:
        return "proxy"
    if status == 203 or 300 <= status < 400:
        return "sign-in"
    return "down" if status >= 500 else "status"


def retry_after(headers: Mapping[str, str]) -> float:
    """Return for how many seconds the host wants to be left alone, 0 where it does not say."""
    value = headers.get("retry-after", "")
    return min(float(value), 3600.0) if value.isdigit() else 0.0


# ---------------------------------------------------------------- no answer


def failed(error: BaseException) -> tuple[str, str]:
    """Return the row for *error*, and the words that it adds."""
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
            case IncompleteRead() | http.ProtocolError() | HangupException() | ConnectionError():
                return "cut", ""
            case OSError() if each.strerror:
                return "network", each.strerror.lower()
    return "not git", type(error).__name__


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
