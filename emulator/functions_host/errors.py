"""The one exception of the host: an app or its configuration that cannot be run."""


class HostError(Exception):
    """
    Say why an app cannot run; the host then stays up in state Error and answers 503.

    *detail* is text for the log and the status page, such as the app's traceback.
    """

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail.rstrip()

    def __str__(self) -> str:
        return f"{self.message}\n{self.detail}" if self.detail else self.message
