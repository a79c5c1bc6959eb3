"""
Why a Git host did not answer as Git does, in plain words, and what to do about it.

One table; pure. No message holds a URL, a header or a body of an answer. What *passes* by itself
puts Git off; the rest needs a person.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from dulwich.errors import HangupException

from gitslot.errors import GitPutOff, ObjectMissing, SourceError
from gitslot.http.causes import FAILURES, failed
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
        FAILURES["strict"],
        "Python 3.13 is stricter than curl: ask for a CA that has the extensions of RFC 5280, key "
        "usage among them",
    ),
    "ca": Cause(
        FAILURES["ca"],
        "set REQUESTS_CA_BUNDLE to a file that holds this CA and the public ones",
    ),
    "certificate": Cause(FAILURES["certificate"], "renew it, or check GITSLOT_REPO"),
    "tls": Cause(FAILURES["tls"], "see what stands between: a proxy, an old TLS"),
    "name": Cause(FAILURES["name"], "check GITSLOT_REPO, DNS and the network"),
    "refused": Cause(FAILURES["refused"], "check GITSLOT_REPO, its port and firewalls"),
    "network": Cause(FAILURES["network"], "check the network and its firewalls"),
    "proxy": Cause(FAILURES["proxy"], "check HTTPS_PROXY, its password and NO_PROXY"),
    "timeout": Cause(FAILURES["timeout"], passes=True),
    "cut": Cause(FAILURES["cut"], passes=True),
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
    "error": Cause("it answered: {why}", "check GITSLOT_REPO"),
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
    if name == "error":
        return ObjectMissing(f"{what}; {cause.remedy}")
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
    return min(float(value), 3600.0) if value.isdecimal() else 0.0


def no_answer(error: BaseException) -> tuple[str, str]:
    """Return the row for *error*, and the words that it adds."""
    row, why = failed(error)
    if row != "other":
        return row, why
    return ("cut", "") if isinstance(error, HangupException) else ("not git", why)
