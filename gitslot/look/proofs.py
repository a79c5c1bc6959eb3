"""
Proofs as part of a look: golden rows through a slot, with the slot's own key where it asks for one.

What is kept between looks is keys and whose turn it is, nothing that was proved.
"""

from functools import partial

from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.errors import (
    AzureError,
    AzureUnavailable,
    GitslotError,
    ManifestInvalid,
    UnknownVersion,
)
from gitslot.look.golden_rows import Asks, Proof, Turn, is_refused, prove
from gitslot.look.wanted import Catalog
from gitslot.registry.manifest import Manifest
from gitslot.state.policy import Policy
from gitslot.state.seen import Health, Mark, Seen, Verdict
from gitslot.state.wanted import STAGING, Release


def _differs(manifest: Manifest, release: Release, slot: str) -> Verdict | None:
    if manifest.digest == release.digest:
        return None
    text = f"the registry holds {release} with another digest than {slot} serves"
    return Verdict(Mark.FAIL, text, "DigestMismatch")


class Prover:
    """Replays golden rows. One instance lives as long as the process."""

    def __init__(self, azure: Azure, catalog: Catalog, asks: Asks, policy: Policy) -> None:
        self._azure, self._catalog = azure, catalog
        self._asks, self._policy = asks, policy
        self._keys: dict[tuple[AppRef, str], str] = {}
        self._asked: set[AppRef] = set()  # a rehearsal there was asked for a key
        self._tried: dict[AppRef, str] = {}  # and ARM for that key: why it gave none, or ""
        self._turns: dict[AppRef, Turn] = {}
        self._refused: dict[AppRef, str] = {}  # the key of staging that production has refused

    def verdict(
        self, ref: AppRef, slot: Seen, release: Release, budget_ms: float | None
    ) -> Verdict | None:
        """
        Return how *slot* proved *release*, or None where it does not serve what it is set to.

        *budget_ms* is None where latency does not decide. Raises RegistryUnavailable.
        """
        arm, health = slot.arm, slot.health
        if arm is None or not health.serves(release) or health.deploy != arm.configured.deploy:
            return None
        try:
            manifest = self._catalog.manifest(release.model, release.version, anew=True)
        except (UnknownVersion, ManifestInvalid) as error:
            return Verdict(Mark.INCONCLUSIVE, error.message, error.reason)
        if differs := _differs(manifest, release, slot.name):
            return differs
        proof = Proof(arm.host, release, health.deploy, manifest, budget_ms, slot.name)
        key, health_only = partial(self._fetched, ref, slot.name), health.verify == "health"
        return prove(self._asks, proof, key, self._policy, health_only=health_only)

    def rehearsed(self, ref: AppRef, host: str, release: Release, health: Health) -> Verdict:
        """Return how staging at *host* proves *release* now. ARM is not asked."""
        try:
            manifest = self._catalog.manifest(release.model, release.version, anew=True)
        except GitslotError as error:
            return Verdict(Mark.INCONCLUSIVE, error.message, error.reason)
        if differs := _differs(manifest, release, STAGING):
            return differs

        def key() -> str:
            self._asked.add(ref)
            return self._keys.get((ref, STAGING), "")

        turn = self._turns.setdefault(ref, Turn())
        proof = Proof(host, release, health.deploy, manifest, turn=turn)
        health_only = health.verify == "health"
        verdict = prove(self._asks, proof, key, self._policy, health_only=health_only)
        refused = self._tried.get(ref, "")
        if verdict.mark is Mark.INCONCLUSIVE and refused and not self._keys.get((ref, STAGING)):
            text = f"POST /api/predict asks for a key, and ARM does not give it: {refused}"
            return Verdict(Mark.FAIL, text, "KeyRefused")
        return verdict

    def refuses_users(self, ref: AppRef, host: str, release: Release) -> bool | None:
        """
        Return whether production at *host* refuses a golden row with staging's key; None: unclear.

        On Linux a process that a swap moved may go by its old slot's name, and use its keys
        (azure-functions-host#8999, #7710): users get 401 unless both slots have the same key, then
        staging's. Production's own would show no more: ARM asks that process, which answers with
        the wrong slot's; and the role would disclose the master key. Such a process accepts
        staging's key, so what was refused once counts until that key changes.
        """
        try:
            manifest = self._catalog.manifest(release.model, release.version)
        except GitslotError:
            return None
        where, known = (ref, STAGING), self._keys.get((ref, STAGING), "")

        def key() -> str:
            return self._keys.get(where) or self._fetched(*where)

        refused = is_refused(self._asks, host, manifest, key)
        if refused and known and self._fetched(*where) != known:  # it was changed meanwhile
            refused = is_refused(self._asks, host, manifest, key)
        if refused:
            self._refused[ref] = self._keys[where]
        same = ref in self._refused and self._refused[ref] == self._keys.get(where)
        return True if same and refused is False else refused

    def lacks(self, ref: AppRef) -> bool:
        """Return whether a rehearsal was asked for a key for which ARM has not been asked yet."""
        return ref in self._asked and ref not in self._tried and not self._keys.get((ref, STAGING))

    def provide(self, ref: AppRef) -> None:
        """Fetch the key that a rehearsal has lacked; for a look that asks ARM anyway."""
        if ref in self._asked and not self._keys.get((ref, STAGING)):
            self._tried[ref] = ""
            self._fetched(ref, STAGING)

    def _fetched(self, ref: AppRef, slot: str) -> str:
        try:
            self._keys[ref, slot] = self._azure.function_key(ref, slot)
        except AzureUnavailable:
            return ""  # the path stays blocked, which is inconclusive
        except AzureError as error:
            self._tried[ref] = error.message
            return ""
        return self._keys[ref, slot]
