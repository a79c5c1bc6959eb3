"""
Read the controller's settings from the environment; report everything that is missing at once.

The guards of the watched file are settings, never keys of the file itself.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gitslot.edges.git.hosts import HOSTS, host_of
from gitslot.errors import SettingsError
from gitslot.state.policy import Policy

if TYPE_CHECKING:
    from gitslot.edges.git.signed_changes import Rule

PUBLIC_ARM = "https://management.azure.com"
FILE = "desired_state.yaml"
TOKENS = ("GITSLOT_GIT_TOKEN", "GITSLOT_GIT_TOKEN_OLD")
SCHEDULE = "*/10 * * * * *"  # six fields, seconds first: Git is asked each ten seconds
AZURE_POLICY = Policy()
# The same rules where a restart takes a second: shorter waits, and a faster lock.
LOCAL_POLICY = Policy(
    poll_s=0.2,
    survey_s=1.0,
    rest_s=1.0,
    long_rest_s=5.0,
    arm_reuse_s=1.0,
    arm_stop_s=5.0,
    busy_wait_s=30.0,
    rehearse_s=20.0,
    lock_renew_s=1.0,
    lock_write_s=2.0,
    lock_stale_s=3.0,
)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Where Git, storage and ARM are, and what guards them.

    *vouch* is None if signatures are not required. *git_tokens* and *webhook_secrets* are kept out
    of every repr; any of them may be the one that is valid.
    """

    repository: str
    storage: str
    ref: str = "main"
    file: str = FILE
    arm: str = PUBLIC_ARM
    schedule: str = SCHEDULE
    git_host: str = "github"
    git_user: str = ""
    git_tokens: "tuple[Secret, ...]" = ()
    webhook_secrets: "tuple[Secret, ...]" = ()
    alert_url: "tuple[Secret, ...]" = ()  # none or one: whoever has it may post there
    on_rewrite: str = "freeze"
    suspend: str = ""
    observe: bool = False
    vouch: "Rule | None" = None
    allowed_apps: frozenset[str] = frozenset()
    policy: Policy = AZURE_POLICY
    local: bool = False
    controller: str = "gitslot"  # the name of its own app
    start: str = ""  # the line that starts it


