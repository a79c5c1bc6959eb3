"""
One file, one app: bytes -> `App`; a file or a folder of files -> `Desired`.

Every refusal names the line, the key and the fix. In a folder a file that is refused is a
Doubt about its own app alone. `keys` is the table of what a file may hold.
"""

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType

from gitslot.edges.file.keys import APP, KEYS, NAMES, known, slots
from gitslot.edges.file.plain_yaml import Map, parse, refuse
from gitslot.errors import DesiredError
from gitslot.state.safe_text import safe
from gitslot.state.wanted import SUFFIX, App, Desired, Doubt, Revision, is_app_name


def read(data: bytes, name: str = "") -> App:
    """
    Parse *data* (at most 64 KB of UTF-8) as one app.

    *name* is that of a file in a folder: `app:` may be left out there, and must be equal. Raises
    DesiredError; its message starts with "line N:" and includes the fix.
    """
    root = parse(data)
    if not isinstance(root, Map):
        refuse(root.line, "the file must be a mapping that starts with `app:`")
    known(root, NAMES)
    if name and "app" in root.items and APP.value(root) != name:
        refuse(
            root.lines["app"],
            f"`app` differs from the file's name, which is the app's: {name}; remove `app`, or "
            "rename the file",
            "AppDiffers",
        )
    values = {
        key.field or key.name: key.value(root)
        for key in KEYS
        if key.name in root.items or (key.required and not (name and key is APP))
    }
    return App(**({"name": name} | values), slots=slots(root))


def desired(revision: Revision, data: bytes | Mapping[str, bytes | Doubt]) -> Desired | Doubt:
    """
    Return what *data* asks for at *revision*: the bytes of one file, or of a folder's by NAME.

    A Doubt stands for a file that could not be read. A file that is refused is a Doubt; in a
    folder, about its own app alone.
    """
    if isinstance(data, bytes):
        try:
            app = read(data)
        except DesiredError as error:
            return _doubt(revision, error.reason, error.message)
        return Desired(revision, MappingProxyType({app.name: app}))
    if not data:
        what = "the folder holds no file NAME.yaml; add one for each app"
        return _doubt(revision, "FolderEmpty", what)
    folded: dict[str, list[str]] = defaultdict(list)
    for name in data:
        folded[name.lower()].append(name)
    found = {
        safe(name, 80): _one(revision, name, each, folded[name.lower()])
        for name, each in data.items()
    }
    return Desired(revision, MappingProxyType(dict(sorted(found.items()))))


def _one(revision: Revision, name: str, data: bytes | Doubt, alike: list[str]) -> App | Doubt:
    """Return the app of one file in a folder; *alike* are the names that differ in case alone."""
    reason, what = "", ""
    if not is_app_name(name):
        reason = "FileNameInvalid"
        what = "the file's name is not a function app's; rename or remove it"
    elif len(alike) > 1:
        files = ", ".join(f"{each}{SUFFIX}" for each in sorted(alike))
        reason, what = "AppTwice", f"one app by names that differ in case alone: {files}; keep one"
    elif isinstance(data, Doubt):
        reason, what = data.reason, data.message
    else:
        try:
            return read(data, name)
        except DesiredError as error:
            reason, what = error.reason, error.message
    return _doubt(revision, reason, f"{safe(name, 80)}{SUFFIX}: {what}")


def _doubt(revision: Revision, reason: str, what: str) -> Doubt:
    at = f"{revision.short}: " if revision.commit else ""
    return Doubt(reason, f"{at}{what}", revision)
