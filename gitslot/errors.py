"""
Everything that can go wrong, drawn as one tree.

An error carries a CamelCase *reason* (stable, for people and for searching) and a message that says
what, where and how to fix it. No code branches on a reason: it branches on the class.

    GitslotError
    ├── SettingsError            the controller's own settings are missing or malformed
    ├── DesiredError             desired_state.yaml is not what it must be
    ├── SourceError              Git cannot say what is wanted
    │   ├── ObjectMissing        its host has no such commit, or does not hand it out
    │   ├── GitPutOff            not now: it is slow, or wants to be asked later
    │   └── PackTooLarge         it sends more than is read
    ├── NoAnswer                 a host did not answer, or not within the call's total time
    │   └── PutOff               it asked us to wait, and is not asked before
    ├── SignatureRefused         a commit is not signed as the controller's settings ask
    ├── RegistryError
    │   ├── UnknownVersion       no such model or package version
    │   ├── ManifestInvalid      a manifest is there and is not to be trusted
    │   ├── VersionExists        a version is never overwritten
    │   └── RegistryUnavailable  the storage account did not answer
    ├── AzureError               ARM answered, and said no (status, code, its own words)
    │   ├── NotFound
    │   ├── Conflict
    │   └── AzureUnavailable     no answer, or one that proves nothing
    ├── JournalError             the journal cannot be read or was appended to by someone else
    │   └── JournalMoved
    ├── LockLost                 the lock is not ours any more
    └── Superseded               a newer commit is known than the one that was acted on
"""

from datetime import datetime


class GitslotError(Exception):
    """Base of all that gitslot raises on purpose: a stable *reason*, a *message* for people."""

    reason = "Error"

    def __init__(self, message: str, *, reason: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if reason is not None:
            self.reason = reason


class SettingsError(GitslotError):
    """The environment does not hold what the controller needs."""

    reason = "SettingsInvalid"


class DesiredError(GitslotError):
    """desired_state.yaml is refused; the message names line, key and fix."""

    reason = "FileInvalid"


class SourceError(GitslotError):
    """Git did not say what is wanted: unreachable, ref gone, file missing."""

    reason = "GitUnreachable"


class ObjectMissing(SourceError):
    """Git's host answered that it has no such object, or does not hand it out."""


class GitPutOff(SourceError):
    """Git does not say it now; *retry_after_s* is what its host asked for, 0 if nothing."""

    reason = "GitPutOff"

    def __init__(self, message: str, *, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PackTooLarge(SourceError):
    """Git's server sends more than is read."""

    reason = "PackTooLarge"


class NoAnswer(GitslotError):
    """
    *host* gave no whole answer; *cause* says why in a word or a few.

    *sent* says whether any of the request may have left, so that it may have taken effect.
    """

    reason = "NoAnswer"

    def __init__(self, host: str, cause: str, *, sent: bool = False) -> None:
        super().__init__(f"{host} did not answer: {cause}")
        self.host = host
        self.cause = cause
        self.sent = sent


class PutOff(NoAnswer):
    """*host* answered *status*, or 0: would refuse. It is not asked before *until*."""

    reason = "PutOff"

    def __init__(self, host: str, status: int, until: datetime, left_s: float) -> None:
        super().__init__(host, f"it answered {status} and asked to wait until {until:%H:%M:%S} UTC")
        self.status = status
        self.until = until
        self.left_s = left_s


class SignatureRefused(GitslotError):
    """A commit is unsigned, or its signature is not one of an allowed signer."""

    reason = "SignatureUnsupported"


class RegistryError(GitslotError):
    """Base of what the model registry can answer instead of a version."""

    reason = "RegistryError"


class UnknownVersion(RegistryError):
    """No such version is registered."""

    reason = "UnknownVersion"


class ManifestInvalid(RegistryError):
    """A manifest is there, but not one that can be trusted."""

    reason = "ManifestInvalid"


class VersionExists(RegistryError):
    """The version is registered already, and versions are never overwritten."""

    reason = "VersionExists"


class RegistryUnavailable(RegistryError):
    """The storage account did not answer."""

    reason = "RegistryUnavailable"


class AzureError(GitslotError):
    """ARM refused; *status* is the HTTP status, *code* and *message* are ARM's own words."""

    reason = "AzureRefused"

    def __init__(
        self, message: str, *, status: int = 0, code: str = "", reason: str | None = None
    ) -> None:
        super().__init__(message, reason=reason)
        self.status = status
        self.code = code


class NotFound(AzureError):
    """ARM knows no such resource."""

    reason = "NotFound"


class Conflict(AzureError):
    """ARM will not do this now: 409."""

    reason = "Conflict"


class AzureUnavailable(AzureError):
    """No answer, or one that proves nothing: the request may or may not have taken effect."""

    reason = "AzureUnavailable"
    retry_after_s = 0.0  # what ARM asked for


class JournalError(GitslotError):
    """The journal cannot be read or written."""

    reason = "JournalUnavailable"


class JournalMoved(JournalError):
    """Somebody appended between our look and our append."""

    reason = "JournalMoved"


class LockLost(GitslotError):
    """The lock of an app is not held by this process any more."""

    reason = "LockLost"


class Superseded(GitslotError):
    """A newer commit is known than the one that the look was made for."""

    reason = "Superseded"
