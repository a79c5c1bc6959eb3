"""No secret leaves its place: canaries in every secret, and all that was said is searched."""

import contextlib
import logging
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from gitslot.edges import settings as settings_
from gitslot.reconcile import World, observe
from gitslot.record.log import log_event
from gitslot.rounds import reconcile
from gitslot.state.decision import Converged, Frozen
from gitslot.world import open_world
from tests.edges.git.test_source import Origin
from tests.platform import Platform
from tests.processes import python
from tests.servers import serving
from tests.story.stage import Stage, set_stage

TOKEN = "canary-git-token"
HOOK = "canary-webhook-secret"
PASSWORD = "canary-database-password"
SAS = "https://team.blob.core.windows.net/x?sv=2024-11-04&sig=canary-sas-signature"
STICKY = "canary-of-one-slot"
TYPED = """
import sys
from gitslot.cli.app import run
for command in sys.argv[1:]:
    code = run(command.split())
    assert code in (0, 1), (command, code)
"""


class Watched:
    """The laptop user's credential, remembering the tokens that it gave."""

    def __init__(self, platform: Platform) -> None:
        self._inner, self.tokens = platform.credential, set[str]()

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        token = self._inner.get_token(*scopes, **options)
        self.tokens.add(token.token)
        return token


class Story:
    """A stage whose repository is private and whose app is full of secrets; all that was said."""

    def __init__(self, stage: Stage, address: str, bundle: Path) -> None:
        self.stage, self.said = stage, list[str]()
        self.credential = Watched(stage.platform)
        self.environment = {
            **stage.environment,
            "GITSLOT_REPO": f"{address}/repository",
            "GITSLOT_GIT_TOKEN": TOKEN,
            "GITSLOT_WEBHOOK_SECRET": HOOK,
            "REQUESTS_CA_BUNDLE": str(bundle),
            "SSL_CERT_FILE": str(bundle),
        }

    def world(self, **changes: str) -> World:
        """Return a controller as it runs on Azure, told to standard logging."""
        settings = settings_.read({**self.environment, **changes})
        self.said.append(repr(settings))
        return open_world(settings, self.credential, tell=log_event)

    def run(self, *commands: str) -> None:
        """Run commands, one after the other in one process, and keep all that they print."""
        env = {**self.stage.environment, **self.environment}
        where, merged = self.stage.repository.path, subprocess.STDOUT
        done = python("-c", TYPED, *commands, cwd=where, env=env, timeout=120, stderr=merged)
        self.said.append(done.stdout)
        assert done.returncode == 0, done.stdout

    def keys(self) -> set[str]:
        """Return the function keys of both slots."""
        web, group = self.stage.platform.web.web_apps, self.stage.platform.group
        own = web.list_host_keys(group, self.stage.app)
        found = (own, web.list_host_keys_slot(group, self.stage.app, "staging"))
        functions = {key for keys in found for key in (keys.function_keys or {}).values()}
        return functions | {str(keys.master_key) for keys in found}

    def journal(self) -> str:
        """Return every blob that the controller wrote."""
        container = self.stage.platform.blobs.get_container_client("gitslot")
        return "".join(
            container.download_blob(blob.name).readall().decode() for blob in container.list_blobs()
        )


@pytest.fixture
def story(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Story]:
    with set_stage(platform, tmp_path, auth="function") as stage:
        (tmp_path / "tls").mkdir()
        origin = Origin(stage.repository.path, dict(stage.repository.env), token=TOKEN)
        for option in ("allowFilter", "allowAnySHA1InWant"):
            stage.repository.git("config", f"uploadpack.{option}", "true")
        with serving(tmp_path / "tls", origin.respond) as address:
            bundle = tmp_path / "bundle.pem"
            parts = [stage.platform.facts["ca_bundle"], tmp_path / "tls/cert.pem"]
            bundle.write_bytes(b"\n".join(Path(part).read_bytes() for part in parts))
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
            monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
            yield Story(stage, address, bundle)


def test_no_secret_is_said_through_a_whole_story(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    """Release, drift by hand, rollback, a broken file, a refused token: all loggers at DEBUG."""
    caplog.set_level(logging.DEBUG)
    stage, world = story.stage, story.world()
    for slot in ("production", "staging"):
        stage.change(slot, DB_PASSWORD=PASSWORD, TEAM_STORE=SAS)
    stage.change("staging", ONLY_HERE=STICKY)
    stage.repository.want("1.4.0")
    assert isinstance(reconcile(stage.app, world), Converged)
    stage.change("production", DB_PASSWORD=PASSWORD + "-2")
    stage.repository.want("1.5.0")
    assert isinstance(reconcile(stage.app, world), Converged)
    stage.repository.revert()
    stage.platform.faults(
        {"operation": "appsettings-put", "status": 400, "code": "BadRequest", "times": 1}
    )
    assert isinstance(reconcile(stage.app, world), Converged)
    stage.repository.commit("app: [")
    assert isinstance(reconcile(stage.app, world), Frozen)
    for name, value in (("GIT_TOKEN", TOKEN + "-wrong"), ("ARM", "https://localhost:1")):
        other = story.world(**{f"GITSLOT_{name}": value})
        seen = observe(stage.app, other)
        story.said.append(repr((seen, other)))
    with contextlib.suppress(Exception):
        story.world(GITSLOT_REPO=f"https://sam:{PASSWORD}@localhost/x")
    stage.repository.want("1.5.0")
    story.run(
        *("status -o json", "status", "plan", "plan -o json", "logs", "logs -o json", "history"),
        *("reconcile", "doctor", "doctor -o json", f"adopt {stage.app} -"),
    )
    records = [f"{r.getMessage()} {vars(r)} {r.exc_text}" for r in caplog.records]
    said = "\n".join([*story.said, *records, story.journal()])
    assert "Converged" in said
    secrets = {TOKEN, HOOK, PASSWORD, "canary-sas-signature", STICKY} | story.keys()
    assert len(story.credential.tokens) >= 1
    for secret in secrets | story.credential.tokens:
        assert secret not in said, said[max(0, said.index(secret) - 300) :][:400]
