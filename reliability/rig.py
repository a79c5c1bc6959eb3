"""Controllers on the cloud: open one, run passes, restart it, and see how it ends."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from gitslot.look.look import Looker
from gitslot.reconcile import World
from gitslot.record.accepted import AcceptedBlob
from gitslot.record.journal import Journal
from gitslot.rounds import reconcile
from gitslot.state.decision import Stop, Waiting
from gitslot.state.policy import Policy
from gitslot.wants import Wants
from reliability.arm_door import Inline, SeamAzure
from reliability.cloud import APP, Cloud
from reliability.doors import SeamBlobs, SeamClock, SeamGit, SeamLock, SeamProbes, SeamRegistry
from reliability.registered import STORE
from reliability.seam import Killed, Process, Seam

# The rules of Azure with fewer looks, and with deadlines that still exceed what a step can take.
QUICK = Policy(
    poll_s=30.0,
    survey_s=30.0,
    swap_deadline_s=600.0,
    busy_wait_s=200.0,
    deploy_deadline_s=300.0,
    hold_s=300.0,
    lock_renew_s=5.0,
    lock_write_s=10.0,
    lock_stale_s=40.0,
    latency_requests=8,
)
TICK_S = 60.0
CONTROLLER = "controller"


@dataclass
class Rig:
    """One run: a cloud, the seam, and the controllers on it."""

    cloud: Cloud = field(default_factory=Cloud)
    policy: Policy = QUICK
    seam: Seam = field(init=False)
    clock: Callable[[SeamClock], None] = lambda _: None

    def __post_init__(self) -> None:
        self.seam = Seam(self.cloud.wait)
        self.seam.spoilt = lambda name, kind: self.cloud.history.ghost(
            "spoilt", what=name, kind=kind
        )

    def controller(self, name: str = CONTROLLER, **changes: Any) -> "Controller":
        """Return a controller whose process is about to start."""
        self.cloud.entitle(name)
        return Controller(self, name, changes)

    def history(self) -> bytes:
        """Return what happened, byte for byte."""
        return b"".join(
            json.dumps(entry, default=_plain, sort_keys=True).encode() + b"\n"
            for entry in self.cloud.history.entries
        )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return value.as_dict() if hasattr(value, "as_dict") else str(value)


@dataclass
class Controller:
    """A controller that is restarted when it has been killed."""

    rig: Rig
    name: str
    changes: dict[str, Any]
    world: World | None = None
    process: Process | None = None
    passes: int = 0
    ids: int = 0  # that it has used

    def new_id(self) -> str:
        """Return an id that differs from the first digit on."""
        self.ids += 1
        return f"{self.ids:08x}{self.name.encode().hex():>24.24}".replace(" ", "0")

    def start(self) -> World:
        """Start its process, with nothing in memory."""
        cloud, policy = self.rig.cloud, self.rig.policy
        process = Process(self.name, self.rig.seam)
        clock = SeamClock(cloud, process)
        self.rig.clock(clock)
        azure, blobs = SeamAzure(cloud, process), SeamBlobs(cloud, process)
        looker = Looker(
            azure, SeamRegistry(cloud, process), SeamProbes(cloud, process), clock, policy, Inline()
        )
        self.process = process
        wants = Wants(SeamGit(cloud, process), AcceptedBlob(blobs), clock.monotonic)
        self.world = World(
            wants=wants,
            looker=looker,
            azure=azure,
            journal=Journal(blobs),
            lock=lambda _: SeamLock(cloud, process, blobs, policy, clock),
            clock=clock,
            policy=policy,
            store=STORE,
            new_id=self.new_id,
        )
        for name, value in self.changes.items():
            setattr(wants if hasattr(wants, name) else self.world, name, value)
        return self.world

    def run(self) -> Stop | None:
        """Run one pass; None where it was killed in the middle, and starts again next time."""
        world = self.world or self.start()
        self.passes += 1
        self.rig.cloud.history.ghost("pass-began", caller=self.name)
        try:
            stop: Stop | None = reconcile(APP, world)
        except Killed:
            stop, self.world = None, None
        except Exception as error:
            stop, self.world = None, None
            self.rig.cloud.history.ghost("pass-broke-off", caller=self.name, error=repr(error))
        said = f"{type(stop).__name__} {getattr(stop, 'reason', '')}".strip()
        self.rig.cloud.history.ghost("pass-ended", caller=self.name, stop=said)
        return stop

    def settle(self, passes: int = 60, every_s: float = TICK_S) -> Stop | None:
        """Run passes until two end alike, the second with no write and no fault, not waiting."""
        last: Stop | None = None
        for _ in range(passes):
            seam, before = self.rig.seam, (self.rig.seam.stage, len(self.rig.seam.taken))
            stop = self.run()
            same = before == (seam.stage, len(seam.taken))
            quiet = same and self.rig.cloud.operation() is None
            if quiet and stop == last and stop and not isinstance(stop, Waiting):
                return stop
            last = stop
            self.rig.cloud.wait(every_s)
        return last
