"""
A scene at rest, kept: many runs begin where one has ended, without playing it again.

What a world at rest is made of is plain: the emulator's sites and operations, the blobs, the
commits and the history. Only its processes are started anew, from the settings that they had.
"""

import copy
from dataclasses import dataclass
from typing import Any

from emulator.slots.state import PRODUCTION
from reliability.cloud import APP, STAGING
from reliability.rig import Rig


@dataclass(frozen=True)
class Recording:
    """The world of a rig at rest."""

    seconds: float
    ids: int
    events: int
    kept: dict[str, Any]

    @classmethod
    def of(cls, rig: Rig, events: int) -> "Recording":
        """Keep what *rig* has made; *events* is how many ids its controller has used. Ends it."""
        cloud, estate = rig.cloud, rig.cloud.world.store
        found = cls(
            cloud.seconds(),
            cloud.ids,
            events,
            {
                "sites": dict(estate.sites),
                "operations": dict(estate.operations),
                "blobs": copy.deepcopy(cloud.blobs.kept),
                "account": dict(cloud.account.blobs),
                "commits": tuple(cloud.git.commits),
                "entries": tuple(cloud.history.entries),
            },
        )
        cloud.end()
        return found

    def resume(self) -> Rig:
        """Return a rig whose world goes on from here, and is nobody else's."""
        rig, kept = Rig(), self.kept
        cloud, estate = rig.cloud, rig.cloud.world.store
        cloud.ids = self.ids
        cloud.account.blobs |= kept["account"]
        estate.sites |= kept["sites"]
        estate.operations |= kept["operations"]
        cloud.blobs.kept = copy.deepcopy(kept["blobs"])
        cloud.git.commits += kept["commits"]
        cloud.loop.begin(self.seconds - cloud.behaviour.boot_s)
        with cloud.loop.current():
            for slot in (PRODUCTION, STAGING):
                cloud.fabric.restart_now(APP, slot)
        cloud.wait(cloud.behaviour.boot_s)
        cloud.history.entries[:] = kept["entries"]
        return rig
