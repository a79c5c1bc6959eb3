"""
One app on the in-process platform, one controller, and what people and Azure do to both: short
words for tests of the loop.

A lab looks at outcomes alone: what slots serve, how passes end, the journal, and the platform's
history.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from emulator.seen.faults import Fault
from gitslot.reconcile import World, observe
from gitslot.record.event import Event
from gitslot.record.journal import Journal
from gitslot.record.recent import Recent
from gitslot.report.status import Row, rows
from gitslot.state.decision import Observation, Stop
from gitslot.state.policy import Policy
from gitslot.state.seen import Rehearsal
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability import registered
from reliability.checker import check
from reliability.cloud import APP
from reliability.rig import CONTROLLER, Rig
from reliability.scenarios import accept, converged
from reliability.seam import Seam

VERSIONS = tuple(f"1.{minor}.0" for minor in range(2, 9))
LOOK = Policy(poll_s=5.0, latency_requests=8)  # the rules of Azure, with fewer looks
SWAP, PUT, RESET, POLL = "slotsswap", "appsettings-put", "resetslotconfig", "operationresults"
BUSY: Mapping[str, Any] = {  # ARM's answer while another operation runs
    "status": 409,
    "body": {
        "Code": "Conflict",
        "Message": "Cannot modify this site: another operation is in progress.",
    },
}
EMPTY = {"WEBSITE_RUN_FROM_PACKAGE": registered.package_url("c1")}


def why(stop: Stop) -> str:
    """Return what *stop* is, and its reason where it has one."""
    return f"{type(stop).__name__} {getattr(stop, 'reason', '')}".strip()


class _ByName(dict[int, str]):
    """A plan of faults by the names of calls: the next ones of a name are spoilt, in this order."""

    def __init__(self, seam: Seam) -> None:
        super().__init__()
        self._seam = seam
        self.kinds: dict[str, list[str]] = {}

    def get(self, index: int, default: Any = None) -> Any:
        kinds = self.kinds.get(self._seam.calls[index].name)
        return (kinds.pop(0) or default) if kinds else default


class Lab:
    """
    A world in which production serves *version*, or nothing where it is "".

    *staging* is what waits there. *changes* are fields of the controller's World.
    """

    def __init__(
        self, version: str = "", staging: str = "", policy: Policy = LOOK, **changes: Any
    ) -> None:
        self.rig = Rig(policy=policy)
        self.cloud, self.policy = self.rig.cloud, policy
        self.controller = self.rig.controller(**changes)
        self._mark, self._calls = 0, 0
        self._hooks: list[Callable[[str], None]] = []
        seam = self.rig.seam
        seam.on, seam.before, seam.plan = True, self._before, _ByName(seam)
        plans = self.cloud.world.store.plans  # one that has room for further slots
        plans["plan"] = replace(plans["plan"], sku="S1", tier="Standard", kind="app")
        self.cloud.register(*VERSIONS)
        for code in ("c1", "c9"):
            self.cloud.account.blobs |= registered.package_blobs(code)
        content = [registered.settings(v, f"d-{v}") if v else EMPTY for v in (version, staging)]
        self.cloud.build(content[0], content[1])
        if version:
            commit = self.want(version)
            self._append(converged(version, commit, self.cloud.now()))
            if "git" not in changes:
                accept(self.cloud.blobs, commit)
        self.forget()

    # ------------------------------------------------------------ Git and the journal

    def want(self, version: str, more: str = "", slots: str = "", code: str = "") -> str:
        """Commit that production shall serve *version*."""
        return self.cloud.git.want(version, more=more, slots=slots, code=code).name

    def release(self, version: str, *words: str, **more: str) -> str:
        """Do as `want` does; one pass must converge, and production serve *version*."""
        commit = self.want(version, *words, **more)
        assert (why(self.run()), self.serves()) == ("Converged", version)
        return commit

    def bring(self, version: str, *words: str, **more: str) -> str:
        """Do as `want` does; passes must converge, and production serve *version*."""
        commit = self.want(version, *words, **more)
        assert (why(self.settle()), self.serves()) == ("Converged", version)
        return commit

    def write(self, event: str) -> None:
        """Append *event* to the journal, as a person's command does."""
        self._append(Event(event, APP, self.cloud.now(), id=self.cloud.new_id()))

    def _append(self, event: Event) -> None:
        journal = Journal(self.cloud.blobs)
        journal.memory(APP, event.time)
        journal.append(APP, [event], event.time)

    def lose_journal(self) -> None:
        """Delete the journal, as somebody with a storage explorer would."""
        for name in self.cloud.blobs.names("journal/"):
            self.cloud.blobs.drop(name)
        self.cloud.history.ghost("journal-dropped")

    # ------------------------------------------------------------ the controller

    @property
    def world(self) -> World:
        """Return the World of the controller's process, which is started where none runs."""
        return self.controller.world or self.controller.start()

    def restart(self, **changes: Any) -> None:
        """End the controller's process; the next one has only the journal, and *changes*."""
        self.controller.changes |= changes
        self.controller.world = None

    def run(self) -> Stop:
        """Run one pass."""
        stop = self.controller.run()
        assert stop is not None, self.cloud.history.entries[-2:]
        return stop

    def passes(self, count: int, every_s: float = 60.0) -> Stop:
        """Run so many passes, each a while after the last, and return how the last ended."""
        for _ in range(count):
            self.wait(every_s)
            stop = self.run()
        return stop

    def settle(self, passes: int = 60) -> Stop:
        """Run passes, a minute apart, until two end alike without a write."""
        stop = self.controller.settle(passes)
        assert stop is not None, self.cloud.history.entries[-2:]
        return stop

    def observe(self, world: World | None = None) -> Observation:
        """Look at every slot and decide, as `gitslot status` does."""
        return observe(APP, world or self.rig.controller("reader").start(), whole=True)

    def row(self, slot: str = PRODUCTION, rehearsal: Rehearsal | None = None) -> Row:
        """Return what `gitslot status` prints of *slot*."""
        return next(each for each in rows(self.observe(), Recent(), rehearsal) if each.slot == slot)

    # ------------------------------------------------------------ what happened

    def forget(self) -> None:
        """Count events, writes and calls from here on."""
        self._mark, self._calls = len(self.cloud.history.entries), len(self.rig.seam.calls)

    def seen(self, operation: str, **fields: Any) -> list[Mapping[str, Any]]:
        """Return the entries of the platform's history that say so."""
        found = (e for e in self.cloud.history.entries[self._mark :] if e["operation"] == operation)
        return [e for e in found if all(e.get(key) == value for key, value in fields.items())]

    @property
    def lines(self) -> list[Event]:
        """Return what the controller wrote into its journal."""
        return [event for entry in self.seen("journal") for event in entry["events"]]

    @property
    def events(self) -> list[Event]:
        """Return what the controller wrote into its journal, bookkeeping left out."""
        return [event for event in self.lines if not event.quiet]

    @property
    def told(self) -> list[str]:
        """Return event and reason of each of them."""
        return [f"{event.event} {event.reason}".strip() for event in self.events]

    @property
    def names(self) -> list[str]:
        """Return the event of each of them."""
        return [event.event for event in self.events]

    @property
    def posts(self) -> int:
        """Return how many swaps the controller sent."""
        return len(self.seen("write-sent", what=SWAP))

    @property
    def swaps(self) -> int:
        """Return how many swaps of the controller's took effect."""
        return len(self.seen("swap-flipped", caller=CONTROLLER))

    @property
    def deploys(self) -> list[str]:
        """Return the slots that the controller deployed to."""
        return [entry["slot"] for entry in self.seen("settings-put", caller=CONTROLLER)]

    @property
    def writes(self) -> int:
        """Return how often the controller asked for a change of anything in Azure."""
        return len(self.seen("write-sent"))

    def calls(self, prefix: str) -> int:
        """Return how many calls whose names begin so the controllers made."""
        return sum(c.name.startswith(prefix) for c in self.rig.seam.calls[self._calls :])

    def serves(self, slot: str = PRODUCTION) -> str:
        """Return the version that *slot* serves, or ""."""
        return self.cloud.serves(slot)

    def settings(self, slot: str = PRODUCTION) -> dict[str, str]:
        """Return what *slot* is set to."""
        return dict(self.cloud.site.slots[slot].settings)

    @property
    def seconds(self) -> float:
        """Return how much time has passed."""
        return self.cloud.seconds()

    # ------------------------------------------------------------ what goes wrong

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.cloud.wait(seconds)

    def fault(self, operation: str, **how: Any) -> Fault:
        """Spoil calls to ARM, or swaps on the platform, as the emulator's switchboard does."""
        rule = Fault(operation, **how)
        self.cloud.faults.rules.append(rule)
        return rule

    def mend(self) -> None:
        """End every fault of the platform and every fault of a version or a slot."""
        behaviour = self.cloud.behaviour
        for rules in (self.cloud.faults.rules, behaviour.versions, behaviour.slots):
            rules.clear()

    def spoil(self, call: str, *kinds: str) -> None:
        """Spoil the next calls of that name, as `Seam` does; "" leaves one as it is."""
        plan: Any = self.rig.seam.plan
        plan.kinds[call] = list(kinds)

    def before(
        self,
        call: str,
        what: Callable[[], object],
        when: Callable[[], bool] = lambda: True,
        *,
        always: bool = False,
    ) -> None:
        """
        Do *what* just before the next call whose name begins so, *when* that is true.

        Once, or *always*.
        """

        def hook(name: str) -> None:
            if name.startswith(call) and when():
                if not always:
                    self._hooks.remove(hook)
                what()

        self._hooks.append(hook)

    def _before(self, name: str) -> None:
        for hook in tuple(self._hooks):
            hook(name)

    def unregister(self, version: str) -> None:
        """Take *version* out of the registry."""
        for name in registered.version_blobs(version):
            del self.cloud.account.blobs[name]

    def breaks(self, version: str, how: str = "wrong") -> None:
        """Make *version* misbehave as `Behaviour` says, whatever runs it from now on."""
        self.cloud.behaviour.versions[version] = how

    def fails(self, how: str = "LoadFailed", slot: str = PRODUCTION) -> None:
        """Make the release that *slot* serves fail there, and wherever it starts again."""
        self.breaks(self.serves(slot), how)
        host = self.cloud.host(slot)
        assert host
        host.crash()
        self.wait(0)

    def silence(self, slot: str, how: Any = "silent") -> None:
        """Make whatever runs in *slot* answer so."""
        self.cloud.behaviour.slots[slot] = how

    # ------------------------------------------------------------ what people do

    def change(self, slot: str, **values: str | None) -> None:
        """Change settings of *slot* by hand; its new process runs when this returns."""
        self.idle()
        assert self.cloud.change(slot, **values) == 200
        self.wait(40)

    def deploy(self, slot: str, version: str) -> None:
        """Deploy *version* to *slot* by hand."""
        self.change(slot, **registered.settings(version, f"by-hand-{version}"))

    def swap(self, slot: str = STAGING) -> None:
        """Swap by hand."""
        assert self.person(f"/slots/{slot}/slotsswap") == 202
        self.wait(90)

    def create(self, slot: str) -> None:
        """Create *slot* by hand, as a copy of production."""
        self.idle()
        assert self.cloud.create(slot) < 300

    def delete(self, slot: str) -> None:
        """Delete *slot* by hand."""
        assert self.cloud.post("person", f"/slots/{slot}", method="DELETE") < 300

    def prepare(self) -> None:
        """Begin a swap with preview by hand, and leave it at that."""
        assert self.person(f"/slots/{STAGING}/applySlotConfig") == 200
        self.wait(40)

    def stick(self, *names: str) -> None:
        """Make settings sticky by hand."""
        body = json.dumps({"properties": {"appSettingNames": names}}).encode()
        assert self.cloud.post("person", "/config/slotConfigNames", body, "PUT") == 200

    def idle(self) -> None:
        """Wait until no operation runs."""
        while self.cloud.operation():
            self.wait(1.0)

    def person(self, rest: str) -> int:
        """Send a POST about the app once no operation runs; return ARM's status."""
        self.idle()
        return self.cloud.post("person", rest, b'{"targetSlot": "production"}')

    def end(self) -> None:
        """End this world. Raises AssertionError if what the platform saw of it breaks a rule."""
        commits = "git" not in self.controller.changes  # else nobody wrote down what Git asked for
        found = check(self.cloud.history.entries) if commits else []
        self.cloud.end()
        assert not found, "\n".join(map(str, found))


@contextmanager
def labs() -> Iterator[Callable[..., Lab]]:
    """Give what opens labs; at the end, none of their histories may break a rule."""
    opened: list[Lab] = []

    def open_lab(*words: Any, **changes: Any) -> Lab:
        opened.append(Lab(*words, **changes))
        return opened[-1]

    yield open_lab
    for lab in opened:
        lab.end()
