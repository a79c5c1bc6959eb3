"""Sets up a ground: git over https, a registry with three versions, an app of two slots."""

import contextlib
import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from controller.manifest import GOLDEN_ROWS
from controller.registry import Registry
from tests.controller.servers import Answer, Handler, serving
from tests.platform import Platform, start_platform, until
from tests.reliability.cloud import APP
from tests.reliability.ground import FIRST, OTHERS, SLOTS, STICKY, Ground, Launcher
from tests.story.stage import Repository, make_repository, serving_package, trained


@contextlib.contextmanager
def open_ground(folder: Path) -> Iterator[Ground]:
    """Make a ground on which both slots run the serving app without a model."""
    repository = make_repository(folder / "repository")
    for option in ("allowFilter", "allowAnySHA1InWant"):
        repository.git("config", f"uploadpack.{option}", "true")
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(serving(folder, lambda h, b: _git(repository, h, b)))
        platform = stack.enter_context(start_platform(folder / "platform"))
        launcher = Launcher(folder)
        stack.callback(launcher.stop)
        ground = Ground(platform, repository, launcher, folder, address)
        _register(ground)
        _make_app(ground)
        yield ground


def _git(repository: Repository, handler: Handler, body: bytes) -> Answer:
    """Answer as git's own server does."""
    path, _, query = handler.path.partition("?")
    if handler.headers.get("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    done = subprocess.run(
        ["git", "http-backend"],
        env={
            **repository.env,
            "GIT_PROJECT_ROOT": str(repository.path.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": handler.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
            "REMOTE_ADDR": "127.0.0.1",
        },
        input=body,
        capture_output=True,
        check=True,
    )
    head, _, content = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(headers.pop("Status", "200").split()[0]), headers, content


def _register(ground: Ground) -> None:
    with _trusting(ground.platform):
        registry = Registry(ground.platform.storage, ground.platform.credential)
        registry.ensure_containers()
        for seed, version in enumerate((FIRST, *OTHERS), 1):
            built = trained(version, seed)
            registry.register(_fewer_rows(built.raw), built.artifact)


def _fewer_rows(raw: bytes) -> bytes:
    """Return a manifest with as few golden rows as one may hold: each takes its time."""
    manifest = json.loads(raw)
    for name in ("inputs", "labels", "probabilities"):
        manifest["golden"][name] = manifest["golden"][name][: GOLDEN_ROWS[0]]
    return json.dumps(manifest).encode()


@contextlib.contextmanager
def _trusting(platform: Platform) -> Iterator[None]:
    """Let clients of this process that take no certificate trust *platform* for a moment."""
    before = os.environ.get("REQUESTS_CA_BUNDLE")
    os.environ["REQUESTS_CA_BUNDLE"] = str(platform.facts["ca_bundle"])
    try:
        yield
    finally:
        if before is None:
            del os.environ["REQUESTS_CA_BUNDLE"]
        else:
            os.environ["REQUESTS_CA_BUNDLE"] = before


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
