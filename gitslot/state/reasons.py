"""
Why an app stops, and what ends it: one table for messages, rows, logs and docs.

Pure. No code branches on a reason. docs/run/reasons.md is made from the table.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeAlias

# ---------------------------------------------------------------- the next step


@dataclass(frozen=True, slots=True)
class Run:
    """Type this: *commands* in their order, each one a list of words; *effect* is what it does."""

    commands: tuple[tuple[str, ...], ...]
    effect: str = ""

    @property
    def line(self) -> str:
        """Return the commands as one line for a shell."""
        return " && ".join(" ".join(words) for words in self.commands)

    @property
    def clause(self) -> str:
        """Return the step as the end of a sentence."""
        return f"`{self.line}` {self.effect}".rstrip()


@dataclass(frozen=True, slots=True)
class Edit:
    """Change something by hand: *what*, as the end of a sentence."""

    what: str

    @property
    def clause(self) -> str:
        """Return the step as the end of a sentence."""
        return self.what


@dataclass(frozen=True, slots=True)
class Wait:
    """Wait: it ends by itself, at *until* where that is known; *usually* says how soon."""

    until: datetime | None = None
    usually: str = ""

    @property
    def clause(self) -> str:
        """Return nothing: the text of the reason names the time where one is known."""
        return ""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing is to be done, and *why*."""

    why: str

    @property
    def clause(self) -> str:
        """Return nothing."""
        return ""


Next: TypeAlias = Run | Edit | Wait | Nothing


@dataclass(frozen=True, slots=True)
class GoBack(Run):
    """
    Take production back by a commit: to *brings*, "MODEL VERSION", or to what was asked for before.

    *commands* work whatever was committed since; `by_revert` names a `git revert` that does it too.
    """

    brings: str = ""

    def by_revert(self, words: tuple[str, ...]) -> "GoBack":
        """Return the same step by *words*, those of git that revert the newest commit."""
        return replace(self, commands=(words, *self.commands[1:]))


def go_back(app: str, effect: str = "goes back") -> GoBack:
    """Return the step that takes production of *app* back to what was asked for before."""
    return GoBack((("gitslot", "rollback", app), ("git", "push")), effect)


def go_back_to(app: str, model: str, version: str, effect: str) -> GoBack:
    """Return the step that makes *app* ask for *version* of the model that its file names."""
    words = ("gitslot", "bump", "production", version, app)
    return GoBack((words, ("git", "push")), effect, f"{model} {version.partition('@')[0]}")


def still_goes_back(line: str, head: str, app: str) -> str:
    """Return the recorded *line*, or a rollback where it reverts a commit that is not *head*."""
    stale = line.startswith("git revert ") and head not in line.split()
    return go_back(app).line if stale else line


def next_line(line: str, app: str) -> str:
    """Return the *line* of a step as it is typed for *app*."""
    return " && ".join(
        f"{part} {app}" if part == "gitslot retry" else re.sub(r"\bAPP\b", lambda _: app, part)
        for part in line.split(" && ")
    )


def retry(effect: str = "tries again") -> Run:
    """Return the step by which a person says: I looked, go on."""
    return Run((("gitslot", "retry"),), effect)


# ---------------------------------------------------------------- the table

OUTSIDE = "{message}"  # the words of the registry, Git, ARM or a slot, printed as they are


@dataclass(frozen=True, slots=True)
class Reason:
    """
    One reason: what it means, the literal *text* of its message, and what usually ends it.

    Names in braces in *text* are facts of the moment. *next* is the step where the moment gives no
    better one.
    """

    name: str
    meaning: str
    text: str = OUTSIDE
    next: Next = Wait()

    def message(self, facts: Mapping[str, str], step: Next) -> str:
        """Return the message for *facts* that ends with *step*; words from outside stand alone."""
        if "message" in facts:
            return facts["message"]
        text = self.text.format_map(facts)
        return f"{text}; {step.clause}" if step.clause else text


_SIGN = Edit("sign the commits of this file with a key of an allowed signer, and push")
_SECONDS = Wait(usually="some seconds")
_MINUTE = Wait(usually="up to a minute")
_FIX_FILE = Edit("commit a file that is valid; `gitslot validate` checks it before you push")

