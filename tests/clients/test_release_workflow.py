"""What release.yml uploads is what the registry reads, with the real `az`."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitslot.registry.registry import Registry
from tests.clients.azure_cli import log_in, shell_environment
from tests.infra.page import ROOT
from tests.platform import start_platform
from tests.processes import run

pytestmark = [pytest.mark.clients, pytest.mark.long]


def test_a_release_is_there_once_and_for_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run again, the job changes nothing; run for other bytes, it fails and changes nothing."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))
    (script,) = [
        step["run"] for step in workflow["jobs"]["publish"]["steps"] if step.get("name") == "Upload"
    ]
    python = shlex.quote(sys.executable)
    thin = f"{python} -m gitslot.registry.package --thin --out {tmp_path}"
    script = script.replace(".venv/bin/python -m gitslot.registry.package", thin)
    script = script.replace("dist/code", f"{tmp_path}/code").replace(" there", f" {tmp_path}/there")
    with start_platform(tmp_path / "platform") as platform:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(platform.facts["ca_bundle"]))
        env = {
            **shell_environment(tmp_path, platform),
            "STORE": platform.storage,
            "GITHUB_REF_NAME": "v3.1.0",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        }
        log_in(env, platform)
        platform.blobs.create_container("code")

        def publish() -> subprocess.CompletedProcess[str]:
            """Run the step as GitHub does, with bash -e."""
            return run("bash", "-e", "-c", script, cwd=ROOT, env=env)

        for _ in range(2):
            done = publish()
            assert done.returncode == 0, done.stderr[-3000:]
        registry = Registry(platform.storage, platform.credential)
        packages = {app: registry.package(f"{app}-3.1.0") for app in ("serving-app", "controller")}
        summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
        assert all(package.first.url in summary for package in packages.values())

        client = platform.blobs.get_container_client("code")
        client.upload_blob("serving-app-3.1.0/manifest.json", b"{}", overwrite=True)
        assert publish().returncode != 0
        kept = client.download_blob("serving-app-3.1.0/manifest.json").readall()
        assert kept == b"{}"
