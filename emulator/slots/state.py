"""
What Azure stores of a function app and its slots, and how a swap changes it.

Pure values and functions. A slot holds *content* (``deployment_id``, the settings that are not
sticky, the running process) and things that stay with the slot (sticky settings, keys, host name,
identity). A swap exchanges the content.
Source: https://learn.microsoft.com/azure/app-service/deploy-staging-slots
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

PRODUCTION = "production"
EMPTY: Mapping[str, str] = MappingProxyType({})
OVERRIDE_DEFAULT_STICKY = "WEBSITE_OVERRIDE_PRESERVE_DEFAULT_STICKY_SLOT_SETTINGS"
CONTENT_SHARE, SHARE_ACCOUNT = "WEBSITE_CONTENTSHARE", "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING"
# Of diagnostic settings, which no swap moves, "even if they don't show up as slot settings".
RETENTION = ("WEBSITE_HTTPLOGGING_RETENTION_DAYS", "DIAGNOSTICS_AZUREBLOBRETENTIONDAYS")


@dataclass(frozen=True, slots=True)
class SwapStatus:
    """The last swap that a slot took part in (``slotSwapStatus``)."""

    time: str
    source: str
    destination: str


@dataclass(frozen=True, slots=True)
class Keys:
    """Host keys of a slot; they stay with the slot."""

    master: str
    function: str


@dataclass(frozen=True, slots=True)
class UserIdentity:
    """A user-assigned identity: *principal* is its object id, *client* its client id."""

    name: str
    location: str
    principal: str
    client: str


@dataclass(frozen=True, slots=True)
class Slot:
    """One deployment slot, production included."""

    name: str  # as shown: "Production" or the name it was created with
    deployment_id: str  # moves with the content
    settings: Mapping[str, str]
    keys: Keys
    identity_header: str
    principal: str
    https_port: int
    http_port: int
    modified: float  # unix seconds
    running: bool = True
    linux_fx: str = ""  # moves with the content
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)  # stay with the slot
    # own settings while another slot's sticky ones are applied
    set_aside: Mapping[str, str] | None = None
    prepared_with: str | None = None  # key of the other slot of a swap that was previewed or failed
    swapping_into: str | None = None  # on the source only
    last_swap: SwapStatus | None = None
    operation: str | None = None  # inProgressOperationId
    https_only: bool = False
    min_tls: str = "1.2"  # like httpsOnly a protocol setting, which stays with the slot
    ftps: str = "FtpsOnly"
    scm_port: int = 0  # 0 if nothing listens
    publishing_password: str = ""
    scm_basic_auth: bool = False  # basicPublishingCredentialsPolicies/scm
    system_identity: bool = True
    identities: tuple[str, ...] = ()  # user-assigned, by lower-case name; they stay with the slot
    vault_reader: str = "SystemAssigned"  # keyVaultReferenceIdentity; kept and shown, never used
    package: str = ""  # the uploaded one, by its name in Packages; moves with the content

    @property
    def key(self) -> str:
        return self.name.lower()

    @property
    def host(self) -> str:
        return f"localhost:{self.https_port}"

    @property
    def scm_host(self) -> str:
        """Return the host of the slot's Kudu, as in hostNameSslStates."""
        return f"localhost:{self.scm_port}"


@dataclass(frozen=True, slots=True)
class Site:
    """A function app with its slots, keyed by lower-case name."""

    name: str
    location: str
    kind: str
    plan: str  # resource id
    slots: Mapping[str, Slot]
    sticky: tuple[str, ...] | None = None  # appSettingNames
    sticky_connections: tuple[str, ...] | None = None
    sticky_storage: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        return self.name.lower()

    @property
    def production(self) -> Slot:
        return self.slots[PRODUCTION]

    def with_slots(self, *slots: Slot) -> "Site":
        """Return the site with *slots*, which replace those of the same name."""
        return replace(self, slots={**self.slots, **{slot.key: slot for slot in slots}})

    def without(self, key: str) -> "Site":
        return replace(self, slots={k: slot for k, slot in self.slots.items() if k != key})


@dataclass(frozen=True, slots=True)
class Failure:
    """How a long-running operation failed: the answer to its poll."""

    status: int
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Operation:
    """A swap under way or ended."""

    id: str
    site: str
    source: str
    target: str
    caller: str
    created: float
    flipped: bool = False
    ended: bool = False
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    name: str
    location: str
    sku: str
    tier: str
    kind: str
    capacity: int = 1
    burst: int = 1  # maximumElasticWorkerCount: a plan that was given none never scales out


def is_sticky(name: str, names: Iterable[str], settings: Mapping[str, str]) -> bool:
    """
    Return whether the setting *name* stays with its slot.

    Those ending in ``_EXTENSION_VERSION``, and diagnostics' own, do unless the slot overrides it.
    """
    if name.lower() in {sticky.lower() for sticky in names}:
        return True
    default = name.upper().endswith("_EXTENSION_VERSION") or name.upper() in RETENTION
    return default and settings.get(OVERRIDE_DEFAULT_STICKY) != "0"


