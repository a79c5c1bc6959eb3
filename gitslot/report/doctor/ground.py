"""
The checks of what all apps share: settings, schedule, Git, signatures, storage, clock.

Pure: a `Ground` in, notes out. The cheapest checks come first.
"""

import re
import shlex
from collections.abc import Iterator

from gitslot.registry.registry import CODE, MODELS
from gitslot.report.doctor.facts import Check, Grade, Ground, Note
from gitslot.state.safe_text import some_of
from gitslot.state.wanted import Doubt

SKEW_WARNS_S, SKEW_WRONG_S = 5.0, 60.0
_FIELD = re.compile(
    r"(?:\*|[A-Za-z]{3}|\d{1,2})(?:-(?:[A-Za-z]{3}|\d{1,2}))?(?:/\d{1,2})?"
    r"(?:,(?:\*|[A-Za-z]{3}|\d{1,2})(?:-(?:[A-Za-z]{3}|\d{1,2}))?(?:/\d{1,2})?)*"
)
_MOST = (59, 59, 23, 31, 12, 7)  # second, minute, hour, day, month, day of the week
_SPAN = re.compile(r"(?:\d+\.)?\d{1,2}:\d{2}:\d{2}")
_USUAL = "GITSLOT_SCHEDULE='*/10 * * * * *'"


def settings(ground: Ground) -> Iterator[Note]:
    """Check the settings: wrong ones stop the controller before its first look."""
    if ground.flaw:
        fix = "set them as in docs/run/azure.md, or remove them"
        yield Note(Grade.WRONG, ground.flaw, (fix,))


def schedule(ground: Ground) -> Iterator[Note]:
    """
    Check the schedule: six fields, seconds first; a five-field line fires at wrong times.

    https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer#ncrontab-expressions
    """
    text = ground.settings.schedule
    if _SPAN.fullmatch(text):
        note = f"`{text}` is a time span, which works on App Service plans alone"
        yield Note(Grade.WARNING, note, (_USUAL,))
        return
    parts = text.split()
    if len(parts) != 6 or not all(map(_FIELD.fullmatch, parts)) or _beyond(parts):
        note = f"`{text}` is not six fields, seconds first"
        yield Note(Grade.WRONG, note, (_USUAL,))
        return
    if re.fullmatch(r"\*(/1)?", parts[0]) and not ground.settings.local:
        yield Note(Grade.WARNING, f"`{text}` wakes it every second", (_USUAL,))
    if parts[1] != "*" and not re.fullmatch(r"\*/[1-5]", parts[1]):
        note = f"`{text}` lets a revert wait for longer than 5 minutes"
        yield Note(Grade.WARNING, note, (_USUAL,))


def _beyond(parts: list[str]) -> bool:
    """Say whether a number in one of *parts* is larger than its field takes."""
    pairs = zip(parts, _MOST, strict=True)
    return any(int(number) > most for part, most in pairs for number in re.findall(r"\d+", part))


def suspended(ground: Ground) -> Iterator[Note]:
    """Check whether the controller is suspended, or only observes."""
    if ground.settings.suspend:
        fix = "remove GITSLOT_SUSPEND from the controller's settings"
        yield Note(Grade.WARNING, "GITSLOT_SUSPEND is set: nothing is reconciled", (fix,))
    if ground.settings.observe:
        fix = "once it may act: remove GITSLOT_MODE, and give it the role of infra/role.json"
        yield Note(
            Grade.WARNING, "GITSLOT_MODE=observe: what would be done is only recorded", (fix,)
        )


def git(ground: Ground) -> Iterator[Note]:
    """Check Git: without the newest commit every app is frozen."""
    if isinstance(ground.newest, Doubt):
        fix = "check GITSLOT_REPO, GITSLOT_REF and, for a private repository, GITSLOT_GIT_TOKEN"
        yield Note(Grade.WRONG, f"{ground.newest.reason}: {ground.newest.message}", (fix,))
        return
    yield Note(Grade.OK, f"{ground.settings.ref} is at {ground.newest.short}")


def file(ground: Ground) -> Iterator[Note]:
    """Check what is watched: a file that is refused freezes its app."""
    name = ground.settings.file
    fix = f"correct {name}; `gitslot validate` shows what is wrong"
    if isinstance(ground.desired, Doubt):
        if isinstance(ground.newest, Doubt):
            yield Note(Grade.UNKNOWN, "Git could not be read", ("fix `git` first",))
            return
        yield Note(Grade.WRONG, f"{ground.desired.reason}: {ground.desired.message}", (fix,))
        return
    for app in ground.desired.apps.values():
        if isinstance(app, Doubt):
            yield Note(Grade.WRONG, f"{app.reason}: {app.message}", (fix,))
    named = {app.lower() for app in (*ground.desired.apps, *ground.desired.unlisted)}
    if lacking := ground.settings.allowed_apps - named:
        note = f"GITSLOT_APPS lists {some_of(lacking)}, for which there is no file"
        yield Note(Grade.WARNING, note, (f"add a file to {name}, or correct GITSLOT_APPS",))
    yield Note(Grade.OK, f"{name} names {some_of(ground.desired.apps)}")


