"""
What the file wants, looked up in the registry: releases, their manifests, packages of code.

Each is read once a process, and anew for a write: whoever may write blobs can overwrite one.
"""

from dataclasses import replace

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
        self._whole: set[str] = set()  # zips whose bytes are as their names say

    def manifest(
        self, model: str, version: str, expected: str = "", *, anew: bool = False
    ) -> Manifest:
        """
        Return a manifest, read *anew* or where the kept one has not the digest that is *expected*.

        Raises UnknownVersion or ManifestInvalid where there is none.
        """
        key = (model, version)
        known = self._manifests.pop(key, None)
        if known is None or anew or known.digest != (expected or known.digest):
            known = self._registry.manifest(model, version, known)
        self._manifests[key] = known
        return known

    def _package(self, version: str, *, anew: bool = False) -> Package:
        known = self._packages.pop(version, None)
        if known is None or anew:
            known = self._registry.package(version)
        self._packages[version] = known
        return known

    def code_at(self, url: str, *, anew: bool = False) -> Package | Refusal | None:
        """
        Return the package whose zip is at *url*, or None where the registry knows none.

        A Refusal where its manifest no longer lists that zip: it was overwritten.
        """
        version = self._registry.code_version(url)
        if not version or version in self._unknown:
            return None
        try:
            package = self._package(version, anew=anew)
        except (UnknownVersion, ManifestInvalid):
            self._unknown.add(version)  # somebody's own way of delivering code: not asked again
            return None
        if url not in {build.url for build in package.builds.values()}:
            self._packages.pop(version, None)  # it is looked at again
            why = "lists other zips than the one that a slot runs; put its old manifest back"
            return Refusal("DigestChanged", f"the manifest of code {version} {why}")
        return package

    def flaw_of_code(self, url: str) -> str:
        """Return what is wrong with the zip at *url*, or ""; only the registry's are checked."""
        if url in self._whole or not self._registry.code_version(url):
            return ""
        flaw = self._registry.zip_flaw(url)
        if not flaw:
            self._whole.add(url)
        return flaw

    def resolve(
        self, model: str, wanted: Wanted, remembered: str = "", *, anew: bool = False
    ) -> Resolved | Refusal:
        """
        Return the release that *wanted* names, or why the registry refuses it.

        Without a pin it is the one of the *remembered* digest, where there is one, whatever the
        registry holds by now.
        """
        expected = wanted.pin or remembered
        try:
            manifest = self.manifest(model, wanted.version, expected, anew=anew)
            package = self._package(wanted.code, anew=anew) if wanted.code else None
        except (UnknownVersion, ManifestInvalid) as error:
            return Refusal(error.reason, error.message)
        if wanted.pin and wanted.pin != manifest.digest:
            why = "is registered with another digest than the file pins"
            return Refusal("DigestMismatch", f"{model} {wanted.version} {why}")
        release = Release(model, wanted.version, expected or manifest.digest)
        changed = "" if manifest.digest == release.digest else manifest.digest
        resolved = Resolved(release, None, None, manifest.needs, changed, known=bool(expected))
        if package is None:
            return resolved
        needs = manifest.needs
        if lacks := shortfall(package, needs):
            what, step = lacks
            entry = REASONS["RuntimeMissing"]
            return Refusal(entry.name, entry.message({"what": what}, step))
        build = package.build_for(needs)
        assert build is not None
        return replace(resolved, package=build.url, build=build.build)
