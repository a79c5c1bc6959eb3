"""The processes and ports of every slot, as ARM's handlers and swaps change them."""

import asyncio
import ssl
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from emulator.machine.ports import listen, number
from emulator.machine.serving import Listener
from emulator.seen.faults import Faults
from emulator.slots.azure import Azure
from emulator.slots.front_door import FrontDoor
from emulator.slots.hosts import Host, Launch, Launcher
from emulator.slots.state import Keys, Operation, Slot, collisions
from emulator.slots.swap_phases import Swapper
from emulator.slots.workers import Started, Worker

MIXED_S = 30.0  # for which instances differ after a swap, if they do


class Placement:
    """Workers by content, front doors by slot; ``azure`` is set before the first call."""

    azure: Azure
    kudu: Callable[[str, str], Listener] | None = (
        None  # of site and slot; None in tests without ports
    )

    def __init__(self, launcher: Launcher, faults: Faults, context: ssl.SSLContext) -> None:
        self.launcher = launcher
        self.faults = faults
        self.context = context
        self.workers: dict[tuple[str, str], Worker] = {}
        self.front_doors: dict[tuple[str, str], Listener] = {}
        self.kudus: dict[tuple[str, str], Listener] = {}
        self.asked: Counter[tuple[str, str]] = Counter()  # restarts that a caller asked for
        self.ends: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    # Called by ARM's handlers.

    def slot_created(self, site: str, slot: str) -> tuple[int, int]:
        return self._open(site, slot, 0, 0)

    def scm_created(self, site: str, slot: str) -> int:
        return self._open_scm(site, slot, 0)

    def slot_deleted(self, site: str, slot: str, content: str) -> None:
        worker = self.workers.pop((site, content), None)
        if worker is not None:
            worker.stop()
        self.azure.deployments.forget(site, content)
        for doors in (self.front_doors, self.kudus):
            if (site, slot) in doors:
                self._spawn(doors.pop((site, slot)).close())

    def restart(self, site: str, slot: str) -> None:
        launch, worker = self._of(site, slot)
        self.asked[site, slot] += 1

        async def gate(moment: float) -> None:
            await self.azure.transitions.until(moment, "restart", site, slot)

        if not self.azure.assumed.holds("restart-overlap"):
            worker.vacate()
        worker.restart(launch, self.azure.latency.restart_s, gate)

    def stop(self, site: str, slot: str) -> None:
        self._of(site, slot)[1].stop()

    def serving(self, site: str, slot: str) -> bool:
        return self.host(site, slot) is not None

    def functions(self, site: str, slot: str) -> Sequence[Mapping[str, Any]] | None:
        host = self.host(site, slot)
        return None if host is None else host.functions

    def state(self, site: str, slot: str) -> str:
        held = self.azure.store.sites[site].slots[slot]
        worker = self._worker(site, held)
        return "Starting" if held.running and worker.starting else _state(held, worker)

    def swap(self, operation: Operation) -> None:
        self.ends[operation.id] = asyncio.Event()
        self._spawn(self._swap(operation))

    async def _swap(self, operation: Operation) -> None:
        swapper = Swapper(self.azure, self.faults)
        try:
            await swapper.run(operation)
        except Exception:  # noqa: BLE001 - Azure too ends a swap that it cannot explain
            traceback.print_exc()
            swapper.give_up(operation)
        finally:
            self.ends.pop(operation.id).set()

    # Called by swaps.

    def restart_now(self, site: str, slot: str) -> asyncio.Future[Started]:
        launch, worker = self._of(site, slot)
        return worker.restart(launch)

    def pending(self, site: str, slot: str) -> Awaitable[Started]:
        return self._of(site, slot)[1].pending()

    def host(self, site: str, slot: str) -> Host | None:
        return self._of(site, slot)[1].serving

    def keys(self, site: str, slot: str) -> Keys:
        """Return the keys that the process of *slot* uses: those of the name that it goes by."""
        slots, host = self.azure.store.sites[site].slots, self.host(site, slot)
        follows = host is None or self.azure.assumed.holds("slot-name-follows")
        named = slot if follows or host is None else host.launch.slot.lower()
        return slots.get(named, slots[slot]).keys

    def keys_moved(self, site: str, slots: Iterable[str]) -> None:
        for key in slots:
            host = self.host(site, key)
            if host is not None:
                host.use_keys(self.keys(site, key))

    # Called by the platform.

    def open_all(self) -> None:
        """Open the ports of every stored slot, the same as before if they are free."""
        for site in list(self.azure.store.sites.values()):
            opened = []
            for slot in site.slots.values():
                https, http = self._open(site.key, slot.key, slot.https_port, slot.http_port)
                scm = self._open_scm(site.key, slot.key, slot.scm_port)
                password = slot.publishing_password or self.azure.new_secret()
                placed = replace(slot, https_port=https, http_port=http, scm_port=scm)
                opened.append(replace(placed, publishing_password=password))
            self.azure.store.put(site.with_slots(*opened))

    def start_all(self) -> None:
        """Start the process of every running slot: a cold start, which no latency delays."""
        for site in self.azure.store.sites.values():
            for slot in site.slots.values():
                if slot.running:
                    self.restart_now(site.key, slot.key)

    def shown(self) -> Iterable[Mapping[str, Any]]:
        """Return each slot's addresses, state and process."""
        for site in self.azure.store.sites.values():
            for slot in site.slots.values():
                worker = self._worker(site.key, slot)
                host = worker.serving
                yield {
                    "site": site.name,
                    "slot": slot.key,
                    "https": f"https://localhost:{slot.https_port}",
                    "http": f"http://localhost:{slot.http_port}",
                    "state": _state(slot, worker),
                    "collisions": collisions(site, slot.key),
                    "pid": host.process.pid if host else None,
                }

    async def ended(self, operation: str) -> None:
        if operation in self.ends:
            await self.ends[operation].wait()

    async def close(self, grace_s: float) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        doors = [*self.front_doors.values(), *self.kudus.values()]
        await asyncio.gather(*(door.close() for door in doors))
        await asyncio.gather(*(worker.close(grace_s) for worker in self.workers.values()))

    def _open(self, site: str, slot: str, https: int, http: int) -> tuple[int, int]:
        def holder(connection: int) -> tuple[Slot, Worker] | None:
            known = self.azure.store.sites.get(site)
            held = known.slots.get(slot) if known else None
            return None if held is None else (held, self.reached(site, held, connection))

        secure, plain = listen(https), listen(http)
        door = FrontDoor(site, slot, holder, self.faults)
        self.front_doors[site, slot] = door
        self._spawn(door.open((secure, self.context), (plain, None)))
        return number(secure), number(plain)

    def _open_scm(self, site: str, slot: str, port: int) -> int:
        if self.kudu is None:
            return 0
        listener = listen(port)
        self.kudus[site, slot] = kudu = self.kudu(site, slot)
        self._spawn(kudu.open((listener, self.context)))
        return number(listener)

    def _of(self, site: str, slot: str) -> tuple[Launch, Worker]:
        known = self.azure.store.sites[site]
        held = known.slots[slot]
        launch = Launch(
            known.name,
            held.name,
            held.host,
            held.settings,
            held.keys,
            held.identity_header,
            self.azure.latency.start_limit_s,
            held.package,
        )
        return launch, self._worker(site, held)

    def reached(self, site: str, slot: Slot, connection: int) -> Worker:
        """Return what answers on the connection of that number: after a swap it may be the old."""
        last, mine = slot.last_swap, self._worker(site, slot)
        if self.azure.assumed.holds("one-instance") or last is None or connection % 2 == 0:
            return mine
        since = self.azure.now() - datetime.fromisoformat(last.time).timestamp()
        name = last.source if slot.name == last.destination else last.destination
        other = self.azure.store.sites[site].slots.get(name.lower())
        old = self._worker(site, other) if other and since <= MIXED_S else mine
        return old if old.serving else mine

    def _worker(self, site: str, slot: Slot) -> Worker:
        key = (site, slot.deployment_id)
        if key not in self.workers:
            self.workers[key] = Worker(self.launcher, self._report, self.azure.assumed)
        return self.workers[key]

    def _report(self, operation: str, launch: Launch, detail: str) -> None:
        site = self.azure.store.sites.get(launch.site.lower())
        self.azure.history.record(operation, site=site, slot=launch.slot.lower(), detail=detail)

    def _spawn(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _state(slot: Slot, worker: Worker) -> str:
    if not slot.running:
        return "Stopped"
    if worker.serving is not None:
        return "Running"
    return "Failed" if worker.failed else "Starting"