def signatures(ground: Ground) -> Iterator[Note]:
    """Check signatures: without them whoever can push can release."""
    rule = ground.settings.vouch
    if "GITSLOT_ALLOWED_SIGNERS" in ground.flaw or "GITSLOT_VERIFY_COMMITS" in ground.flaw:
        fix = "set GITSLOT_ALLOWED_SIGNERS as in docs/run/signatures.md"
        yield Note(Grade.WRONG, "the signers cannot be read", (fix,))
    elif rule is None:
        yield Note(Grade.OK, "not required: whoever can push can release what is registered")
    elif ground.untrusted:
        fix = "have an allowed signer sign the change, or set GITSLOT_TRUSTED_COMMIT"
        for name, doubt in ground.untrusted.items():
            yield Note(Grade.WRONG, f"{name}: {doubt.reason}: {doubt.message}", (fix,))
    elif isinstance(ground.newest, Doubt):
        text = f"{len(rule.signers)} signers; Git could not be read"
        yield Note(Grade.UNKNOWN, text, ("fix `git` first",))
    else:
        yield Note(Grade.OK, f"every change is signed by one of {len(rule.signers)} signers")


def storage(ground: Ground) -> Iterator[Note]:
    """Check storage: registry, packages and journal are three containers of one account."""
    account = ground.settings.storage.removeprefix("https://").split(".")[0].split("/")[-1]
    for name, there in ground.containers.items():
        if isinstance(there, Doubt):
            fix = "check GITSLOT_STORAGE, the account's firewall, and your role on it"
            yield Note(Grade.WRONG, f"`{name}` cannot be read: {there.message}", (fix,))
        elif not there:
            line = f"az storage container create --auth-mode login --account-name {account}"
            yield Note(Grade.WRONG, f"there is no container `{name}`", (f"{line} -n {name}",))


def kept(ground: Ground) -> Iterator[Note]:
    """Check what keeps blobs: without it, who may write a version may also overwrite it."""
    found = ground.kept
    if ground.settings.local:
        return
    if isinstance(found, Doubt):
        fix = "ask for role Reader on the storage account"
        yield Note(Grade.UNKNOWN, f"the account's policies were not read: {found.message}", (fix,))
        return
    account = f"-g {shlex.quote(found.group)} --account-name {shlex.quote(found.account)}"
    for name in (MODELS, CODE):
        if name not in found.policies:
            line = (
                f"az storage container immutability-policy create {account} --period 30 -c {name}"
            )
            yield Note(Grade.WARNING, f"versions in `{name}` can be overwritten", (line,))
    if not found.soft:
        days = "--enable-delete-retention true --delete-retention-days 14 "
        days += "--enable-container-delete-retention true --container-delete-retention-days 14"
        line = f"az storage account blob-service-properties update {account} {days}"
        yield Note(Grade.WARNING, "deleted blobs or containers are gone at once", (line,))


def looks(ground: Ground) -> Iterator[Note]:
    """Check that controllers still look, and at each app exactly one."""
    for what, fix in ground.amiss:
        yield Note(Grade.WRONG, what, (fix or "start the controller's app",))


def clock(ground: Ground) -> Iterator[Note]:
    """Check the clock: tokens and the journal need clocks that agree."""
    if ground.skew_s is None:
        fix = "fix `storage` first; else compare `date -u` with another machine's"
        yield Note(Grade.UNKNOWN, "storage did not report its time", (fix,))
        return
    skew = abs(ground.skew_s)
    if skew < SKEW_WARNS_S:
        return
    grade = Grade.WRONG if skew >= SKEW_WRONG_S else Grade.WARNING
    way = "ahead of" if ground.skew_s > 0 else "behind"
    fix = "switch on this machine's time synchronisation"
    yield Note(grade, f"this machine's clock is {skew:.0f} s {way} storage's", (fix,))


def lease(ground: Ground) -> Iterator[Note]:
    """Check the lease that is the lock: readers cannot take one, and only the controller must."""
    doubt = ground.lease
    if doubt is None:
        return
    if doubt.reason == "NotTried":
        yield Note(Grade.UNKNOWN, doubt.message, ("fix `storage` first",))
        return
    role = 'role "Storage Blob Data Contributor" on container `gitslot`'
    fix = f"the controller's identity needs the {role}; you need it to `reconcile` and `retry`"
    yield Note(Grade.WRONG, f"you cannot: {doubt.message}", (fix,))


CHECKS: tuple[Check[Ground], ...] = (
    Check("settings", "the controller's settings are well formed", settings),
    Check("schedule", "the timer's schedule is one that Functions reads", schedule),
    Check("suspended", "neither GITSLOT_SUSPEND nor GITSLOT_MODE holds it back", suspended),
    Check("git", "", git),
    Check("file", "", file),
    Check("signatures", "", signatures),
    Check("storage", "the containers models, code and gitslot are there", storage),
    Check("looks", "at each app exactly one controller looks", looks),
    Check("kept", "versions cannot be overwritten, nor deleted for good", kept),
    Check("clock", "this machine's clock and storage's agree", clock),
    Check("lease", "you can take and release a lease in `gitslot`", lease),
)
