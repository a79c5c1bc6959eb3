"""Files that survive ``kill -9``: written under another name, then renamed."""

import json
import os
import secrets
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace *path* by *text* in one step; a reader sees the old file or the new one."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    aside.replace(path)


def write_json(path: Path, value: Any, mode: int = 0o600) -> None:
    """Replace *path* by *value* as JSON in one step."""
    write_text(path, json.dumps(value, indent=1), mode)


def read_json(path: Path) -> Any:
    """Return the content of *path*, or None if there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
