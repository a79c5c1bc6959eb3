"""
The settings of a slot: which are ours, what a deploy writes, what a swap would carry along.

Pure. The dictionaries hold secrets of the app, so only *names* ever leave this module in a message.
"""

from collections.abc import Mapping

from gitslot.state.seen import Configured
from gitslot.state.wanted import Release

RELEASE_SETTINGS = ("MODEL_NAME", "MODEL_VERSION", "MODEL_DEPLOY", "MODEL_STORE")
PACKAGE_SETTING = "WEBSITE_RUN_FROM_PACKAGE"
# By default the platform counts any status, even a 500, as warm.
# https://learn.microsoft.com/azure/app-service/deploy-staging-slots#specify-custom-warm-up
WARMUP_SETTINGS: Mapping[str, str] = {
    "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health",
    "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
    "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG": "1",
}
OURS = frozenset((*RELEASE_SETTINGS, PACKAGE_SETTING, *WARMUP_SETTINGS))
CONTENT_SHARE = "WEBSITE_CONTENTSHARE"
HOST_ID = "AzureFunctionsWebHost__hostid"
# Settings of one slot's files, host or logs: a deploy leaves each slot its own. A swap moves the
# first three with the content, a share with its files, and leaves the others (page as above).
SLOT_OWNED = (
    CONTENT_SHARE,  # CompositionalIT/farmer#1090, Azure/Azure-Functions#2664
    "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING",  # the account that the share is in
    HOST_ID,  # Azure/azure-functions-host#10650, #8122
    *("WEBSITE_HTTPLOGGING_RETENTION_DAYS", "DIAGNOSTICS_AZUREBLOBRETENTIONDAYS"),
)
_OWNED = frozenset(map(str.lower, SLOT_OWNED))


def configured(settings: Mapping[str, str]) -> Configured:
    """Read the release that *settings* name; MODEL_VERSION may be pinned or not."""
    version, _, digest = settings.get("MODEL_VERSION", "").partition("@sha256:")
    return Configured(
        model=settings.get("MODEL_NAME", ""),
        version=version,
        digest=digest,
        deploy=settings.get("MODEL_DEPLOY", ""),
        package=settings.get(PACKAGE_SETTING, ""),
    )


def is_url(package: str) -> bool:
    """Say whether a slot runs its code from a URL, which travels with its settings."""
    return package.startswith("https://")


def value_of(settings: Mapping[str, str], name: str) -> str:
    """Return the setting *name*, which Azure finds in any case; empty where there is none."""
    return next((v for k, v in settings.items() if k.lower() == name.lower()), "")


def share_content(production: Mapping[str, str], slot: Mapping[str, str]) -> bool:
    """
    Say whether both slots name the same content share: what one is sent the other runs.

    Code from a URL does not make it harmless: production stopped before anything was deployed to a
    slot born so (Azure/Azure-Functions#2664), and swaps failed (MicrosoftDocs/azure-docs#36458).
    """
    share = value_of(production, CONTENT_SHARE).lower()
    return bool(share) and share == value_of(slot, CONTENT_SHARE).lower()


def _keeps(name: str, sticky: frozenset[str]) -> bool:
    return name in sticky or name.lower() in _OWNED


def _others(settings: Mapping[str, str], sticky: frozenset[str]) -> dict[str, str]:
    return {k: v for k, v in settings.items() if k not in OURS and not _keeps(k, sticky)}


def differences(
    production: Mapping[str, str], staging: Mapping[str, str], sticky: frozenset[str]
) -> tuple[str, ...]:
    """Name the settings, not ours and not sticky, that a swap would change on production."""
    ours, theirs = _others(production, sticky), _others(staging, sticky)
    return tuple(sorted(k for k in ours.keys() | theirs.keys() if ours.get(k) != theirs.get(k)))


def missing_warmup(settings: Mapping[str, str]) -> tuple[str, ...]:
    """Name the settings that *settings* lack to keep a broken slot from counting as warm."""
    return tuple(sorted(k for k, v in WARMUP_SETTINGS.items() if settings.get(k) != v))


def sticky_release(sticky: frozenset[str]) -> tuple[str, ...]:
    """Name the release settings that a swap would leave behind."""
    return tuple(sorted(sticky & {*RELEASE_SETTINGS, PACKAGE_SETTING}))


def staging_settings(
    production: Mapping[str, str],
    staging: Mapping[str, str],
    sticky: frozenset[str],
    *,
    release: Release,
    deploy: str,
    package: str,
    store: str,
) -> dict[str, str]:
    """
    Build the dictionary that a deploy puts on staging.

    It is production's, so that the swap changes the release alone; the slot's own sticky values
    stay, because a swap leaves them where they are, and so does what else the slot owns.
    """
    target = {k: v for k, v in production.items() if not _keeps(k, sticky)}
    target |= {k: v for k, v in staging.items() if _keeps(k, sticky)}
    target |= WARMUP_SETTINGS
    target |= {
        "MODEL_NAME": release.model,
        "MODEL_VERSION": release.setting,
        "MODEL_DEPLOY": deploy,
        "MODEL_STORE": store,
    }
    if package:
        target[PACKAGE_SETTING] = package
    return target
