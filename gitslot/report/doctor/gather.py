"""
Gather the facts for `doctor.checks`: each question is asked once, and no answer is fatal.

A fact that cannot be read becomes a Doubt in its place. Nothing is written, except that `ground`
takes one lease on an empty blob of its own in the controller's container.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from azure.core.credentials import TokenCredential

from gitslot.edges import settings as settings_
from gitslot.edges.azure.arm import AppRef
from gitslot.edges.settings import Settings, is_unresolved
from gitslot.errors import GitslotError, NotFound, SettingsError
from gitslot.http.client import Http
from gitslot.look.probe import Prober
from gitslot.look.wanted import Catalog
from gitslot.record.blobs import AzureBlobs, Blobs
from gitslot.registry.registry import CONTAINERS, GITSLOT, Registry
from gitslot.report import snapshot
from gitslot.report.doctor.arm import Survey
from gitslot.report.doctor.facts import NOT_READ, AppFacts, Ground, SlotFacts
from gitslot.state.seen import Answer, Health
from gitslot.state.wanted import (
    PRODUCTION,
    STAGING,
    App,
    Desired,
    Doubt,
    Refusal,
    Resolved,
    Revision,
    Wanted,
)
from gitslot.world import World, open_world

T = TypeVar("T")

LEASE = "doctor/lease"
_SHARED = {
    "GITSLOT_REPO": "repository",
    "GITSLOT_REF": "ref",
    "GITSLOT_FILE": "file",
    "GITSLOT_STORAGE": "storage",
    "GITSLOT_ARM": "arm",
}


@dataclass(frozen=True, slots=True)
class Examiner:
    """
    Ask each question once.

    *flaw* is the error in the settings; *reopen* makes a world from other settings;
    *controller* is the controller's own app, if it was named.
    """

    settings: Settings
    world: World
    survey: Survey
    registry: Registry
    blobs: Blobs
    probes: Prober
    reopen: Callable[[Settings], World]
    flaw: str = ""
    controller: AppFacts | None = None

    def ground(self) -> Ground:
        """Return the facts that all apps share."""
        newest, desired, untrusted = self._wanted()
        containers, skew_s = self._containers()
        lease = self._lease(containers)
        found = Ground(
            self.settings, self.flaw, newest, desired, untrusted, containers, skew_s, lease
        )
        now = self.world.clock.now()
        amiss = read(lambda: tuple(snapshot.amiss(snapshot.read_all(self.blobs), now)))
        found = replace(found, amiss=((amiss.message, ""),) if isinstance(amiss, Doubt) else amiss)
        if self.settings.local:
            return found
        return replace(found, kept=read(lambda: self.survey.kept(self.settings.storage)))

    def _wanted(self) -> tuple[Revision | Doubt, Desired | Doubt, Mapping[str, Doubt]]:
        wants = self.world.wants
        desired = wants.desired()
        if desired.revision is None:
            assert isinstance(desired, Doubt)
            return desired, desired, {}
        parsed = {} if isinstance(desired, Doubt) else desired.apps
        judged = {name: wants.app(name, desired) for name in parsed}
        untrusted = {
            name: found
            for name, found in judged.items()
            if isinstance(found, Doubt) and found != parsed[name]
        }
        return desired.revision, desired, untrusted

    def _containers(self) -> tuple[Mapping[str, bool | Doubt], float | None]:
        found: dict[str, bool | Doubt] = {}
        skew: float | None = None
        for name in CONTAINERS:
            answer = read(partial(self.registry.container, name))
            if isinstance(answer, Doubt):
                found[name] = answer
                continue
            found[name], theirs = answer
            if theirs is not None:
                skew = (self.world.clock.now() - theirs).total_seconds()
        return found, skew

    def _lease(self, containers: Mapping[str, bool | Doubt]) -> Doubt | None:
        """Take a lease and release it, on a blob that nothing else uses."""
        if containers.get(GITSLOT) is not True:
            return Doubt("NotTried", "not tried: no container `gitslot` was found")

        def take() -> None:
            lease = self.blobs.acquire(LEASE)
            if lease is None:  # left by a doctor that was interrupted
                self.blobs.break_lease(LEASE)
            else:
                self.blobs.release(LEASE, lease)

        return read(take)

    def ruled_by(self, controller: str) -> "Examiner":
        """
        Return an examiner that goes by what guards and paces the function app *controller*, and
        knows that app.

        The addresses of Git and storage stay those of the environment: the app's token may be a
        reference that does not work on this machine. Raises AzureError if the app cannot be read.
        """
        ref = self.survey.locate(controller, None, None)
        given = self.survey.settings(ref, PRODUCTION)
        silent = Health(Answer.SILENT, detail="not asked")
        own = SlotFacts(
            PRODUCTION, self.survey.site(ref, PRODUCTION)[0], given, NOT_READ, NOT_READ, silent
        )
        app = AppFacts(ref.name, ref, (own,), store=self.settings.storage)
        try:
            theirs = settings_.read(given)
        except SettingsError as error:
            flaw = "; ".join(filter(None, (self.flaw, error.message)))
            return replace(self, flaw=flaw, controller=app)
        ours = {field: getattr(self.settings, field) for field in _SHARED.values()}
        differing = [
            f"{name} is not what {ref.name} has"
            for name, field in _SHARED.items()
            if ours[field] != getattr(theirs, field)
        ]
        guards = ("schedule", "suspend", "observe", "vouch", "allowed_apps", "on_rewrite")
        settings = replace(self.settings, **{name: getattr(theirs, name) for name in guards})
        flaw = "; ".join(filter(None, (self.flaw, *differing)))
        world = self.reopen(settings)
        return replace(self, settings=settings, world=world, flaw=flaw, controller=app)

    # ------------------------------------------------------------ one app

    def app(
        self,
        name: str,
        block: App | None = None,
        *,
        resource_group: str | None = None,
        subscription: str | None = None,
        every_slot: bool = False,
    ) -> AppFacts:
        """
        Return the facts of the app *name*; *block* is its block of the file.

        Without a block, the registry is asked about the releases that are served, not about those
        that are wanted. *every_slot* includes slots that the file does not name.
        """
        group = block.resource_group if block else resource_group
        facts = AppFacts(
            name=name,
            place=read(
                lambda: self.survey.locate(
                    name, group, block.subscription if block else subscription
                )
            ),
            memory=read(lambda: self.world.journal.memory(name, self.world.clock.now())),
            store=self.settings.storage,
            local=self.settings.local,
            wanted=self._resolved(block.model, block.slots) if block else {},
        )
        ref = facts.place
        if isinstance(ref, Doubt):
            return facts
        there = read(lambda: self.survey.slots(ref))
        existing = () if isinstance(there, Doubt) else there
        asked = [PRODUCTION, STAGING, *(block.further if block else ())]
        if every_slot:
            asked += [each for each in existing if each not in asked]
        slots = tuple(self._slot(ref, each) for each in asked)
        others = tuple(each for each in existing if each not in asked)
        sticky = read(lambda: self.survey.sticky_names(ref))
        wanted = facts.wanted if block else self._served(slots)
        found = replace(
            facts, name=ref.name, slots=slots, others=others, sticky=sticky, wanted=wanted
        )
        plan = next((site.plan for _, site in found.sites if site.plan), "")
        return self._sized(found, ref, plan) if plan else found

    def size(self, name: str, ref: AppRef, wanted: Resolved) -> AppFacts:
        """Return what the check of memory needs, where production shall serve *wanted*."""
        existing = read(lambda: self.survey.slots(ref))
        site = read(lambda: self.survey.site(ref, PRODUCTION))
        others = (PRODUCTION, *(() if isinstance(existing, Doubt) else existing))
        facts = AppFacts(name, ref, others=others, wanted={PRODUCTION: wanted})
        if isinstance(site, Doubt):
            return replace(facts, sku=site)
        return self._sized(facts, ref, site[0].plan)

    def _sized(self, facts: AppFacts, ref: AppRef, plan: str) -> AppFacts:
        found = read(lambda: self.survey.plan(ref, plan))
        sku, burst = (found, 0) if isinstance(found, Doubt) else found
        return replace(facts, sku=sku, burst=burst)

    def _slot(self, ref: AppRef, name: str) -> SlotFacts:
        site = read(lambda: self.survey.site(ref, name))
        if isinstance(site, Doubt):
            silent = Health(Answer.SILENT, detail="its host is not known")
            return SlotFacts(name, site, NOT_READ, NOT_READ, NOT_READ, silent)
        settings = read(lambda: self.survey.settings(ref, name))
        refers = not isinstance(settings, Doubt) and any(map(is_unresolved, settings.values()))
        return SlotFacts(
            name,
            site[0],
            settings,
            read(lambda: self.survey.config(ref, name)),
            read(lambda: self.survey.functions(ref, name)),
            self.probes.health(site[1]),
            read(lambda: self.survey.passwords(ref, name)),
            read(lambda: self.survey.references(ref, name)) if refers else {},
        )

    def _resolved(
        self, model: str, wanted: Mapping[str, Wanted]
    ) -> dict[str, Resolved | Refusal | Doubt]:
        catalog = Catalog(self.registry)
        return {slot: read(partial(catalog.resolve, model, each)) for slot, each in wanted.items()}

    def _served(self, slots: tuple[SlotFacts, ...]) -> dict[str, Resolved | Refusal | Doubt]:
        found: dict[str, Resolved | Refusal | Doubt] = {}
        for slot in slots:
            if release := slot.health.release:
                wanted = {slot.name: Wanted(release.version, release.digest)}
                found |= self._resolved(release.model, wanted)
        return found


def read(ask: Callable[[], T]) -> T | Doubt:
    """Return the result of *ask*, or the reason why there is none."""
    try:
        return ask()
    except NotFound as error:
        return Doubt("NotFound", error.message)
    except GitslotError as error:
        return Doubt(error.reason, error.message)
    except Exception as error:  # noqa: BLE001 - one failed question must not hide the other answers
        return Doubt("Unreadable", f"the answer cannot be used: {type(error).__name__}")


def open_examiner(
    settings: Settings, token_credential: TokenCredential, flaw: str = ""
) -> Examiner:
    """Create everything that a check-up needs, without a call to the outside."""
    http = Http()

    def silent(settings: Settings) -> World:
        return open_world(settings, token_credential, tell=lambda _: None, http=http)

    return Examiner(
        settings=settings,
        world=silent(settings),
        reopen=silent,
        survey=Survey(settings.arm, token_credential, http),
        registry=Registry(settings.storage, token_credential, http),
        blobs=AzureBlobs(settings.storage, token_credential, http),
        probes=Prober(http),
        flaw=flaw,
    )
