"""
Check the bytes of a skops file before anything loads it.

A skops file is a zip with schema.json, a tree of nodes: each names a class or a function, and the
loader that makes it. skops itself asks for a list of trusted names, and adds lists of its own. Here
every name of the tree must be in trusted.txt, which holds full names of classes and of numpy and
scipy ufuncs alone: another function may run code from a client's row (numpy.vectorize over one of
numpy.testing does), and so may a bound method or a partial call.

The list guards against code, not against a wrong model: golden rows and the digest do that.
"""

import json
import zipfile
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING or __package__:
    from .limits import UNPACKED
    from .refused import Refused
else:  # the Functions worker puts this folder itself on sys.path
    from limits import UNPACKED
    from refused import Refused

SCHEMA = "schema.json"
PROTOCOL = 2  # the newest of skops; loaders of older ones check less
FILES = 100_000  # in the zip
# They make data, and instances of trusted classes. None binds a method or its arguments.
LOADERS = frozenset(
    (
        *("DictNode", "DefaultDictNode", "ListNode", "SetNode", "TupleNode", "JsonNode"),
        *("BytesNode", "SliceNode", "ObjectNode", "TypeNode", "FunctionNode", "LossNode"),
        *("TreeNode", "NdArrayNode", "MaskedArrayNode", "DTypeNode", "SparseMatrixNode"),
        *("RandomStateNode", "RandomGeneratorNode", "ConstructorFromReduceNode"),
    )
)
# A text vectorizer that is told so reads the file that a client's row names.
_READS_FILES = ('"filename"', '"file"')


@cache
def trusted() -> frozenset[str]:
    """Return the full names that a file may hold, from trusted.txt beside this module."""
    lines = Path(__file__).with_name("trusted.txt").read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def check_skops(content: bytes) -> list[str]:
    """
    Return the names that the skops file *content* holds, all of them trusted.

    Raises Refused("FormatRefused").
    """
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            _check_size(archive, UNPACKED)
            schema = json.loads(archive.read(SCHEMA))
    except (OSError, ValueError, KeyError, RecursionError, NotImplementedError, zipfile.BadZipFile):
        _refuse("it is not a skops file")
    if not isinstance(schema, dict) or schema.get("protocol") != PROTOCOL:
        _refuse(f"its protocol is not {PROTOCOL}: save it again with the newest skops")
    return sorted(names_of(schema))


def _check_size(archive: zipfile.ZipFile, budget: int) -> int:
    """Refuse what unpacks to more than *budget* bytes, files within files included."""
    members = archive.infolist()
    if len(members) > FILES:
        _refuse(f"it holds {len(members)} files")
    for member in members:
        budget -= member.file_size  # zipfile reads no more than this
        if budget < 0:
            _refuse(f"it unpacks to more than {UNPACKED} bytes")
        if member.filename.endswith(".npz"):  # a sparse matrix is a zip again
            with zipfile.ZipFile(BytesIO(archive.read(member))) as inner:
                if any(each.filename.endswith(".npz") for each in inner.infolist()):
                    _refuse("its zips are nested too deep")
                budget = _check_size(inner, budget)
    return budget


def names_of(schema: dict[str, Any]) -> set[str]:
    """Return the names of all nodes of the tree, wherever they stand; refuse one not trusted."""
    found: set[str] = set()
    left: list[Any] = [schema]
    while left:
        node = left.pop()
        if isinstance(node, list):
            left.extend(node)
        elif isinstance(node, dict):
            if "__class__" in node or "__module__" in node or "__loader__" in node:
                found.add(_checked(node))
            left.extend(node.values())
    return found


def _checked(node: dict[str, Any]) -> str:
    name = f"{node.get('__module__')}.{node.get('__class__')}"
    if node.get("__loader__") not in LOADERS:
        _refuse(f"it loads {_shown(name)} with {_shown(node.get('__loader__'))}")
    if name not in trusted():
        _refuse(f"it holds {_shown(name)}, which is not in the serving app's trusted.txt")
    content = node.get("content")
    given = content.get("input") if isinstance(content, dict) else None
    if isinstance(given, dict) and given.get("content") in _READS_FILES:
        _refuse("its text vectorizer reads files: use input='content'")
    return name


def _shown(value: object) -> str:
    return ascii(value)[1:-1][:100]


def _refuse(why: str) -> NoReturn:
    raise Refused("FormatRefused", f"the artifact is refused: {why}")
