"""
A deployment as Kudu carries it out: one at a time for a content, from the package to its record.

It belongs to the content that the slot held when it began; should a swap move that meanwhile, the
files arrive where it is then.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from typing import Any

from emulator.scm.results import ConflictError, Push, begun, ended, line
from emulator.slots.azure import World
from emulator.slots.packages import PackageError, Packages
from emulator.slots.state import Site, Slot

IN_PROGRESS = "There is a deployment currently in progress. Please try again when it completes."
RUN_FROM_URL = (
    "Run-From-Zip is set to a remote URL using WEBSITE_RUN_FROM_PACKAGE or WEBSITE_USE_ZIP app "
    "setting. Deployment is not supported in this configuration."
)

Who = Mapping[str, Any]  # caller and request, for the history


def is_url(text: str) -> bool:
    return text.startswith(("https://", "http://"))


class Deployer:
    """Unpacks into *packages* and puts the result into *world*'s slots."""

    def __init__(self, world: World, packages: Packages) -> None:
        self.world = world
        self.packages = packages
        self._locked: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def busy(self, site: Site, slot: Slot) -> bool:
        """Tell whether a deployment of the slot's content runs."""
        return (site.key, slot.deployment_id) in self._locked

    async def deploy(
        self, site: Site, slot: Slot, source: AsyncIterable[bytes] | str, push: Push, who: Who
    ) -> Mapping[str, Any]:
        """
        Deploy *source*, a zip as it is received or its URL, and return the deployment.

        An asynchronous one is returned once its package is received. Raises ConflictError for 409
        and PackageError for 400.
        """
        key = self._lock(site, slot)
        try:
            held = source if isinstance(source, str) else await self.packages.add(source)
        except BaseException:
            self._locked.discard(key)
            raise
        deployment, task = self._begin(key, site, slot, held, push, who)
        return deployment if push.asynchronous else await task

    def begin(self, site: Site, slot: Slot, url: str, push: Push, who: Who) -> Mapping[str, Any]:
        """Begin to deploy what *url* has; return the deployment, or raise ConflictError for 409."""
        return self._begin(self._lock(site, slot), site, slot, url, push, who)[0]

    def _lock(self, site: Site, slot: Slot) -> tuple[str, str]:
        key = (site.key, slot.deployment_id)
        if is_url(slot.settings.get("WEBSITE_RUN_FROM_PACKAGE", "")):
            raise ConflictError(RUN_FROM_URL)
        if key in self._locked:
            raise ConflictError(IN_PROGRESS)
        self._locked.add(key)
        return key

    def _begin(
        self, key: tuple[str, str], site: Site, slot: Slot, source: str, push: Push, who: Who
    ) -> tuple[Mapping[str, Any], asyncio.Task[Mapping[str, Any]]]:
        """Write down that *source*, a URL or a name in *packages*, is deployed, and do it."""
        world = self.world
        id_ = world.new_id()
        deployment = begun(id_, site.name, push, world.now())
        world.history.record("deployment-started", site=site, slot=slot.key, id=id_, **who)
        self._note(id_, "Updating submodules.")
        self._note(id_, f"Preparing deployment for commit id '{id_.replace('-', '')[:10]}'.")
        if slot.settings.get("SCM_DO_BUILD_DURING_DEPLOYMENT", "").lower() in ("1", "true"):
            self._note(id_, "Nothing is built: this Kudu has no Oryx.")
        world.deployments.put(*key, deployment)
        task = asyncio.create_task(self._finish(key, slot, source, push, who, deployment))
        self._tasks.add(task)
        task.add_done_callback(lambda _: self._locked.discard(key))
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        return deployment, task

    async def _finish(
        self,
        key: tuple[str, str],
        slot: Slot,
        source: str,
        push: Push,
        who: Who,
        deployment: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        world, id_, failure = self.world, deployment["id"], None
        try:
            package = source
            if is_url(source):
                package = (await self.packages.unpacked(source, slot.identity_header)).name
            due = asyncio.get_running_loop().time() + world.latency.deploy_s
            await world.transitions.until(due, "deployment", key[0], slot.key)
            self._put(key, package, restart=push.restart)
        except PackageError as error:
            failure = str(error)
        deployment = ended(deployment, world.now(), failure)
        self._note(id_, "Deployment successful." if failure is None else failure, failure)
        world.deployments.put(*key, deployment)
        now = world.estate.sites.get(key[0])
        result = "deployment-finished" if failure is None else "deployment-failed"
        world.history.record(result, site=now, slot=slot.key, id=id_, **who)
        return deployment

    def _put(self, key: tuple[str, str], package: str, *, restart: bool) -> None:
        """Make *package* the content's files, and start them where the content is now."""
        site = self.world.estate.sites.get(key[0])
        held = [s for s in (site.slots.values() if site else ()) if s.deployment_id == key[1]]
        if not held:
            raise PackageError("The slot was deleted meanwhile.")
        slot = replace(held[0], package=package, modified=self.world.now())
        self.world.estate.change(key[0], lambda site: site.with_slots(slot))
        if restart and slot.running:
            self.world.platform.restart(key[0], slot.key)

    def _note(self, id_: str, message: str, failure: str | None = None) -> None:
        now, error = self.world.now(), failure is not None
        self.world.deployments.note(id_, line(self.world.new_id(), message, now, error=error))

    async def close(self) -> None:
        """Give up what is under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
