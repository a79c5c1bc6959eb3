"""
Golden rows through a slot's public path -> pass, fail or inconclusive.

Part of a look, never stored. Every answer must come from the release and the deploy that are being
proved: an answer of the process before proves nothing about this one.

Before a swap each row is asked alone, as users ask. A rehearsal asks all rows in one request, which
can only pass them: what it does not pass is asked alone, and that answer decides.
"""

import json
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from gitslot.look.probe import Reply, finite
from gitslot.registry.manifest import Manifest
from gitslot.state.policy import Policy
from gitslot.state.seen import Mark, Verdict
from gitslot.state.wanted import STAGING, Release

PROBES = 3  # over new connections: one answer proves one instance
SAMPLE = 3  # rows that a rehearsal asks alone first, the next ones each time
SINGLY = 12  # rehearsals that ask all rows alone, after one whose request for all passed none
_AT_ONCE = 192 * 1024  # bytes of rows and their answers in one request; 256 KiB of a reply are read
_AT_ONCE_S = 5.0  # that its answer may take if each row takes as long as alone; 10 s are waited
_NUMBER = 26  # bytes of a number in an answer, at most
_EXACT = 1e-6  # a smaller difference is what another processor adds up to (convert/parity.py)
_PROOF_S = 180.0  # of answers, so that one slow slot cannot eat up the pass


class Asks(Protocol):
    """Whoever can send one request to a slot."""

    def request(
        self,
        method: str,
        host: str,
        path: str,
        body: bytes | None = None,
        headers: Any = None,
        *,
        fresh: bool = False,
    ) -> Reply:
        """Send it, *fresh* over a new connection, and return the reply; status 0 without one."""
        ...


@dataclass(slots=True)
class Turn:
    """What an app's rehearsals keep: the next *row* to ask alone; how many ask *singly*."""

    row: int = 0
    singly: int = 0


@dataclass(frozen=True, slots=True)
class Proof:
    """What is to be proved, and of whom. *budget_ms* is None where latency does not decide."""

    host: str
    release: Release
    deploy: str
    manifest: Manifest
    budget_ms: float | None = None
    slot: str = STAGING
    turn: Turn | None = None  # of a rehearsal; else the first rows go over new connections


class _Ended(Exception):
    def __init__(self, mark: Mark, message: str, reason: str) -> None:
        super().__init__(message)
        self.verdict = Verdict(mark, message, reason)


def prove(
    asks: Asks, proof: Proof, key: Callable[[], str], policy: Policy, *, health_only: bool = False
) -> Verdict:
    """
    Replay all golden rows of *proof*, then judge latency where it decides.

    *key* fetches the slot's function key and is called only if the path asks for one. An app that
    declares itself *health_only* has no predict path: its health is all that there is to prove.
    """
    if health_only:
        return Verdict(Mark.PASS, f"{proof.slot}: health alone, the app has no predict path")
    caller, rows = _Caller(asks, proof, key), len(proof.manifest.golden)
    if not rows:
        return Verdict(Mark.FAIL, f"{proof.slot}: there are no golden rows", "GoldenRowsFailed")
    try:
        if proof.turn:
            _rehearse(caller, proof.manifest, proof.turn)
        else:
            for nth in range(max(rows, PROBES)):
                caller.alone(nth % rows, fresh=nth < PROBES)
        p99 = _p99(caller.times[max(policy.golden_warmup, PROBES) :] or caller.times)
        if proof.budget_ms is not None:
            p99 = _within_budget(caller, proof, policy, proof.budget_ms)
    except _Ended as ended:
        return ended.verdict
    return Verdict(
        Mark.PASS,
        f"{proof.slot}: {rows} of {rows} golden rows, {_accuracy(caller.worst)}, p99 {p99:.0f} ms",
        worst=caller.worst,
        p99_ms=p99,
    )


