"""A start with many apps, against the emulator's ARM with its documented limits in force."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, cast
from urllib.parse import parse_qsl

from emulator.arm.calls import Answer as ArmAnswer
from gitslot.edges.azure.arm import Azure
from gitslot.look.look import Looker
from gitslot.reconcile import observe
from gitslot.state.seen import Answer, Health, Live
from gitslot.state.wanted import Doubt, Wanted
from reliability.arm_door import Credential, DoorHttp, Inline
from reliability.cloud import APP, ARM
from reliability.lab import Lab

Open = Callable[..., Lab]


class Fleet:
    """
    Apps named a0, a1, ... that all serve what *lab* does, and what their looks ask of ARM.

    A look begins *look_s* seconds after the one before.
    """

    def __init__(self, lab: Lab, apps: int, look_s: float = 0.0) -> None:
        self.look_s = look_s
        self.lab, self.asked = lab, Counter[str]()
        self.statuses: set[int] = set()
        seen: Any = observe(APP, lab.world)
        self.app, self.memory = seen.app, seen.memory
        self.serving, self.moved = seen.live.production.health, ""
        sites = lab.cloud.world.store.sites
        for n in range(apps):
            ports = enumerate(sites[APP].slots.items(), 2_000 + 2 * n)
            slots = {name: replace(slot, https_port=port) for port, (name, slot) in ports}
            sites[f"a{n}"] = replace(sites[APP], name=f"a{n}", slots=slots)
        lab.cloud.gateway.limits.use("documented")

    def health(self, host: str, **_: Any) -> Health:
        """Answer as every slot does, but at a host that has *moved*."""
        return Health(Answer.SILENT) if host == self.moved else self.serving

    def answer(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> ArmAnswer:
        """Ask ARM, and note it."""
        path, _, query = url.removeprefix(ARM).partition("?")
        words = {key.lower(): value for key, value in parse_qsl(query)}
        lower = {key.lower(): value for key, value in headers.items()}
        with self.lab.cloud.loop.current():
            answer = self.lab.cloud.gateway.answer(method, path, words, lower, body)
        self.asked[path.rpartition("/")[2]] += 1
        self.statuses.add(answer.status)
        return answer

    def start(self) -> Looker:
        """Return the looks of a new process."""
        own, cloud, world = cast("Any", self), self.lab.cloud, self.lab.world
        http = DoorHttp(own, cloud.seconds)
        azure = Azure(ARM, Credential("controller"), http, Inline, clock=cloud.seconds)
        registry = world.looker._catalog._registry
        return Looker(azure, registry, own, world.clock, world.policy, Inline())

    def look(self, looker: Looker, name: str, version: str = "") -> Live | Doubt:
        """Look once at the app *name*, of which the file wants what it serves, or *version*."""
        self.lab.cloud.wait(self.look_s)
        slots = {"production": Wanted(version)} if version else self.app.slots
        return looker.look(name, replace(self.app, name=name, slots=slots), self.memory)


def test_a_thousand_apps_are_found_by_a_few_lists(open_lab: Open) -> None:
    """The next process asks ARM nothing about them, but where an answer does not settle it."""
    fleet = Fleet(open_lab("1.4.0"), 1_000, look_s=0.05)
    names = [f"a{n}" for n in range(1_000)]
    looker = fleet.start()
    assert all(isinstance(fleet.look(looker, name), Live) for name in names)
    assert (fleet.asked["resources"], fleet.asked["sites"]) == (5, 21)  # 4 apps by their names
    assert fleet.asked["list"] <= 2 * fleet.lab.policy.full_looks_at_once

    fleet.asked.clear()
    known = {name: found for name in names if (found := looker.found(name))}
    known["a7"] = replace(known["a7"], hosts={**known["a7"].hosts, "production": "old.example"})
    known["a8"] = replace(known["a8"], id=known["a8"].id.replace("group", "elsewhere"))
    known["a9"] = replace(known["a9"], hosts={"production": "127.0.0.1"})
    fleet.moved = "old.example"
    later = fleet.start()
    later.recall(known)
    assert all(isinstance(fleet.look(later, name), Live) for name in names[10:])
    assert not fleet.asked
    for name in names[:10]:
        seen = fleet.look(later, name)
        assert isinstance(seen, Live)
        assert seen.production.health.answer is Answer.SERVING
    assert fleet.asked["list"] == 2  # settings of a7, whose remembered host is silent
    assert fleet.asked["resources"] == 2  # it, and a9, whose address is none

    fleet.asked.clear()
    fleet.lab.cloud.wait(24 * 3600.0)  # all are due, and take no more than half of the 800
    fleet.look_s, refill = 0.2, 250 * 0.2 * 800 / 3600
    assert all(isinstance(fleet.look(later, name), Live) for name in names[:250])
    assert 390 <= fleet.asked["list"] <= 400 + 2 + refill
    assert 429 not in fleet.statuses


def test_the_rest_waits_for_arm_and_a_release_does_not(open_lab: Open) -> None:
    """Where lists lack slots each is read: ARM never has to refuse, and nothing freezes."""
    fleet = Fleet(open_lab("1.4.0"), 300)
    fleet.lab.cloud.world.assumed.use({"sites-listed": False})
    looker = fleet.start()
    found = [fleet.look(looker, f"a{n}") for n in range(299)]
    put_off = [each for each in found if isinstance(each, Doubt)]
    assert 100 < len(put_off) < 299
    assert {(each.reason, each.again_s is not None) for each in put_off} == {("CallsUsedUp", True)}
    release = fleet.look(looker, "a299", "1.5.0")
    assert isinstance(release, Live)
    assert release.production.arm
    for _ in range(5):
        fleet.lab.cloud.wait(5.0)
        found = [fleet.look(looker, f"a{n}") for n in range(299)]
    assert all(isinstance(each, Live) for each in found)
    assert 429 not in fleet.statuses
