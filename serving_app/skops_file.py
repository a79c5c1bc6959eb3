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
    from .limits import SCHEMA, UNPACKED
    from .refused import Refused
else:  # the Functions worker puts this folder itself on sys.path
    from limits import SCHEMA, UNPACKED
    from refused import Refused

TREE = "schema.json"  # in the zip
PROTOCOL = 2  # the newest of skops; loaders of older ones check less
FILES = 100_000  # in the zip
# They make data, and instances of trusted classes. None binds a method or its arguments.
LOADERS = frozenset(
    (
        *("DictNode", "DefaultDictNode", "ListNode", "SetNode", "TupleNode", "JsonNode"),
        *("BytesNode", "SliceNode", "ObjectNode", "TypeNode", "FunctionNode", "LossNode"),
        *("TreeNode", "NdArrayNode", "MaskedArrayNode", "DTypeNode", "SparseMatrixNode"),
        *("RandomStateNode", "RandomGeneratorNode"),
    )
)
# Told anything else, a text vectorizer reads the file that a client's row names.
_INPUT = '"content"'


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
            if archive.getinfo(TREE).file_size > SCHEMA:
                _refuse(f"its tree of names is larger than {SCHEMA} bytes")
            schema = json.loads(archive.read(TREE))
    except Refused:
        raise
    except Exception as error:  # zipfile lets its decompressors' own errors through
        raise Refused("FormatRefused", "the artifact is refused: it is not a skops file") from error
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
    name, loader = f"{node.get('__module__')}.{node.get('__class__')}", node.get("__loader__")
    if not isinstance(loader, str) or loader not in LOADERS:
        _refuse(f"it loads {_shown(name)} with {_shown(loader)}")
    if name not in trusted():
        _refuse(f"it holds {_shown(name)}, which is not in the serving app's trusted.txt")
    content = node.get("content")
    given = content.get("input") if isinstance(content, dict) else None
    if isinstance(given, dict) and given.get("content") != _INPUT:
        _refuse("its text vectorizer reads files: use input='content'")
    return name


def _shown(value: object) -> str:
    return ascii(value)[1:-1][:100]


def _refuse(why: str) -> NoReturn:
    raise Refused("FormatRefused", f"the artifact is refused: {why}")