def _rehearse(caller: "_Caller", manifest: Manifest, turn: Turn) -> None:
    """
    Ask a few rows alone, then all rows in few requests, then alone what those did not pass.

    An app may take one row a call, and a model may round otherwise for many: neither is a fault.
    """
    inputs, rows = manifest.golden.inputs, len(manifest.golden)
    sample = {(turn.row + nth) % rows for nth in range(SAMPLE)}
    turn.row = (turn.row + SAMPLE) % rows
    for index in sample:
        caller.alone(index)
    passed: set[int] = set()
    if turn.singly:
        turn.singly -= 1
    else:
        numbers = len(manifest.classes) if manifest.probabilities else manifest.outputs
        size = len(json.dumps(inputs)) + rows * numbers * _NUMBER
        in_time = int(1000 * _AT_ONCE_S / max(1.0, min(caller.times)))
        step = max(1, min(in_time, rows * _AT_ONCE // size))
        with suppress(_Ended):
            for first in range(0, rows, step):
                passed |= caller.together(range(first, min(first + step, rows)))
        turn.singly = 0 if passed else SINGLY
    for index in sorted({*range(rows)} - sample - passed):
        caller.alone(index)


class _Caller:
    """Posts rows, with the slot's key once the slot has asked for one."""

    def __init__(self, asks: Asks, proof: Proof, key: Callable[[], str]) -> None:
        self._asks, self._proof, self._key = asks, proof, key
        self._headers: dict[str, str] = {}
        self._left_s = _PROOF_S
        self.worst = 0.0  # difference so far
        self.times: list[float] = []  # of rows that went alone, in ms

    def alone(self, index: int, *, fresh: bool = False) -> None:
        """Ask row *index*; raise unless its answer is right."""
        reply = self.ask([index], fresh=fresh)
        [answer] = _answers(self._proof.manifest, reply, 1)
        self.worst = max(self.worst, _difference(self._proof, index, *answer))
        self.times.append(reply.seconds * 1000)

    def together(self, rows: range) -> set[int]:
        """Ask *rows* in one request; return those whose answers are right."""
        answers, passed = _answers(self._proof.manifest, self.ask(rows), len(rows)), set()
        for index, answer in zip(rows, answers, strict=True):
            with suppress(_Ended):
                self.worst = max(self.worst, _difference(self._proof, index, *answer))
                passed.add(index)
        return passed

    def ask(self, rows: Sequence[int], *, fresh: bool = False) -> Reply:
        body = json.dumps([self._proof.manifest.golden.inputs[index] for index in rows]).encode()
        reply = self._post(body, fresh=fresh)
        if reply.status == 401 and not self._headers:
            self._headers = {"x-functions-key": self._key()}
            reply = self._post(body, fresh=fresh)
        _usable(reply, self._proof.slot)
        served = (reply.header("x-model-digest"), reply.header("x-model-deploy"))
        if served != (self._proof.release.digest, self._proof.deploy):
            raise _inconclusive(
                f"{self._proof.slot} answers with another release while it is being proved"
            )
        return reply

    def _post(self, body: bytes, *, fresh: bool = False) -> Reply:
        if self._left_s <= 0:
            slow = f"{self._proof.slot} took more than {_PROOF_S:.0f} s for its proof"
            raise _inconclusive(slow)
        path = "/api/predict?proba=1" if self._proof.manifest.probabilities else "/api/predict"
        reply = self._asks.request("POST", self._proof.host, path, body, self._headers, fresh=fresh)
        self._left_s -= reply.seconds
        return reply


def is_refused(asks: Asks, host: str, manifest: Manifest, key: Callable[[], str]) -> bool | None:
    """Ask *host* one golden row; return whether any answer is 401 despite *key*, None: unclear."""
    where = host, "/api/predict", json.dumps([manifest.golden.inputs[0]]).encode()
    found = [asks.request("POST", *where).status]
    if found == [401]:
        headers = {"x-functions-key": key()}
        if not headers["x-functions-key"]:
            return None
        found = [asks.request("POST", *where, headers, fresh=True).status for _ in range(PROBES)]
    return True if 401 in found else (None if min(found) == 0 or max(found) >= 429 else False)


def _inconclusive(message: str, reason: str = "VerifyInconclusive") -> _Ended:
    return _Ended(Mark.INCONCLUSIVE, message, reason)


def _failed(message: str, reason: str = "GoldenRowsFailed") -> _Ended:
    return _Ended(Mark.FAIL, message, reason)


def _usable(reply: Reply, slot: str) -> None:
    """Raise unless the app itself answered: the platform's own errors prove nothing."""
    if reply.status == 200:
        return
    if reply.status in (401, 403) or 300 <= reply.status < 400:
        raise _inconclusive(
            f"POST /api/predict is blocked (HTTP {reply.status}); let the controller's "
            "identity list the slot's keys, or make it anonymous",
            "ProbeBlocked",
        )
    if reply.status == 0 or reply.status in (408, 429) or reply.status >= 500:
        what = reply.error or f"HTTP {reply.status}"
        raise _inconclusive(f"{slot} gave no answer to a golden row: {what}")
    raise _failed(f"{slot} refuses golden rows with HTTP {reply.status}")


def _answers(manifest: Manifest, reply: Reply, rows: int) -> list[tuple[Any, Any]]:
    """Return label and probabilities of each of *rows*; None where there are not as many."""
    body, shares = reply.json(), None
    if manifest.probabilities:
        named = body if isinstance(body, dict) else {}
        body, shares = named.get("labels"), named.get("probabilities")
    parts = [
        part if isinstance(part, list) and len(part) == rows else [None] * rows
        for part in (body, shares)
    ]
    return list(zip(*parts, strict=True))


def _difference(proof: Proof, index: int, label: Any, chances: Any) -> float:
    """Return how far the answer to row *index* is from the trained model's; raise if too far."""
    manifest, golden = proof.manifest, proof.manifest.golden
    row = f"golden row {index + 1} of {len(golden.inputs)}"
    expected = golden.labels[index]
    if manifest.kind == "regressor":
        assert not isinstance(expected, str)  # as the manifest's parser has seen
        wanted = expected if isinstance(expected, tuple) else (expected,)
        got = _numbers(label if isinstance(expected, tuple) else [label], len(wanted))
        if got is None:
            raise _failed(f"{row}: not as many numbers as there are")
        off = max(abs(a - b) / max(1.0, abs(b)) for a, b in zip(got, wanted, strict=True))
        return _within(proof, off, f"{row}: it")
    if label != expected:
        raise _failed(f"{row}: the label is not the trained model's")
    if golden.probabilities is None:
        return 0.0
    shares = golden.probabilities[index]
    if (got := _numbers(chances, len(shares))) is None:
        raise _failed(f"{row}: no probabilities")
    worst = max(abs(a - b) for a, b in zip(got, shares, strict=True))
    return _within(proof, worst, f"{row}: a probability")


def _numbers(value: Any, count: int) -> list[float] | None:
    """Return *value* if it is a list of *count* finite numbers."""
    fits = isinstance(value, list) and len(value) == count and all(map(finite, value))
    return value if fits else None


def _within(proof: Proof, worst: float, what: str) -> float:
    tolerance = proof.manifest.golden.tolerance
    if not worst <= tolerance:
        allowed = _short(tolerance)
        raise _failed(f"{what} differs by {_short(worst)}, {allowed} is allowed")
    return worst


def _accuracy(worst: float) -> str:
    return f"worst difference {_short(worst)}" if worst >= _EXACT else "exact"


def _short(difference: float) -> str:
    """Return 3e-7 for 3.2e-07: people read it."""
    digits, _, power = f"{difference:.0e}".partition("e")
    return f"{digits}e{int(power)}" if difference else "0"


def _p99(times: list[float]) -> float:
    ordered = sorted(times)
    return ordered[max(0, math.ceil(len(ordered) * 0.99) - 1)]


def _within_budget(caller: _Caller, proof: Proof, policy: Policy, budget_ms: float) -> float:
    """Measure warm requests, once more if they were too slow; milliseconds of the better run."""
    rows, p99 = len(proof.manifest.golden), math.inf
    for _ in range(2):
        asked = (caller.ask([i % rows]) for i in range(policy.latency_requests))
        p99 = min(p99, _p99([reply.seconds * 1000 for reply in asked]))
        if p99 <= budget_ms:
            return p99
    over = f"over {policy.latency_requests} requests, latency_p99_ms is {budget_ms:g}"
    raise _failed(f"p99 {p99:.0f} ms {over}", "TooSlow")
