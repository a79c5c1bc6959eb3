"""What may come back between ARM and the controller, whatever became of the request itself."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from emulator.seen.faults import Fault
from gitslot.state.decision import Frozen
from reliability.lab import BUSY
from reliability.rig import QUICK
from reliability.runs import Run, play
from reliability.scenarios import NEW, OLD, Scene, bump


def answered(*faults: Fault) -> Callable[[Scene], None]:
    """Return what spoils a scene by *faults* of the emulator's switchboard."""

    def plant(scene: Scene) -> None:
        scene.cloud.faults.rules += [replace(fault) for fault in faults]
        entries = scene.cloud.history.entries
        mark = len(entries)
        came = lambda: any(e.get("kind") == "planted" for e in entries[mark:])  # noqa: E731 - short
        scene.must("a spoilt answer", came)

    return plant


def gone(*faults: Fault) -> Callable[[Scene], None]:
    """Return what hides the app by *faults*: production stays, and the loop freezes."""

    def plant(scene: Scene) -> None:
        scene.wants, scene.stop = scene.cloud.serves(), Frozen
        answered(*faults)(scene)

    return plant


_NOT_FOUND: Mapping[str, Any] = {
    "status": 404,
    "body": {"Code": "NotFound", "Message": "not known"},
    "times": None,
}
_READS = ("site-get", "slot-get", "slotconfignames-get")
_FAILS = Fault("swap-ping")
_FORGOTTEN = Fault("operationresults", **_NOT_FOUND)
ANSWERS: Mapping[str, Callable[[Scene], None]] = {
    # Sent once the swap that it began has long ended: a retry would undo it.
    "504-once-it-ended": answered(Fault("slotsswap", when="after", status=504, delay_s=230.0)),
    # Nowhere to poll, though the swap has only begun, and fails.
    "200-at-once": answered(_FAILS, Fault("slotsswap", when="after", status=200, body={})),
    # It is gone, or the controller may not see it any more.
    "404-app": gone(*(Fault(read, **_NOT_FOUND) for read in _READS)),
    "404-in-the-list": gone(Fault("resources-list", status=200, body={"value": []}, times=None)),
    # Whoever is asked does not know the operation, which runs all the same.
    "404-poll": answered(_FORGOTTEN),
    "404-poll-failed": answered(_FORGOTTEN, _FAILS),
}

# What may become of a request, as the emulator's switchboard has it. FAILED are failed attempts; a
# swap that the platform takes back is one too, but what failed before it is forgotten by then.
SENT: dict[str, Fault] = {
    "lost": Fault("slotsswap", when="after", status=503),
    "lost-before": Fault("slotsswap", status=503),
    "busy": Fault("slotsswap", **BUSY),
    "busy-ours": Fault("slotsswap", when="after", **BUSY),
    "refused": Fault("slotsswap", status=400, code="BadRequest"),
    "fails": Fault("swap-ping"),
    "reverted": Fault("swap-revert", delay_s=120.0),
}
PUTS: dict[str, Fault] = {
    "put": Fault("none", times=0),
    "put-lost": Fault("appsettings-put", when="after", status=503),
    "put-busy": Fault("appsettings-put", **BUSY),
    "put-lost-before": Fault("appsettings-put", status=503),
    "put-refused": Fault("appsettings-put", status=400, code="BadRequest"),
}
FAILED = ("refused", "fails", "put-lost-before", "put-refused")


def spoilt_twice(first: str, second: str, put: str) -> Run:
    """Spoil a deploy and two swaps: it is swapped in once, or given up after three attempts."""

    def begin() -> Scene:
        scene = bump()
        names = (put, first, second)
        faults = [replace({**PUTS, **SENT}[name]) for name in names]
        scene.cloud.faults.rules += faults
        scene.watched_s, scene.ends = 300.0, False  # a swap that took effect is the last

        def due() -> str:
            came = [n for n, fault in zip(names, faults, strict=True) if fault.times == 0]
            return OLD if sum(name in FAILED for name in came) == QUICK.max_attempts else NEW

        scene.must("the end that is due", lambda: scene.cloud.serves() == due())
        return scene

    return play(begin, {})
