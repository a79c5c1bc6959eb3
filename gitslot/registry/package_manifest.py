"""
The manifest of a serving package: bytes from Blob Storage into a frozen Package, and back.

The old form, of one build and with no `format`, is of packages that only know ONNX.
"""

import json
from types import MappingProxyType

from gitslot.registry import strict
from gitslot.registry.manifest import is_minor, is_name
from gitslot.state.code import ANY, CONTRACTS, Build, Package

FORMAT = 2
MAX_BYTES = 64 * 1024
BUILDS = ("onnx", "sklearn", ANY)  # in the order in which they are read
_KEYS = ("sha256", "size", "package", "build", "python")


def parse_package(raw: bytes) -> Package:
    """Parse *raw* strictly; raise ManifestInvalid, which names the place and the problem."""
    top = strict.mapping(strict.load(raw, "manifest", MAX_BYTES), "manifest")
    if "format" not in top:
        strict.exact(top, "manifest", "version", *_KEYS)
        version = strict.matching(top.pop("version"), "version", is_name, "a version")
        return Package(version, 1, MappingProxyType({"onnx": _build(top, "manifest")}))
    strict.exact(top, "manifest", "format", "version", "contract", "builds")
    strict.integer(top["format"], "format", FORMAT, FORMAT)
    given = strict.mapping(top["builds"], "builds")
    if not given or set(given) - set(BUILDS) or (ANY in given and len(given) > 1):
        strict.refuse("builds", "must have onnx, sklearn or both, or any alone")
    return Package(
        version=strict.matching(top["version"], "version", is_name, "a version"),
        contract=strict.integer(top["contract"], "contract", CONTRACTS[0], CONTRACTS[-1]),
        builds=MappingProxyType(
            {name: _build(given[name], f"builds.{name}") for name in BUILDS if name in given}
        ),
    )


def _build(value: object, where: str) -> Build:
    found = strict.exact(value, where, *_KEYS, optional=("sklearn",))
    sklearn = found.get("sklearn")
    return Build(
        sha256=strict.sha256(found["sha256"], f"{where}.sha256"),
        size=strict.integer(found["size"], f"{where}.size", 1, 1 << 31),
        package=strict.matching(found["package"], f"{where}.package", is_name, "a name"),
        build=strict.matching(found["build"], f"{where}.build", is_name, "a build id"),
        python=strict.text(found["python"], f"{where}.python"),
        sklearn=""
        if sklearn is None
        else strict.matching(sklearn, f"{where}.sklearn", is_minor, "like 1.9"),
    )


def written(package: Package) -> bytes:
    """Return the manifest.json of *package*. The account's address is no part of it."""
    builds = {
        name: {key: value for key in (*_KEYS, "sklearn") if (value := getattr(build, key))}
        for name, build in package.builds.items()
    }
    top = {"version": package.version, "contract": package.contract, "builds": builds}
    return (json.dumps({"format": FORMAT, **top}, indent=1) + "\n").encode()
