"""
The master key and the function keys of one slot.

On Azure a key comes in the header `x-functions-key` or, without that, in the query as `code`; the
master key opens everything (AuthenticationLevelHandler.cs in
github.com/Azure/azure-functions-host).
"""

import json
from contextlib import suppress
from hmac import compare_digest
from pathlib import Path
from typing import Literal

type AuthLevel = Literal["anonymous", "function", "admin"]


class Keys:
    """
    Check keys against those in a JSON file.

    The file holds `{"masterKey": "...", "functionKeys": {"default": "..."}}` and is read again
    whenever it changes, so a renewed key is accepted at once and the old one no longer.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._master = b""
        self._functions: tuple[bytes, ...] = ()

    def read(self) -> None:
        """Read the file if it changed; raise `ValueError` or `OSError` if it cannot be used."""
        stat = self.path.stat()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp == self._stamp:
            return
        content = json.loads(self.path.read_text("utf-8"))
        match content:
            case {"masterKey": str(master), "functionKeys": dict(functions)} if master and all(
                isinstance(key, str) and key for key in functions.values()
            ):
                self._master = master.encode()
                self._functions = tuple(key.encode() for key in functions.values())
            case _:
                raise ValueError("it must hold a masterKey and functionKeys, all of them text")
        self._stamp = stamp

    def opens(self, level: AuthLevel, key: str | None) -> bool:
        """Return whether *key* opens *level*; while the file is unusable, the last keys count."""
        if level == "anonymous":
            return True
        if not key:
            return False
        with suppress(OSError, ValueError):  # perhaps half written: the next call reads it again
            self.read()
        given = key.encode("utf-8", "surrogatepass")
        if compare_digest(given, self._master):
            return True
        return level == "function" and any(compare_digest(given, own) for own in self._functions)
