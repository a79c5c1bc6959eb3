"""
Carry out deployments as Kudu does: one at a time for each content, from the package to the record.

A deployment belongs to the content that the slot held when it began. If a swap moves that content
meanwhile, the files go to its new slot.
"""

import asyncio
from collections.abc import AsyncIterable, Mapping
from dataclasses import replace
from typing import Any

from emulator.scm.results import ConflictError, begun, ended, line
from emulator.slots import state
from emulator.slots.azure import Azure
from emulator.slots.deployments import Push
from emulator.slots.packages import PackageError, Packages, is_url
from emulator.slots.state import Site, Slot

IN_PROGRESS = "There is a deployment currently in progress. Please try again when it completes."
RUN_FROM_URL = (
    "Run-From-Zip is set to a remote URL using WEBSITE_RUN_FROM_PACKAGE or WEBSITE_USE_ZIP app "
    "setting. Deployment is not supported in this configuration."
)

Who = Mapping[str, Any]  # caller and request, for the history


class Deployer:
    """Unpacks into *packages* and gives the result to the slots of *azure*."""

    def __init__(self, azure: Azure, packages: Packages) -> None:
        self.azure = azure
        self.packages = packages
        self._locked: set[tuple[str, str]] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    def busy(self, site: Site, slot: Slot) -> bool:
        """Return whether a deployment of the slot's content runs."""
        return (site.key, slot.deployment_id) in self._locked

    async def deploy(
        self, site: Site, slot: Slot, source: AsyncIterable[bytes] | str, push: Push, who: Who
    ) -> Mapping[str, Any]:
        """
        Deploy *source*, a zip as it is received or its URL, and return the deployment.

        An asynchronous deployment is returned as soon as its package was received. Raises
        ConflictError for 409 and PackageError for 400.
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
        """Begin to deploy the package at *url*; return the deployment, or raise ConflictError."""
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
        """Record and start the deployment of *source*, a URL or a name in *packages*."""
        azure = self.azure
        id_ = azure.new_id()
        deployment = begun(id_, site.name, push, azure.now())
        azure.history.record("deployment-started", site=site, slot=slot.key, id=id_, **who)
        self._note(id_, "Updating submodules.")
        self._note(id_, f"Preparing deployment for commit id '{id_.replace('-', '')[:10]}'.")
        if slot.settings.get("SCM_DO_BUILD_DURING_DEPLOYMENT", "").lower() in ("1", "true"):
            self._note(id_, "Nothing is built: this Kudu has no Oryx.")
        azure.deployments.put(*key, deployment)
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
        azure, id_, failure = self.azure, deployment["id"], None
        try:
            package = source
            if is_url(source):
                package = (await self.packages.unpacked(source, slot.identity_header)).name
            due = asyncio.get_running_loop().time() + azure.latency.deploy_s
            await azure.transitions.until(due, "deployment", key[0], slot.key)
            self._put(key, package, restart=push.restart)
        except PackageError as error:
            failure = str(error)
        deployment = ended(deployment, azure.now(), failure)
        self._note(id_, "Deployment successful." if failure is None else failure, failure)
        azure.deployments.put(*key, deployment)
        now = azure.store.sites.get(key[0])
        result = "deployment-finished" if failure is None else "deployment-failed"
        azure.history.record(result, site=now, slot=slot.key, id=id_, **who)
        return deployment

    def _put(self, key: tuple[str, str], package: str, *, restart: bool) -> None:
        """Make *package* the content's files, and restart the slot that holds the content now."""
        site = self.azure.store.sites.get(key[0])
        held = [s for s in (site.slots.values() if site else ()) if s.deployment_id == key[1]]
        if not held:
            raise PackageError("The slot was deleted meanwhile.")
        shared = state.collisions(site, held[0].key).get("content share", ()) if site else ()
        hit = (*held, *(site.slots[other] for other in shared if site))
        new = [replace(slot, package=package, modified=self.azure.now()) for slot in hit]
        self.azure.store.change(key[0], lambda site: site.with_slots(*new))
        for slot in new:
            if restart and slot.running:
                self.azure.placement.restart(key[0], slot.key)

    def _note(self, id_: str, message: str, failure: str | None = None) -> None:
        now, error = self.azure.now(), failure is not None
        self.azure.deployments.note(id_, line(self.azure.new_id(), message, now, error=error))

    async def close(self) -> None:
        """Cancel the deployments under way."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
