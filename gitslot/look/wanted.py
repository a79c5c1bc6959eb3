"""
What the file wants, looked up in the registry: releases, their manifests, packages of code.

Versions are immutable, so each is read once a process.
"""

from gitslot.errors import ManifestInvalid, UnknownVersion
from gitslot.registry.manifest import Manifest
from gitslot.registry.registry import Registry
from gitslot.state.code import Package, shortfall
from gitslot.state.reasons import REASONS
from gitslot.state.wanted import Refusal, Release, Resolved, Wanted


class Catalog:
    """The registry, with what was read of it. Every method raises RegistryUnavailable."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._packages: dict[str, Package] = {}
        self._unknown: set[str] = set()

    def manifest(self, model: str, version: str) -> Manifest:
        """Return a manifest; raises UnknownVersion or ManifestInvalid where there is none."""
        key = (model, version)
        if key not in self._manifests:
            self._manifests[key] = self._registry.manifest(model, version)
        return self._manifests[key]

    def _package(self, version: str) -> Package:
        if version not in self._packages:
            self._packages[version] = self._registry.package(version)
        return self._packages[version]

    def code_at(self, url: str) -> Package | None:
        """Return the package whose zip is at *url*, or None where the registry knows none."""
        version = self._registry.code_version(url)
        if not version or version in self._unknown:
            return None
        try:
            return self._package(version)
        except (UnknownVersion, ManifestInvalid):
            self._unknown.add(version)  # somebody's own way of delivering code: not asked again
            return None

    def resolve(self, model: str, wanted: Wanted) -> Resolved | Refusal:
        """Return the release that *wanted* names, or why the registry refuses it."""
        try:
            manifest = self.manifest(model, wanted.version)
            package = self._package(wanted.code) if wanted.code else None
        except (UnknownVersion, ManifestInvalid) as error:
            return Refusal(error.reason, error.message)
        if wanted.pin and wanted.pin != manifest.digest:
            why = "is registered with another digest than the file pins"
            return Refusal("DigestMismatch", f"{model} {wanted.version} {why}")
        release, needs = Release(model, wanted.version, manifest.digest), manifest.needs
        if package is None:
            return Resolved(release, needs=needs)
        if lacks := shortfall(package, needs):
            what, step = lacks
            entry = REASONS["RuntimeMissing"]
            return Refusal(entry.name, entry.message({"what": what}, step))
        build = package.build_for(needs)
        assert build is not None
        return Resolved(release, build.url, build.build, needs)
