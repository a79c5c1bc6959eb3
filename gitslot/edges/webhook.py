"""
Judge a push that a Git host reports: is it from the host, and does it wake the loop?

Pure. The way of proof is the host's own, and no other is accepted. Nothing else of a push is used:
what is wanted is always read from Git itself.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitslot.edges.git.hosts import HOSTS, KnownHost

MAX_BODY = 25 * 1024 * 1024  # bytes; GitHub sends no more


@dataclass(frozen=True, slots=True)
class Verdict:
    """The HTTP *status* to answer with, and why; the loop *wakes* for a push alone."""

    status: int
    why: str
    wakes: bool = False


def judge(host: str, headers: Mapping[str, str], body: bytes, secrets: Iterable[str]) -> Verdict:
    """
    Return what to do about *body*, which came with *headers* (names in lower case).

    *host* is a name of `HOSTS`. Any of *secrets* will do, so that one can take another's place.
    """
    known = HOSTS[host]
    secrets = [secret for secret in secrets if secret]
    if not secrets:
        return Verdict(404, "GITSLOT_WEBHOOK_SECRET is not set")
    if len(body) > MAX_BODY:
        return Verdict(413, f"more than {MAX_BODY:,} bytes")
    given = headers.get(known.proof, "")
    if not given:
        return Verdict(
            401,
            f"no header {known.proof}, by which {host} proves a push; the webhook there needs the "
            "secret of GITSLOT_WEBHOOK_SECRET, and GITSLOT_GIT_HOST names another kind of host",
        )
    if not any(_proves(known, given, body, secret) for secret in secrets):
        return Verdict(401, f"{known.proof} is not made with the secret of GITSLOT_WEBHOOK_SECRET")
    name, value = known.ping
    if name and headers.get(name) == value:
        return Verdict(200, "the webhook works; a push wakes gitslot")
    return Verdict(202, "gitslot looks at Git now", wakes=True)


def _proves(known: KnownHost, given: str, body: bytes, secret: str) -> bool:
    expected = secret
    if known.signed:
        expected = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    if known.basic:
        given = _password(given)
    return hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace"))


def _password(authorization: str) -> str:
    scheme, _, value = authorization.partition(" ")
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return text.partition(":")[2] if scheme.lower() == "basic" else ""
