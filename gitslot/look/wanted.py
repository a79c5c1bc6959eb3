"""
What the file wants, looked up in the registry: releases, their manifests, packages of code.

Versions are immutable, so each is read once a process.
"""

from gitslot.errors import ManifestInvalid, UnknownVersion
from gitslot.registry.manifest import Manifest, Package
from gitslot.registry.registry import Registry
from gitslot.state.wanted import Refusal, Release, Resolved, Wanted


class Catalog:
    """The registry, with what was read of it. Every method raises RegistryUnavailable."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._manifests: dict[tuple[str, str], Manifest] = {}
        self._packages: dict[str, Package] = {}

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
        release = Release(model, wanted.version, manifest.digest)
        return Resolved(release, package.url, package.build) if package else Resolved(release)