class Secret:
    """A text that no repr or log shows."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text, for the one header that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__


def read(environ: Mapping[str, str]) -> Settings:
    """
    Read the settings from *environ*.

    Raises one SettingsError that names every missing or malformed setting.
    """
    wrong = [
        f"{name} is an unresolved Key Vault reference: give the app's identity the role Key Vault "
        "Secrets User on the vault, and check the secret's name"
        for name, value in sorted(environ.items())
        if name.startswith("GITSLOT_") and is_unresolved(value)
    ]
    local = environ.get("GITSLOT_PROFILE", "azure") == "local"

    def need(name: str, what: str) -> str:
        value = environ.get(name, "").strip()
        if not value:
            wrong.append(f"{name} is missing: {what}")
        return value

    repository = need("GITSLOT_REPO", "an https URL or a path of the Git repository")
    storage = need(
        "GITSLOT_STORAGE", "the storage account, https://<account>.blob.core.windows.net"
    )
    if repository and not _is_repository(repository):
        wrong.append("GITSLOT_REPO must be an https URL without user or password, or a path")
    if storage and not is_https(storage):
        wrong.append("GITSLOT_STORAGE must be an https URL without query")
    arm = environ.get("GITSLOT_ARM", "").strip() or PUBLIC_ARM
    if not is_https(arm):
        wrong.append("GITSLOT_ARM must be an https URL without query")
    profile = environ.get("GITSLOT_PROFILE", "azure")
    if profile not in ("azure", "local"):
        wrong.append("GITSLOT_PROFILE must be azure or local")
    on_rewrite = environ.get("GITSLOT_ON_REWRITE", "follow" if local else "freeze")
    if on_rewrite not in ("freeze", "follow"):
        wrong.append("GITSLOT_ON_REWRITE must be freeze or follow")
    mode = environ.get("GITSLOT_MODE", "").strip() or "reconcile"
    if mode not in ("reconcile", "observe"):
        wrong.append("GITSLOT_MODE must be reconcile or observe")
    require_pin = environ.get("GITSLOT_REQUIRE_PIN", "").strip() or "off"
    if require_pin not in ("on", "off"):
        wrong.append("GITSLOT_REQUIRE_PIN must be on or off")
    ref = environ.get("GITSLOT_REF", "").strip() or "main"
    if not is_ref(ref):
        wrong.append("GITSLOT_REF must be a branch or a full ref name")
    file = environ.get("GITSLOT_FILE", "").strip().rstrip("/") or FILE
    if not is_inside(file):
        wrong.append("GITSLOT_FILE must be a path inside the repository")
    git_host = environ.get("GITSLOT_GIT_HOST", "").strip() or host_of(repository)
    if git_host not in HOSTS:
        wrong.append(f"GITSLOT_GIT_HOST must be one of {', '.join(HOSTS)}")
    if ":" in environ.get("GITSLOT_GIT_USER", ""):
        wrong.append("GITSLOT_GIT_USER must not hold a colon")
    alert_url = _alert_url(environ, wrong)
    vouch = _vouch(environ, repository, wrong)
    if wrong:
        raise SettingsError("; ".join(wrong))
    return Settings(
        repository=repository,
        storage=storage.rstrip("/"),
        ref=ref,
        file=file,
        arm=arm.rstrip("/"),
        schedule=environ.get("GITSLOT_SCHEDULE", "").strip() or SCHEDULE,
        git_host=git_host,
        git_user=environ.get("GITSLOT_GIT_USER", "").strip() or HOSTS[git_host].user,
        git_tokens=_secrets(environ, "GITSLOT_GIT_TOKEN"),
        webhook_secrets=_secrets(environ, "GITSLOT_WEBHOOK_SECRET"),
        alert_url=alert_url,
        on_rewrite=on_rewrite,
        suspend=environ.get("GITSLOT_SUSPEND", "").strip(),
        observe=mode == "observe",
        vouch=vouch,
        allowed_apps=frozenset(environ.get("GITSLOT_APPS", "").lower().replace(",", " ").split()),
        policy=replace(LOCAL_POLICY if local else AZURE_POLICY, require_pin=require_pin == "on"),
        local=local,
        controller=environ.get("WEBSITE_SITE_NAME", "gitslot"),
        start="gitslot local up" if local else _start_line(environ),
    )


def _start_line(environ: Mapping[str, str]) -> str:
    """Return the line that starts the app that this runs in, named as Azure names it."""
    app, group = environ.get("WEBSITE_SITE_NAME"), environ.get("WEBSITE_RESOURCE_GROUP", "GROUP")
    return f"az functionapp restart -g {group} -n {app}" if app else ""


def _vouch(environ: Mapping[str, str], repository: str, wrong: list[str]) -> "Rule | None":
    mode = environ.get("GITSLOT_VERIFY_COMMITS", "").strip() or "off"
    if mode not in ("off", "range"):
        wrong.append("GITSLOT_VERIFY_COMMITS must be off or range")
    if mode != "range":
        return None
    from gitslot.edges.git import signed_changes, ssh_signatures  # noqa: PLC0415 - slow import

    revert = environ.get("GITSLOT_ALLOW_UNSIGNED_REVERT", "").strip().lower() or "on"
    if revert not in ("on", "off"):
        wrong.append("GITSLOT_ALLOW_UNSIGNED_REVERT must be on or off")
    trusted = environ.get("GITSLOT_TRUSTED_COMMIT", "").replace(",", " ").split()
    if not all(re.fullmatch(r"[0-9a-f]{40}", commit) for commit in trusted):
        wrong.append("GITSLOT_TRUSTED_COMMIT must be the 40 hex digits of a commit")
    listed = environ.get("GITSLOT_ALLOWED_SIGNERS", "")
    try:
        signers = ssh_signatures.read_signers(_signers_text(listed, repository))
    except SettingsError as error:
        wrong.append(error.message)
        return None
    return signed_changes.Rule(signers, frozenset(trusted), revert == "on")


def _signers_text(value: str, repository: str) -> str:
    """Return *value*, or the content of the file it names, which must be outside *repository*."""
    value = value.strip()
    if not value or len(value.split()) > 1:
        return value.replace("\\n", "\n")  # for settings that cannot hold line breaks
    path, within = Path(value), Path(repository).resolve()
    if not repository.startswith("https://") and path.resolve().is_relative_to(within):
        raise SettingsError("GITSLOT_ALLOWED_SIGNERS must not be in the watched repository")
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        what = f"GITSLOT_ALLOWED_SIGNERS cannot be read: {type(error).__name__}"
        raise SettingsError(what) from error


def _alert_url(environ: Mapping[str, str], wrong: list[str]) -> tuple[Secret, ...]:
    found = _secrets(environ, "GITSLOT_ALERT_URL")[:1]
    if not all(is_https(each.reveal().partition("?")[0]) for each in found):
        wrong.append("GITSLOT_ALERT_URL must be an https URL without user or password")
    return found


def _secrets(environ: Mapping[str, str], name: str) -> tuple[Secret, ...]:
    """Return the secret that is called *name*, and the one whose place it takes."""
    values = (environ.get(each, "").strip() for each in (name, f"{name}_OLD"))
    return tuple(Secret(value) for value in values if value)


def is_unresolved(value: str) -> bool:
    """
    Return whether *value* of an environment is a Key Vault reference in place of its secret.

    That is what an app gets where the platform could not resolve it:
    https://learn.microsoft.com/azure/app-service/app-service-key-vault-references
    """
    return value.strip().startswith("@Microsoft.KeyVault(")


def is_https(url: str) -> bool:
    """Return whether *url* is an https URL without user, password or query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    plain = not parts.query and "@" not in parts.netloc
    return parts.scheme == "https" and bool(parts.hostname) and plain


def is_ref(text: str) -> bool:
    """Return whether *text* is a branch or a full ref name."""
    return bool(re.fullmatch(r"[A-Za-z0-9._/-]{1,200}", text)) and ".." not in text


def is_inside(path: str) -> bool:
    """Return whether *path* stays inside the repository."""
    return not path.startswith("/") and ".." not in path.split("/")


def _is_repository(text: str) -> bool:
    if text.startswith("https://"):
        return is_https(text)
    return "://" not in text and not re.match(r"[^/]+@[^/]+:", text)