def collisions(site: Site, key: str) -> Mapping[str, tuple[str, ...]]:
    """Return what the slot *key* has in common with others, and with which of them."""
    all_ = {other: _owned(site, slot) for other, slot in site.slots.items()}
    mine = {what: own for what, own in all_.pop(key).items() if own}
    found = {what: tuple(k for k in all_ if all_[k][what] == own) for what, own in mine.items()}
    return {what: others for what, others in found.items() if others}


def _owned(site: Site, slot: Slot) -> Mapping[str, str]:
    """As in ScriptHostIdProvider.cs of azure-functions-host, which checks only ids that it cut."""
    full = site.name if slot.key == PRODUCTION else f"{site.name}-{slot.name}"
    named = value(slot.settings, "AzureFunctionsWebHost__hostid") or len(full) <= 32
    cut = "" if named else full[:32].lower()
    return {"content share": value(slot.settings, CONTENT_SHARE).lower(), "host id": cut}


def value(settings: Mapping[str, str], name: str) -> str:
    """Return the setting *name*, whatever its case; empty where there is none."""
    return next((v for k, v in settings.items() if k.upper() == name.upper()), "")


def merge(
    content: Mapping[str, str], place: Mapping[str, str], sticky: Iterable[str]
) -> Mapping[str, str]:
    """Return the settings of *content* that move, and those of *place* that stay."""
    names = tuple(sticky)
    moving = {k: v for k, v in content.items() if not is_sticky(k, names, content)}
    staying = {k: v for k, v in place.items() if is_sticky(k, names, place)}
    return {**moving, **staying}


def prepare(site: Site, source: str, target: str, now: float) -> Site:
    """
    Apply *target*'s sticky settings to *source*: the first step of a swap, all of a preview.

    Both slots are marked, so that their settings cannot be changed.
    """
    one, two = site.slots[source], site.slots[target]
    if one.set_aside is not None:
        return site
    one = replace(
        one,
        settings=merge(one.settings, two.settings, site.sticky or ()),
        set_aside=one.settings,
        prepared_with=target,
        swapping_into=two.name,
        modified=now,
    )
    return site.with_slots(one, replace(two, prepared_with=source))


def put_back(site: Site, source: str, now: float) -> Site:
    """Give *source* its own settings back; the mark on both slots stays until a reset."""
    one = site.slots[source]
    if one.set_aside is None:
        return site
    return site.with_slots(replace(one, settings=one.set_aside, set_aside=None, modified=now))


def reset(site: Site, key: str, now: float) -> Site:
    """Cancel the prepared swap that the slot *key* takes part in, as source or target."""
    partner = site.slots[key].prepared_with
    for name in (key, partner):
        if name is not None and name in site.slots:
            site = put_back(site, name, now)
            slot = replace(site.slots[name], prepared_with=None, swapping_into=None)
            site = site.with_slots(slot)
    return site


def flip(site: Site, source: str, target: str, status: SwapStatus, now: float) -> Site:
    """Exchange the content of *source* and *target*: the moment of a swap that users see."""
    one, two = site.slots[source], site.slots[target]
    own = one.settings if one.set_aside is None else one.set_aside
    sticky = site.sticky or ()
    here, there = merge(two.settings, own, sticky), merge(one.settings, two.settings, sticky)
    source_slot = _moved(one, two, here, status, now)
    source_slot = replace(source_slot, set_aside=None, swapping_into=None)
    return site.with_slots(source_slot, _moved(two, one, there, status, now))


def _moved(
    place: Slot, content: Slot, settings: Mapping[str, str], status: SwapStatus, now: float
) -> Slot:
    """Return the slot *place* with the content of another, and the *settings* of both."""
    return replace(
        place,
        deployment_id=content.deployment_id,
        linux_fx=content.linux_fx,
        package=content.package,
        settings=settings,
        prepared_with=None,
        last_swap=status,
        modified=now,
    )


def mark(site: Site, keys: Iterable[str], operation: str | None) -> Site:
    """Set or clear ``inProgressOperationId`` on the slots *keys*."""
    present = [site.slots[key] for key in keys if key in site.slots]
    return site.with_slots(*(replace(slot, operation=operation) for slot in present))


def busy(site: Site) -> str | None:
    """Return the id of the operation that runs on *site* and blocks changes, if any."""
    return next((slot.operation for slot in site.slots.values() if slot.operation), None)


def warmup(settings: Mapping[str, str]) -> tuple[str, frozenset[int]]:
    """
    Return the warm-up ping's path and accepted statuses from *settings*; no statuses means any.

    Source: WEBSITE_SWAP_WARMUP_PING_PATH and _STATUSES in
    https://learn.microsoft.com/azure/app-service/reference-app-settings
    """
    path = settings.get("WEBSITE_SWAP_WARMUP_PING_PATH", "").strip() or "/"
    words = settings.get("WEBSITE_SWAP_WARMUP_PING_STATUSES", "").replace(";", ",").split(",")
    statuses = frozenset(int(word) for word in map(str.strip, words) if word.isdigit())
    return (path if path.startswith("/") else f"/{path}"), statuses