_TABLE = (
    # Git and the file
    Reason("GitUnreachable", "Git did not answer, or not as Git does.", next=_MINUTE),
    Reason(
        "GitPutOff",
        "Git's host is slow or asks to wait, or the newest commit is not read yet.",
        next=_MINUTE,
    ),
    Reason(
        "RefGone",
        "The branch is not there: deleted, renamed, or nothing was ever pushed.",
        next=Edit("push the branch, or set GITSLOT_REF to the one to follow"),
    ),
    Reason(
        "FileMissing",
        "The newest commit has no such file.",
        next=Edit("commit the file, or set GITSLOT_FILE to its path"),
    ),
    Reason("FileInvalid", "The file is not what it must be.", next=_FIX_FILE),
    Reason("UnknownKey", "The file has a key that is not known.", next=_FIX_FILE),
    Reason(
        "AppDiffers",
        "`app` in a file of a folder is not the file's name.",
        next=Edit("remove `app`, or rename the file"),
    ),
    Reason(
        "AppTwice",
        "Two files of a folder have names that differ in case alone.",
        next=Edit("keep one of the two"),
    ),
    Reason(
        "FileNameInvalid",
        "The name of a file in the folder is not a function app's.",
        next=Edit("rename the file, or move it out of the folder"),
    ),
    Reason(
        "FolderEmpty",
        "The folder holds no file `NAME.yaml`.",
        next=Edit("commit a file for each app, or set GITSLOT_FILE to the right path"),
    ),
    Reason(
        "FolderTooLarge",
        "The files of the folder come to more than is read.",
        next=Edit("take what is no app's file out of the folder"),
    ),
    Reason(
        "TooManyFiles",
        "The folder holds more files than are read.",
        next=Edit("take what is no app's file out of the folder"),
    ),
    Reason("FileTooLarge", "The file is larger than is read.", next=_FIX_FILE),
    Reason(
        "NotPlainFile",
        "The path is a link, a folder, a submodule, or what Git LFS or git-crypt put there.",
        next=_FIX_FILE,
    ),
    Reason(
        "PackTooLarge",
        "Git sent more than is read for one commit.",
        next=Edit("keep the file in a smaller repository"),
    ),
    Reason(
        "HistoryTooLong",
        "The accepted commit is too far back to be found.",
        next=retry("accepts the newest commit"),
    ),
    Reason(
        "HistoryIncomplete",
        "The repository is a shallow copy, and commits are missing.",
        next=Run((("git", "fetch", "--unshallow"),), "fetches the rest"),
    ),
    Reason(
        "HistoryRewritten",
        "The newest commit does not descend from the one that was accepted.",
        next=retry("accepts the new history"),
    ),
    Reason(
        "ObjectForged",
        "Git sent an object that is not what its name says.",
        next=Edit("find out who answers for the repository's host"),
    ),
    Reason(
        "AcceptedMissing",
        "Signatures are asked for, and nothing was accepted yet.",
        next=Edit("set GITSLOT_APPS, and GITSLOT_TRUSTED_COMMIT to a commit that you have read"),
    ),
    Reason(
        "AcceptedUnreadable",
        "The blob `accepted.json` cannot be read.",
        next=Edit("restore it, or read what the branch holds and delete it"),
    ),
    Reason(
        "AppNotAllowed",
        "No controller lists the app in GITSLOT_APPS, so nobody looks at it.",
        next=Edit("add it to GITSLOT_APPS of one controller, or take it out of the repository"),
    ),
    Reason(
        "NotInFile",
        "No file wants anything of the app; it is left running.",
        next=Nothing("an app that leaves the file is left as it is"),
    ),
    *(
        Reason(name, meaning, next=_SIGN)
        for name, meaning in (
            ("CommitUnsigned", "A commit that changed the file is not signed."),
            ("SignatureInvalid", "A signature does not fit its commit."),
            ("SignatureUnsupported", "A signature is of a kind that is not read."),
            ("SignerNotAllowed", "The signer may not release this app."),
            ("SignerOutOfDate", "The signer's key was not valid then."),
            ("SignerUnknown", "The signer is not among the allowed ones."),
        )
    ),
    # the registry
    Reason("RegistryUnavailable", "The model registry did not answer.", next=_MINUTE),
    Reason(
        "UnknownVersion",
        "The registry has no such version.",
        next=Edit("register the version, or commit one that `gitslot models` lists"),
    ),
    Reason(
        "ManifestInvalid",
        "The version's manifest cannot be trusted.",
        next=Edit("register the model under a new version"),
    ),
    Reason(
        "DigestMismatch",
        "The bytes are not the ones that were pinned or registered.",
        next=Edit("pin the digest that the registry holds, or register a new version"),
    ),
    Reason(
        "DigestChanged",
        "The registry holds other bytes under a version than the ones that were first seen.",
        "{release} was first seen with digest {known}, and the registry holds {found} by now: "
        "put the old manifest back, or look at the new bytes",
        Run((("gitslot", "bump", "SLOT", "VERSION", "--pin"), ("git", "push")), "accepts them"),
    ),
    Reason(
        "PinRequired",
        "GITSLOT_REQUIRE_PIN is on, and no digest of the version is pinned or known.",
        "{release} is not pinned, and no digest of it is known",
        Run((("gitslot", "bump", "SLOT", "VERSION", "--pin"), ("git", "push")), "pins it"),
    ),
    Reason(
        "RuntimeMissing",
        "The code keeps an older serving contract than the model needs, or has no build for it.",
        "{what}",
        Run(
            (("gitslot", "package", "--version", "VERSION"),),
            "registers a newer package; name it in the file as `code: VERSION`",
        ),
    ),
    # the platform
    Reason("Unreadable", "ARM cannot say what a slot is set to: nothing is written.", next=_MINUTE),
    Reason(
        "AzureRefused",
        "ARM refused to answer.",
        next=Run((("gitslot", "doctor"),), "names the role that is missing"),
    ),
    Reason(
        "NotFound",
        "ARM knows no such app.",
        next=Edit("correct `app` in the file, or create the app"),
    ),
    Reason(
        "AppNotFound",
        "No subscription that the controller may read has the app.",
        next=Edit("correct the app's name in the file, or give the controller its role there"),
    ),
    Reason(
        "AppAmbiguous",
        "Several resource groups have an app of this name.",
        next=Edit("name `resource_group` in the file"),
    ),
    Reason(
        "NotAllowed",
        "ARM refused: the controller lacks a role.",
        next=Run((("gitslot", "doctor"),), "names the role that is missing"),
    ),
    Reason(
        "KeyRefused",
        "POST /api/predict asks for a key, and ARM does not give it.",
        next=Run((("gitslot", "doctor"),), "names the role that is missing"),
    ),
    Reason(
        "KeyDiffers",
        "Production refuses staging's key: the two slots have different keys.",
        "production refuses staging's function key: after a swap a process may keep the other "
        "slot's keys until it restarts, and answer users with 401",
        Edit(
            "give both slots the users' key: az functionapp keys set -g GROUP -n APP --slot "
            "staging --key-type functionKeys --key-name default --key-value KEY, and the same "
            "without --slot"
        ),
    ),
    Reason("AzureUnavailable", "ARM did not answer.", next=_MINUTE),
    Reason(
        "Throttled",
        "ARM answered 429 and asked to wait.",
        "ARM asked to wait; nothing is written {until}",
        Wait(usually="as long as ARM asks, most often under a minute"),
    ),
    Reason(
        "CallsUsedUp",
        "As many calls as ARM takes of this controller in a while are used up.",
        next=_MINUTE,
    ),
    Reason(
        "SlotMissing",
        "The app has no such slot.",
        next=Edit("create the slot, or take it out of the file"),
    ),
    Reason(
        "SlotStopped",
        "ARM shows a slot that is not running.",
        "{slot} is {state}",
        Edit("start it to go on"),
    ),
    Reason(
        "OperationInProgress",
        "ARM shows an operation on the app, of ours or somebody else's.",
        "an operation runs on the app",
        Wait(usually="a minute or two"),
    ),
    Reason(
        "PreparedByPerson",
        "A swap that is not ours is prepared: begun with preview, or failed half way.",
        "a swap that is not ours is prepared, begun with preview or failed half way",
        Edit("cancel it (az functionapp deployment slot swap --action reset), or complete it"),
    ),
    Reason(
        "PlatformBusy",
        "The platform answers that it is busy, again and again, and shows nothing.",
        "the platform answered {times} times that another operation is in progress, and shows none",
        retry(),
    ),
    Reason(
        "StickyReleaseSetting",
        "A setting of the release is marked as a slot setting: a swap would not move it.",
        "{names} is marked as a slot setting, so a swap would not move it",
        Edit("unmark it in the slot's configuration"),
    ),
    Reason(
        "ContentShared",
        "A slot names production's content share, so that both run the same files.",
        "{slot} has production's WEBSITE_CONTENTSHARE: what is sent to it, production runs",
        Run((("gitslot", "doctor"),), "prints the line that gives it a share of its own"),
    ),
    Reason(
        "CodeDiffers",
        "The two slots run different code, or code that the file does not want.",
        "{what}",
        Edit("deploy the same code to staging, or name it in the file"),
    ),
    Reason(
        "SettingsDiffer",
        "The slots' settings differ again after every deploy.",
        "{what}",
        Edit("make them equal in both slots, or mark them as slot settings, then `gitslot retry`"),
    ),
    Reason(
        "WarmupMissing",
        "A slot loses the settings that make a swap wait for it, after every deploy.",
        "{what}",
        Edit("keep them in both slots, then `gitslot retry`"),
    ),
    Reason("ResetRefused", "A prepared swap of ours could not be undone.", next=_MINUTE),
    Reason(
        "SlotsMoved",
        "A slot changed between two looks.",
        "the slots moved between two looks",
        _SECONDS,
    ),
    # a slot and its proof
    Reason(
        "NotServingApp",
        "A slot answers, but not as an app that speaks the serving contract.",
        "{slot} answers, but not as an app that speaks the serving contract (GET /api/health)",
        Edit("deploy an app that speaks it (docs/use/serving-contract.md)"),
    ),
    Reason(
        "ProbeBlocked",
        "The health probe is answered by 401, 403 or a redirect.",
        "{slot}: GET /api/health is blocked ({detail})",
        Edit("make it anonymous, and let the controller through access restrictions"),
    ),
    Reason("SlotStarting", "A slot starts what was deployed.", "{slot} starts {release}", _MINUTE),
    Reason("SlotNotSeen", "A slot was not looked at yet.", "{slot} was not looked at", _SECONDS),
    Reason(
        "DeployUnknown",
        "The answer to a deploy was lost.",
        "a deploy to {slot} was sent and its answer is not known",
        Wait(usually="up to 2 minutes"),
    ),
    Reason("DeployRefused", "The platform refused the deploy.", next=retry()),
    Reason("DeployLost", "A deploy was sent and never arrived.", next=retry()),
    Reason("DeployTimedOut", "A slot did not prove its release in time.", next=retry()),
    Reason(
        "GoldenRowsFailed",
        "A slot answers golden rows otherwise than the model did when it was trained.",
        next=Edit("register the model under a new version, and commit that"),
    ),
    Reason("TooSlow", "A slot is slower than `latency_p99_ms` allows.", next=retry()),
    Reason("LoadFailed", "The app cannot load the model.", next=retry()),
    Reason("VerifyInconclusive", "A proof gave no answer.", next=_MINUTE),
    Reason(
        "RetryPause",
        "A pause between two attempts.",
        "{why}; trying again at {until}",
        Wait(usually="30 s after the first failure, then 2 min"),
    ),
    # swaps
    Reason("SwapRunning", "A swap is on its way.", "the swap is running", Wait(usually="80 s")),
    Reason(
        "SwapUnread",
        "A swap was sent and must be over, but the slots cannot be read: nothing else is written.",
        "the swap to {release} was sent at {sent}, and the slots cannot be read since",
        Edit("let the controller read them again: `gitslot doctor` names what is wrong"),
    ),
    Reason("SwapRefused", "The platform refused the swap.", next=retry()),
    Reason(
        "PingRefused",
        "The platform gave the swap up because staging did not answer its warm-up ping with 200.",
        "{answer} Known causes: the app does not answer GET /api/health with 200 within 90 s of "
        "its restart (look at its log); HTTPS Only redirects the ping, which goes over http "
        "(az functionapp update --slot staging --set httpsOnly=false, and the same without "
        "--slot); access restrictions of staging block the addresses 10.* and 100.*, from which "
        "it comes (allow them)",
        retry(),
    ),
    Reason("SwapReverted", "The platform took the swap back.", next=retry()),
    Reason("SwapLeftPrepared", "The platform gave the swap up half done.", next=retry()),
    Reason(
        "ForeignSwap",
        "Somebody else swapped, and production left what Git wants.",
        "somebody swapped: production serves {serves}; {release} is put back at {until}",
        Wait(usually="10 minutes"),
    ),
    Reason(
        "DriftReported",
        "The file says `drift: report`: what others changed is reported only.",
        "{what}; drift is only reported",
        Edit("commit what production shall serve, or say `drift: heal`"),
    ),
    Reason(
        "PutBack",
        "Somebody swapped the release away again after each time it was put back.",
        next=retry(),
    ),
    # production
    Reason(
        "ProductionStarting",
        "Production is set to the wanted release and does not serve it yet.",
        "production {what} yet",
        _MINUTE,
    ),
    Reason(
        "ProductionDegraded",
        "Production is set to the wanted release and does not serve it.",
        "{what}",
        go_back("APP"),
    ),
    Reason(
        "Soaking",
        "Production is watched after its swap.",
        "production soaks until {until}; then staging gets {release}",
    ),
    Reason(
        "SoakFailed",
        "Production fails its soak and cannot be swapped back.",
        "{what}; it is not swapped back: {why}",
        go_back("APP"),
    ),
    Reason(
        "SwappedBack",
        "The release failed its soak, and production went back to the one before.",
        "{what}",
        go_back("APP", "makes that last"),
    ),
    # hands off, and our own record
    Reason(
        "Suspended",
        "The file asks for hands off.",
        next=Run(
            (("gitslot", "resume", "APP"), ("git", "push")), "takes `suspend` out of the file"
        ),
    ),
    Reason(
        "SuspendedBySetting",
        "The controller's setting GITSLOT_SUSPEND asks for hands off.",
        next=Edit("take GITSLOT_SUSPEND out of the controller's settings"),
    ),
    Reason(
        "Observed",
        "What would be done is recorded, and not done (GITSLOT_MODE=observe).",
        "only observed: nothing is written to Azure{what}",
        Edit("take GITSLOT_MODE out of the controller's settings to act"),
    ),
    Reason(
        "JournalLost",
        "The slots serve a release and the journal is empty.",
        "the slots serve a release and the journal is empty: {what}",
        retry("acknowledges it"),
    ),
    Reason("JournalUnavailable", "The journal cannot be read or written.", next=_MINUTE),
    Reason(
        "JournalUnreadable",
        "The journal holds what no controller wrote.",
        next=Edit("restore the journal's blob, or move it away and then `gitslot retry`"),
    ),
    Reason("JournalMoved", "Somebody else wrote.", "somebody else wrote; looking again", _SECONDS),
    Reason("LockHeld", "Another controller works.", "another controller works on this app"),
    Reason("LockLost", "The lock was lost.", "the lock was lost; looking again", _SECONDS),
    Reason("NextTurn", "A step follows at once.", "the next turn follows at once", _SECONDS),
    Reason(
        "InternalError",
        "gitslot itself failed; its log holds the traceback.",
        next=Edit("report it with the traceback of the controller's log"),
    ),
)
REASONS: Mapping[str, Reason] = {entry.name: entry for entry in _TABLE}


def reason_of(name: str) -> Reason:
    """Return the entry of *name*; one for it where a slot gave a reason of its own."""
    return REASONS.get(name) or Reason(name, "The slot's own words.", next=retry())
