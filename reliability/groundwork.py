"""Sets up a ground: git over https, a registry with three versions, an app of two slots."""

import contextlib
import hashlib
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gitslot.registry.golden import ROWS
from gitslot.registry.registry import Registry, golden_name
from reliability.cloud import APP
from reliability.ground import FIRST, OTHERS, SLOTS, STICKY, Ground, Launcher
from tests.platform import start_platform, until
from tests.servers import git_backend, serving
from tests.story.stage import make_repository, serving_package, trained


@contextlib.contextmanager
def open_ground(folder: Path) -> Iterator[Ground]:
    """Make a ground on which both slots run the serving app without a model."""
    repository = make_repository(folder / "repository")
    for option in ("allowFilter", "allowAnySHA1InWant"):
        repository.git("config", f"uploadpack.{option}", "true")
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(
            serving(folder, partial(git_backend, repository.path, repository.env))
        )
        platform = stack.enter_context(start_platform(folder / "platform"))
        launcher = Launcher(folder)
        stack.callback(launcher.stop)
        ground = Ground(platform, repository, launcher, folder, address)
        _register(ground)
        _make_app(ground)
        yield ground


def _register(ground: Ground) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(ground.platform.facts["ca_bundle"]))
        registry = Registry(ground.platform.storage, ground.platform.credential)
        registry.ensure_containers()
        for seed, version in enumerate((FIRST, *OTHERS), 1):
            built = trained(version, seed)
            raw, golden = _fewer_rows(built.raw, built.golden)
            registry.register(raw, built.artifact, golden)


def _fewer_rows(raw: bytes, golden: bytes) -> tuple[bytes, bytes]:
    """Return manifest and file with as few golden rows as may be: each takes its time."""
    manifest, rows = json.loads(raw), json.loads(golden)
    fewer = json.dumps({name: found[: ROWS[0]] for name, found in rows.items()}).encode()
    sha256 = hashlib.sha256(fewer).hexdigest()
    described = {"name": golden_name(sha256), "sha256": sha256, "size": len(fewer)}
    manifest["golden"] |= described | {"rows": ROWS[0]}
    return json.dumps(manifest).encode(), fewer


def _make_app(ground: Ground) -> None:
    platform, web = ground.platform, ground.platform.web.web_apps
    settings = {
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "MODEL_PREDICT_AUTH": "anonymous",
        "WEBSITE_RUN_FROM_PACKAGE": platform.upload(serving_package()),
        STICKY: "green",
    }
    platform.create_app(APP, settings)
    names: Any = {"properties": {"appSettingNames": [STICKY]}}
    web.update_slot_configuration_names(platform.group, APP, names)
    staging: Any = {"properties": settings | {STICKY: "blue"}}
    web.update_application_settings_slot(platform.group, APP, "staging", staging)
    ground.wanted = dict.fromkeys(SLOTS, "none")
    until(lambda: ground.seen(0.0) == ground.wanted, "both slots are up")
