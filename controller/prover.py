"""
Proofs as part of a look: golden rows through a slot, with the slot's own key where it asks for one.

What is kept between looks is keys, nothing that was proved.
"""

from typing import Protocol

from controller.azure import AppRef
from controller.catalog import Catalog
from controller.errors import GitslotError, ManifestInvalid, UnknownVersion
from controller.state import STAGING, Health, Mark, Place, Policy, Release, Verdict
from controller.verify import Asks, Proof, prove


class Keys(Protocol):
    """What a proof needs of ARM."""

    def function_key(self, app: AppRef, slot: str) -> str: ...


class Prover:
    """Replays golden rows. One instance lives as long as the process."""

    def __init__(self, azure: Keys, catalog: Catalog, asks: Asks, policy: Policy) -> None:
        self._azure, self._catalog = azure, catalog
        self._asks, self._policy = asks, policy
        self._keys: dict[tuple[AppRef, str], str] = {}
        self._wanting: set[tuple[AppRef, str]] = set()  # a rehearsal was asked for a key

    def verdict(
        self, ref: AppRef, place: Place, release: Release, budget_ms: float | None
    ) -> Verdict | None:
        """
        Return how *place* proved *release*, or None where it does not serve what it is set to.

        *budget_ms* is None where latency does not decide. Raises RegistryUnavailable.
        """
        arm, health = place.slot.arm, place.slot.health
        if arm is None or not health.serves(release) or health.deploy != arm.configured.deploy:
            return None
        try:
            manifest = self._catalog.manifest(release.model, release.version)
        except (UnknownVersion, ManifestInvalid) as error:
            return Verdict(Mark.INCONCLUSIVE, error.message, error.reason)
        if manifest.digest != release.digest:
            text = f"the registry holds {release} with another digest than {place.name} serves"
            return Verdict(Mark.FAIL, text, "DigestMismatch")
        proof = Proof(arm.host, release, health.deploy, manifest, budget_ms, place.name)
        return prove(
            self._asks,
            proof,
            lambda: self._fetched(ref, place.name),
            self._policy,
            health_only=health.verify == "health",
        )

    def rehearsed(self, ref: AppRef, host: str, release: Release, health: Health) -> Verdict:
        """Return how staging at *host* proves *release* now. ARM is not asked."""
        try:
            manifest = self._catalog.manifest(release.model, release.version)
        except GitslotError as error:
            return Verdict(Mark.INCONCLUSIVE, error.message, error.reason)

        def key() -> str:
            self._wanting.add((ref, STAGING))
            return self._keys.get((ref, STAGING), "")

        proof = Proof(host, release, health.deploy, manifest)
        health_only = health.verify == "health"
        return prove(self._asks, proof, key, self._policy, health_only=health_only)

    def provide(self, ref: AppRef) -> None:
        """Fetch the key that a rehearsal has lacked; for a look that asks ARM anyway."""
        lacking = (ref, STAGING) in self._wanting and not self._keys.get((ref, STAGING))
        if lacking:
            self._fetched(ref, STAGING)

    def _fetched(self, ref: AppRef, slot: str) -> str:
        try:
            self._keys[ref, slot] = self._azure.function_key(ref, slot)
        except GitslotError:
            return ""  # the path stays blocked, which is inconclusive
        return self._keys[ref, slot]
