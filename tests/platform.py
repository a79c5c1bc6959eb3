"""
Start the local platform for tests and benches, and everything one needs to talk to it.

A story reads like this::

    with start_platform(tmp_path / "state") as platform:
        platform.create_app("app", package=zip_bytes)
        platform.web.web_apps.begin_swap_slot(...)
"""

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import ResourceExistsError
from azure.mgmt.web import WebSiteManagementClient
from azure.mgmt.web.models import AppServicePlan, Site, SkuDescription
from azure.storage.blob import BlobServiceClient

ROOT = Path(__file__).resolve().parent.parent
# Where a test run is killed, what it started ends with it.
LEASH = (sys.executable, str(ROOT / "emulator" / "machine" / "die_with_parent.py"))
START_S = 90.0
STOP_S = 40.0
PATIENCE_S = 60.0


class LaptopCredential:
    """The laptop user, without the environment of the process that Azure's own class reads."""

    def __init__(self, endpoint: str, header: str) -> None:
        self.endpoint = endpoint
        self.header = header

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        answer = requests.get(
            self.endpoint,
            params={"resource": scopes[0].removesuffix("/.default"), "api-version": "2019-08-01"},
            headers={"X-IDENTITY-HEADER": self.header},
            timeout=30,
        )
        answer.raise_for_status()
        found = answer.json()
        return AccessToken(found["access_token"], int(found["expires_on"]))


