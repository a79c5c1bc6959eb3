"""
Values: serving packages, and what a model needs of one. Frozen, free of I/O.

A package is one version of a function app's code. Its builds hold the same code with other
libraries, so that a slot carries only what its model needs. Nobody names a build: it is chosen by
what the model's manifest says.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitslot.state.reasons import Edit, Next, Run

ANY = "any"  # the one build of an app that is not ours, and of the controller
CONTRACTS = (1, 2)  # of serving: 1 is arrays of numbers, 2 is typed columns and both runtimes


@dataclass(frozen=True, slots=True)
class Needs:
    """
    What a model asks of the code that serves it: a serving *contract* and a *runtime*.

    *sklearn* is the minor version of scikit-learn ("1.9") that the runtime `sklearn` must have.
    *memory* is what a process that serves it holds, in bytes; 0 where nobody measured it.
    """

    contract: int = 1
    runtime: str = "onnx"
    sklearn: str = ""
    memory: int = 0


@dataclass(frozen=True, slots=True)
class Build:
    """
    One zip of a package: *sha256* and *size* in bytes of it, *build* id of its source.

    *url* is the value of WEBSITE_RUN_FROM_PACKAGE, or empty outside a registry; *python* is the
    version that it runs on, *sklearn* the minor version of scikit-learn in it, where there is one.
    """

    sha256: str
    size: int
    package: str
    build: str
    python: str
    sklearn: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A serving package: the *contract* that its code keeps, and its builds by their names."""

    version: str
    contract: int
    builds: Mapping[str, Build] = field(hash=False)

    @property
    def first(self) -> Build:
        """Return the build that a slot without a model begins with."""
        return next(iter(self.builds.values()))

    def build_for(self, needs: Needs) -> Build | None:
        """Return the build that has the runtime of *needs*, or None where there is none."""
        return self.builds.get(ANY) or self.builds.get(needs.runtime)

    def url_for(self, needs: Needs, runs: str) -> str:
        """Return the URL of that build; *runs*, where that is the same zip by another address."""
        build = self.build_for(needs)
        return runs if build is None or f"/{build.sha256}.zip" in runs else build.url


def shortfall(package: Package, needs: Needs) -> tuple[str, Next] | None:
    """Return what *package* lacks to serve a model that has *needs*, and what helps, or None."""
    build, name = package.build_for(needs), f"code {package.version}"
    new = ("gitslot", "package", "--version", "VERSION")
    helps = "registers a newer package; name it in the file as `code: VERSION`"
    if package.contract < needs.contract:
        why = f"{name} keeps serving contract {package.contract}, the model needs {needs.contract}"
        if ANY in package.builds:
            what = "serve it as contract 2 asks (docs/use/serving-contract.md), package it with "
            return why, Edit(f"{what}`gitslot package FOLDER --version VERSION --contract 2`")
        return why, Run((new,), helps)
    if build is None:
        return f"{name} has no build with {needs.runtime}, which the model needs", Run(
            (new,), helps
        )
    if needs.sklearn and build.sklearn not in ("", needs.sklearn):
        why = f"{name} has scikit-learn {build.sklearn}, the model was trained with {needs.sklearn}"
        return why, Run(((*new, "--sklearn", needs.sklearn),), helps)
    return None
