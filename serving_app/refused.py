"""
The reasons why nothing is served, as one exception; health returns them.

    NoModel              the settings name no model yet
    Loading              the first attempt to load is still under way
    SettingsInvalid      MODEL_VERSION or MODEL_STORE is malformed, or an unresolved reference
    IdentityUnavailable  no token from the managed identity
    RegistryUnavailable  the storage account did not answer, or not with the blob
    UnknownVersion       no such version is registered, or its artifact is missing
    ManifestInvalid      the manifest cannot be trusted
    DigestMismatch       manifest or artifact are not the bytes that were pinned
    RuntimeMissing       this package's build lacks the library that the model needs
    FormatRefused        the artifact is neither self-contained ONNX nor a trusted skops file
    LoadFailed           the runtime refuses it, or it does not fit its manifest
    GoldenRowsFailed     it answers differently from the model that was trained
"""


class Refused(Exception):
    """Nothing is served because of *reason*; *message* has the details and no secret."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