@dataclass
class Platform:
    """A running platform: what platform.json says, clients for it, and its switches."""

    process: subprocess.Popen[bytes]
    state: Path
    facts: Mapping[str, Any]

    @property
    def arm(self) -> str:
        return str(self.facts["arm"])

    @property
    def admin(self) -> str:
        return str(self.facts["admin"])

    @property
    def ca(self) -> str:
        return str(self.facts["ca"])

    @property
    def storage(self) -> str:
        return str(self.facts["storage"])

    @property
    def subscription(self) -> str:
        return str(self.facts["subscription"])

    @property
    def group(self) -> str:
        return str(self.facts["resource_group"])

    @property
    def environment(self) -> dict[str, str]:
        """Return what makes Azure's clients in another process talk to this platform."""
        return {
            "IDENTITY_ENDPOINT": str(self.facts["identity_endpoint"]),
            "IDENTITY_HEADER": str(self.facts["identity_header"]),
            "REQUESTS_CA_BUNDLE": str(self.facts["ca_bundle"]),
            "SSL_CERT_FILE": str(self.facts["ca_bundle"]),
            "AZURE_SUBSCRIPTION_ID": self.subscription,
        }

    @cached_property
    def credential(self) -> LaptopCredential:
        return LaptopCredential(self.facts["identity_endpoint"], self.facts["identity_header"])

    @cached_property
    def web(self) -> WebSiteManagementClient:
        """Return Microsoft's client, as it comes but for the address."""
        return WebSiteManagementClient(
            self.credential,
            self.subscription,
            base_url=self.arm,
            credential_scopes=[f"{self.arm}/.default"],
            connection_verify=self.ca,
        )

    @cached_property
    def blobs(self) -> BlobServiceClient:
        return BlobServiceClient(
            self.storage, credential=self.credential, connection_verify=self.ca
        )

    def bearer(self, resource: str = "") -> dict[str, str]:
        """Return the header with the laptop user's token for *resource*; for ARM by default."""
        token = self.credential.get_token(f"{resource or self.arm}/.default").token
        return {"Authorization": f"Bearer {token}"}

    def below(self, rest: str) -> str:
        """Return ARM's path of what is *rest* below the resource group."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.group}{rest}"

    def site_path(self, site: str, rest: str = "") -> str:
        """Return ARM's path of what is *rest* below *site*."""
        return self.below(f"/providers/Microsoft.Web/sites/{site}{rest}")

    def ask(
        self, method: str, path: str, *, query: str = "api-version=2025-05-01", **more: Any
    ) -> requests.Response:
        """Ask ARM for *path*, or for a whole address, as the laptop's user."""
        url = path if path.startswith("https://") else f"{self.arm}{path}?{query}"
        more["headers"] = {**self.bearer(), **more.get("headers", {})}
        return requests.request(method, url, verify=self.ca, timeout=30, **more)

    def admin_get(self, path: str) -> Any:
        answer = requests.get(f"{self.admin}{path}", timeout=30)
        answer.raise_for_status()
        return answer.json()

    def admin_put(self, path: str, value: Any) -> Any:
        answer = requests.put(f"{self.admin}{path}", json=value, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def faults(self, *rules: Mapping[str, Any]) -> None:
        """Put exactly these faults in force."""
        self.admin_put("/faults", list(rules))

    def history(self, *operations: str) -> list[Mapping[str, Any]]:
        """Return what happened, or of it the entries of *operations*."""
        entries: list[Mapping[str, Any]] = self.admin_get("/history")
        return [e for e in entries if not operations or e["operation"] in operations]

    def slots(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Return what the platform says of each slot, by site and slot."""
        return {(s["site"], s["slot"]): s for s in self.admin_get("/slots")}

    def upload(self, package: bytes) -> str:
        """Put *package* into the ``code`` container and return its URL."""
        container = self.blobs.get_container_client("code")
        with contextlib.suppress(ResourceExistsError):
            container.create_container()
        name = f"test/{hashlib.sha256(package).hexdigest()}.zip"
        container.upload_blob(name, package, overwrite=True)
        return f"{self.storage}/code/{name}"

    def create_app(
        self,
        name: str,
        settings: Mapping[str, str] | None = None,
        slots: tuple[str, ...] = ("staging",),
        sku: str = "EP1",
        *,
        in_slots: Mapping[str, str] | None = None,
    ) -> None:
        """
        Create a plan, a function app with *settings*, and *slots*.

        They have the settings *in_slots*, a copy of *settings* where that is None.
        """
        plan = self.web.app_service_plans.begin_create_or_update(
            self.group,
            f"{name}-plan",
            AppServicePlan(
                location=self.facts["location"], sku=SkuDescription({"name": sku}), kind="elastic"
            ),
        ).result()
        site: dict[str, Any] = {
            "location": self.facts["location"],
            "kind": "functionapp,linux",
            "properties": {"serverFarmId": plan.id, "siteConfig": _listed(settings or {})},
        }
        self.web.web_apps.begin_create_or_update(self.group, name, Site(site)).result()
        for slot in slots:
            properties: dict[str, Any] = {"serverFarmId": plan.id}
            if in_slots is not None:
                properties["siteConfig"] = _listed(in_slots)
            body = Site({"location": self.facts["location"], "properties": properties})
            self.web.web_apps.begin_create_or_update_slot(self.group, name, slot, body).result()

    def stop(self) -> None:
        """End it as Ctrl-C does, and everything with it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def kill(self) -> None:
        """End it as ``kill -9`` does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def _listed(settings: Mapping[str, str]) -> Mapping[str, Any]:
    return {"appSettings": [{"name": k, "value": v} for k, v in settings.items()]}


def start_platform(
    state: Path,
    *,
    latency: str = "zero",
    keep: bool = False,
    azurite: Path | None = None,
    roles: bool = False,
    account: str = "gitslot",
) -> Platform:
    """
    Start a platform on *state*, return it once ready; RuntimeError with its output if not.

    *keep* leaves a platform.json that is there, as for a second emulator on the same folder;
    *azurite* is a command other than npm's. Without *roles* storage asks for none: the slots of
    `create_app` have identities of their own, which no test could give a role before they start.
    """
    state.mkdir(parents=True, exist_ok=True)
    file = state / "platform.json"
    if not keep:
        file.unlink(missing_ok=True)
    output = state / "emulator.out"
    with output.open("ab") as log:
        process = subprocess.Popen(
            [
                *(LEASH if sys.platform == "linux" else ()),
                *(sys.executable, "-m", "emulator", "--state", str(state), "--latency", latency),
                *(("--azurite", str(azurite)) if azurite else ()),
                *("--account", account),
            ],
            cwd=ROOT,
            stdout=log,
            stderr=log,
            env={**os.environ, "HOME": str(state)},
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if file.exists():
            facts = json.loads(file.read_text())
            if facts["pid"] == process.pid:
                platform = Platform(process, state, facts)
                platform.admin_put("/rights", {"storage": roles})
                return platform
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise RuntimeError(f"the platform did not start: {output.read_text()}")


def until[T](look: Callable[[], T], what: str, patience_s: float = PATIENCE_S) -> T:
    """Return the first true answer of *look*; AssertionError naming *what* after *patience_s*."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.02)
    raise AssertionError(f"not within {patience_s:.0f} s: {what}")


def package(files: Mapping[str, str]) -> bytes:
    """Return a zip of *files* that is the same for the same files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), text)
    return buffer.getvalue()
