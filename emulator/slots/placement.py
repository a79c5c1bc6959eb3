"""Processes and ports of every slot: what ARM's handlers and swaps move about."""

import asyncio
import ssl
import traceback
from collections import Counter
from collections.abc import Awaitable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emulator.machine.ports import listen, number
from emulator.scm.app import Kudu
from emulator.scm.calls import Scm
from emulator.seen.faults import Faults
from emulator.slots.azure import World
from emulator.slots.front_door import Front
from emulator.slots.hosts import Host, Launch, Launcher
from emulator.slots.state import Operation, Slot
from emulator.slots.swap_phases import Swapper
from emulator.slots.workers import Started, Worker


class Fabric:
    """Workers by content, fronts by slot; ``world`` is given before the first call."""

    world: World
    scm: Scm | None = None  # None in tests without sockets

    def __init__(self, launcher: Launcher, faults: Faults, context: ssl.SSLContext) -> None:
        self.launcher = launcher
        self.faults = faults
        self.context: ssl.SSLContext | None = context  # None in tests without sockets
        self.workers: dict[tuple[str, str], Worker] = {}
        self.fronts: dict[tuple[str, str], Front] = {}
        self.kudus: dict[tuple[str, str], Kudu] = {}
        self.asked: Counter[tuple[str, str]] = Counter()  # restarts that somebody asked for
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
        front = self.fronts.pop((site, slot), None)
        if front is not None:
            self._spawn(front.close())
        self.world.deployments.forget(site, content)
        kudu = self.kudus.pop((site, slot), None)
        if kudu is not None:
            self._spawn(kudu.close())

    def restart(self, site: str, slot: str) -> None:
        launch, worker = self._of(site, slot)
        self.asked[site, slot] += 1

        async def gate(moment: float) -> None:
            await self.world.transitions.until(moment, "restart", site, slot)

        if not self.world.transitions.overlap:
            worker.vacate()
        worker.restart(launch, self.world.latency.restart_s, gate)

    def stop(self, site: str, slot: str) -> None:
        self._of(site, slot)[1].stop()

    def serving(self, site: str, slot: str) -> bool:
        return self.host(site, slot) is not None

    def functions(self, site: str, slot: str) -> Sequence[Mapping[str, Any]] | None:
        host = self.host(site, slot)
        return None if host is None else host.functions

    def state(self, site: str, slot: str) -> str:
        held = self.world.estate.sites[site].slots[slot]
        worker = self._worker(site, held)
        return "Starting" if held.running and worker.starting else _state(held, worker)

    def swap(self, operation: Operation) -> None:
        self.ends[operation.id] = asyncio.Event()
        self._spawn(self._swap(operation))

    async def _swap(self, operation: Operation) -> None:
        swapper = Swapper(self.world, self, self.faults)
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

    def restarts(self, site: str, slot: str) -> int:
        return self.asked[site, slot]

    def keys_moved(self, site: str, slots: tuple[str, str]) -> None:
        for key in slots:
            host = self.host(site, key)
            if host is not None:
                host.use_keys(self.world.estate.sites[site].slots[key].keys)

    # Called by the platform.

    def open_all(self) -> None:
        """Open the ports of every slot that there is, the same as before where they are free."""
        for site in list(self.world.estate.sites.values()):
            opened = []
            for slot in site.slots.values():
                https, http = self._open(site.key, slot.key, slot.https_port, slot.http_port)
                scm = self._open_scm(site.key, slot.key, slot.scm_port)
                password = slot.publishing_password or self.world.new_secret()
                opened.append(
                    replace(
                        slot,
                        https_port=https,
                        http_port=http,
                        scm_port=scm,
                        publishing_password=password,
                    )
                )
            self.world.estate.put(site.with_slots(*opened))

    def start_all(self) -> None:
        """Start the process of every slot that runs; a cold start, which no latency delays."""
        for site in self.world.estate.sites.values():
            for slot in site.slots.values():
                if slot.running:
                    self.restart_now(site.key, slot.key)

    def shown(self) -> Iterable[Mapping[str, Any]]:
        """Return each slot's addresses, state and process."""
        for site in self.world.estate.sites.values():
            for slot in site.slots.values():
                worker = self._worker(site.key, slot)
                host = worker.serving
                yield {
                    "site": site.name,
                    "slot": slot.key,
                    "https": f"https://localhost:{slot.https_port}",
                    "http": f"http://localhost:{slot.http_port}",
                    "state": _state(slot, worker),
                    "pid": host.process.pid if host else None,
                }

    async def ended(self, operation: str) -> None:
        """Return when *operation* has ended."""
        event = self.ends.get(operation)
        if event is not None:
            await event.wait()

    async def close(self, grace_s: float) -> None:
        """Close every port and end every process."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.scm is not None:
            await self.scm.deployer.close()
        doors: list[Front | Kudu] = [*self.fronts.values(), *self.kudus.values()]
        await asyncio.gather(*(door.close() for door in doors))
        await asyncio.gather(*(worker.close(grace_s) for worker in self.workers.values()))

    def _open(self, site: str, slot: str, https: int, http: int) -> tuple[int, int]:
        def look() -> tuple[Slot, Worker] | None:
            known = self.world.estate.sites.get(site)
            held = known.slots.get(slot) if known else None
            return None if held is None else (held, self._worker(site, held))

        assert self.context is not None
        secure, plain = listen(https), listen(http)
        front = Front(site, slot, look, self.faults)
        self.fronts[site, slot] = front
        self._spawn(front.open(secure, plain, self.context))
        return number(secure), number(plain)

    def _open_scm(self, site: str, slot: str, port: int) -> int:
        if self.scm is None or self.context is None:
            return 0
        listener = listen(port)
        kudu = Kudu(site, slot, self.scm)
        self.kudus[site, slot] = kudu
        self._spawn(kudu.open(listener, self.context))
        return number(listener)

    def _of(self, site: str, slot: str) -> tuple[Launch, Worker]:
        known = self.world.estate.sites[site]
        held = known.slots[slot]
        launch = Launch(
            known.name,
            held.name,
            held.host,
            held.settings,
            held.keys,
            held.identity_header,
            self.world.latency.start_limit_s,
            held.package,
        )
        return launch, self._worker(site, held)

    def _worker(self, site: str, slot: Slot) -> Worker:
        key = (site, slot.deployment_id)
        if key not in self.workers:
            self.workers[key] = Worker(self.launcher, self._report)
        return self.workers[key]

    def _report(self, operation: str, launch: Launch, detail: str) -> None:
        site = self.world.estate.sites.get(launch.site.lower())
        self.world.history.record(operation, site=site, slot=launch.slot.lower(), detail=detail)

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
