"""
The files of a team's own repository: what `gitslot init` writes, from the templates beside this.

Pure: it reads the templates and writes nothing.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gitslot.edges import gitslot_toml
from gitslot.edges.file.edit import needs_quotes
from gitslot.edges.settings import FILE
from gitslot.state.wanted import SUFFIX

_EXAMPLES = {
    "storage": "https://ACCOUNT.blob.core.windows.net",
    "repository": "https://HOST/TEAM/REPOSITORY",
    "branch": "main",
}
_TEMPLATES = Path(__file__).with_name("starter_files")


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What the repository is for; *base* is the folder in it where people work.

    *folder* holds a file for each app; empty for a single file. *settings* are those of
    .gitslot.toml that are known, by their key. *requirement* installs gitslot in the workflows.
    """

    base: PurePosixPath
    app: str
    model: str
    version: str
    folder: str
    environments: tuple[str, ...]
    settings: Mapping[str, str]
    owner: str
    requirement: str

    @property
    def apps(self) -> dict[PurePosixPath, str]:
        """Return each folder that has a file of its own to watch, and the app it is about."""
        if not self.environments:
            return {self.base: self.app}
        return {self.base / "envs" / name: f"{self.app}-{name}" for name in self.environments}


def files(wish: Wish) -> dict[PurePosixPath, str]:
    """Return the content of every file, by its path from the root of the repository."""
    base, github = wish.base, PurePosixPath(".github")
    first = next(iter(wish.apps))
    watched = wish.folder or FILE
    found: dict[PurePosixPath, str] = {}
    for place, app in wish.apps.items():
        named = f"{wish.folder}/{app}{SUFFIX}" if wish.folder else FILE
        line = "" if wish.folder else f"app: {_scalar(app)}\n"
        found[place / named] = _filled("app.yaml", wish, app=app, app_line=line)
        if place != base:
            file = {"storage": "", "file": str(place / watched)}
            found[place / gitslot_toml.NAME] = _settings(wish, file)
    file = {} if wish.environments else {"file": str(base / watched)}
    found |= {
        base / gitslot_toml.NAME: _settings(wish, {**wish.settings, **file}),
        base / "train.py": _filled("train.txt", wish),
        base / "README.md": _filled("README.md", wish, **_readme(wish, watched)),
        base / ".gitignore": _filled("gitignore", wish),
        github / "workflows/gitslot-plan.yml": _filled("plan.yml", wish, **_plan(wish, watched)),
        github / "workflows/gitslot-register.yml": _filled(
            "register.yml",
            wish,
            training=str(base),
            first=str(first),
            app=wish.apps[first],
        ),
        github / "gitslot-requirements.txt": _filled("requirements.txt", wish),
        github / "CODEOWNERS": _filled("CODEOWNERS", wish, owned=_owned(wish, watched)),
    }
    return found


def _plan(wish: Wish, watched: str) -> dict[str, str]:
    inside = f"{watched}/**" if wish.folder else watched
    return {
        "branch": _scalar(wish.settings.get("branch") or "main"),
        "paths": ", ".join(json.dumps(str(place / inside)) for place in wish.apps),
        "folders": ", ".join(_scalar(str(place)) for place in wish.apps),
        "environments": _matrix(wish, _plans(wish)),
        "productions": _matrix(wish, _productions(wish)),
        "watched": watched,
    }


def _matrix(wish: Wish, environments: list[str]) -> str:
    places = zip(wish.apps, environments, strict=True)
    rows = (f"{{folder: {_scalar(str(place))}, environment: {each}}}" for place, each in places)
    return "\n".join(f"          - {row}" for row in rows)


def _plans(wish: Wish) -> list[str]:
    """Return the environment of GitHub in which each app is planned."""
    return [f"gitslot-plan-{name}" for name in wish.environments] or ["gitslot-plan"]


def _productions(wish: Wish) -> list[str]:
    """Return the environment of GitHub in which each app's production is waited for."""
    return [f"production-{name}" for name in wish.environments] or ["production"]


def _owned(wish: Wish, watched: str) -> str:
    start = "" if wish.owner else "# "
    inside = [watched + ("/" if wish.folder else ""), gitslot_toml.NAME]
    paths = [f"/{place / name}" for place in wish.apps for name in inside] + ["/.github/"]
    return "\n".join(f"{start}{path} {wish.owner or '@your-org/your-team'}" for path in paths)


def _readme(wish: Wish, watched: str) -> dict[str, str]:
    first, *others = wish.environments or ("",)
    promote = "\n".join(
        f"| promote from {first} to {name} | `cd envs/{name} && gitslot bump --from ../{first}` |"
        for name in others
    )
    return {
        "shown": "envs/" if wish.environments else watched + ("/" if wish.folder else ""),
        "promote": promote,
        "enter": f"cd envs/{first} && " if first else "",
        "plan_environments": ", ".join(f"`{plan}`" for plan in _plans(wish)),
        "wait_environments": ", ".join(f"`{each}`" for each in _productions(wish)),
        "local": wish.requirement.replace("gitslot", "gitslot[local]", 1),
    }


def _settings(wish: Wish, settings: Mapping[str, str]) -> str:
    """Return a .gitslot.toml with *settings*; what is not known yet is a comment."""
    lines = {f"{key}_line": "" for key in gitslot_toml.KEYS}
    for key, value in settings.items():
        start = "" if value else "# "
        lines[f"{key}_line"] = f"{start}{key} = {json.dumps(value or _EXAMPLES[key])}  "
    text = _filled("gitslot.toml", wish, **lines)
    return "".join(line for line in text.splitlines(True) if not line.startswith("# GITSLOT_"))


def _filled(template: str, wish: Wish, **values: str) -> str:
    """Return *template* with each @name@ replaced by its value."""
    known = {
        "app": wish.app,
        "model": wish.model,
        "quoted_model": _scalar(wish.model),
        "version": _scalar(wish.version),
        "requirement": wish.requirement,
        **values,
    }
    text = (_TEMPLATES / template).read_text(encoding="utf-8")
    return re.sub(r"@([a-z_]+)@\n?", lambda match: _value(known, match), text)


def _value(known: Mapping[str, str], match: re.Match[str]) -> str:
    """Return the value for *match*; a line that is only an empty value goes away."""
    value = known[match[1]]
    return value + "\n" if match[0].endswith("\n") and value else value


def _scalar(text: str) -> str:
    """Return *text* as YAML that everybody reads as text."""
    return f'"{text}"' if needs_quotes(text) else text
