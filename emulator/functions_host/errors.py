"""The host's only exception: the app or its configuration cannot be run."""


class HostError(Exception):
    """
    The app cannot run; the host then stays up in state Error and answers 503.

    *detail* is more text for the log and the status page, such as the app's traceback.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail.rstrip()

    def __str__(self) -> str:
        return f"{self.message}\n{self.detail}" if self.detail else self.message
