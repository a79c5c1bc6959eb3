"""
Fill a local platform like a subscription: packages, apps, the controller.

It uses Microsoft's own clients, so the same calls would work on Azure. Every step reads what is
there and adds what is missing, so it may be repeated, and interrupted anywhere.
"""

import json
import re
import subprocess
import sys
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.web import WebSiteManagementClient
from azure.mgmt.web.models import AppServicePlan, Site, SkuDescription, StringDictionary

from gitslot.edges.azure.arm import Azure
from gitslot.edges.settings import FILE
from gitslot.http.login import credential
from gitslot.local.process import Facts, PlatformError, wait_until
from gitslot.registry.function_apps import ROOT as PROJECT
from gitslot.registry.package_manifest import parse_package
from gitslot.registry.registry import CODE, GITSLOT, MODELS, Registry
from gitslot.state.code import Package
from gitslot.state.slot_settings import WARMUP_SETTINGS

CONTROLLER = "gitslot-controller"
# The emulator then keeps what Application Insights would get: .gitslot/.../logs/*.insights.jsonl
INSIGHTS = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "local"}
SERVING = "gitslot-serving"  # the identity of all apps; the controller's is named like its app
PLAN = "gitslot-plan"
SKU = "EP1"  # Elastic Premium: the smallest plan for functions that has slots
SCHEDULE = "*/2 * * * * *"
STAGING = "staging"
RUNTIME = {"linuxFxVersion": "Python|3.13"}  # a slot is not born with production's
_START_S = 120.0
_READER, _WRITER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1", "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
# Which identity has which role on which container, as in docs/run/azure.md.
BLOB_ROLES = (
    *((name, blobs, _READER) for name in (SERVING, CONTROLLER) for blobs in (MODELS, CODE)),
    (CONTROLLER, GITSLOT, _WRITER),
)
_STORAGE = re.compile(r"https://127\.0\.0\.1:(\d+)/gitslot\b")

Progress: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Follow:
    """What the controller follows: a repository (path or URL), a ref, a file in it."""

    repository: str
    ref: str
    file: str = FILE

    def settings(self, facts: Facts) -> dict[str, str]:
        """Return the controller's settings on the platform of *facts*."""
        return {
            "GITSLOT_REPO": self.repository,
            "GITSLOT_REF": self.ref,
            "GITSLOT_FILE": self.file,
            "GITSLOT_STORAGE": facts.storage,
            "GITSLOT_ARM": facts.arm,
            "GITSLOT_PROFILE": "local",
        }


class Provisioner:
    """Fills the platform of *facts*; *work* is a folder for its zips and logs."""

    def __init__(self, facts: Facts, work: Path, progress: Progress) -> None:
        self._facts = facts
        self._work = work
        self._progress = progress

    @cached_property
    def registry(self) -> Registry:
        """Return the registry of this platform."""
        return Registry(self._facts.storage, credential())

    @cached_property
    def web(self) -> WebSiteManagementClient:
        """Return Microsoft's client for this platform's ARM."""
        return Azure(self._facts.arm, credential()).client(self._facts.subscription)

    # ------------------------------------------------------------ packages and models

    def package(self, app: str, *, thin: bool) -> Package:
        """Zip the function app *app* from the sources and register what is not there yet."""
        folder = self._work / "packages"
        words = [sys.executable, "-m", "gitslot.registry.package", app, "--out", str(folder)]
        words += ["--blobs", str(folder / "code"), *(["--thin"] if thin else [])]
        done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise PlatformError(f"cannot package {app}: {done.stderr.strip()[-300:]}")
        place = (folder / "code" / done.stdout.strip()).parent
        made = parse_package((place / "manifest.json").read_bytes())
        zips = {n: (place / f"{b.sha256}.zip").read_bytes() for n, b in made.builds.items()}
        return self.registry.register_package(made, zips)

    # ------------------------------------------------------------ apps

    def app(self, name: str, code: Package, settings: Mapping[str, str] | None = None) -> None:
        """Create the app *name* and its staging slot, both with *code* and no model, if missing."""
        if self._exists(name):
            self._follow_storage(name)
        else:
            self._create(
                name,
                SERVING,
                {
                    "FUNCTIONS_EXTENSION_VERSION": "~4",
                    "WEBSITE_RUN_FROM_PACKAGE": code.first.url,
                    "MODEL_PREDICT_AUTH": "anonymous",
                    **WARMUP_SETTINGS,
                    **INSIGHTS,
                    **(settings or {}),
                },
            )
        if not self._exists(name, STAGING):
            self.web.web_apps.begin_create_or_update_slot(
                self._facts.resource_group, name, STAGING, Site(self._body(RUNTIME, SERVING))
            ).result()

    def _follow_storage(self, name: str) -> None:
        """Point the slots of *name* at today's storage: its port may be another program's now."""
        apps, group = self.web.web_apps, self._facts.resource_group
        for slot in [each["slot"] for each in slots(self._facts) if each["site"] == name]:
            words, suffix = ((name,), "") if slot == "production" else ((name, slot), "_slot")
            there = getattr(apps, f"list_application_settings{suffix}")(group, *words).properties
            wanted = {key: _STORAGE.sub(self._facts.storage, each) for key, each in there.items()}
            if wanted != dict(there):
                port = _STORAGE.findall(" ".join(there.values()))[0]
                self._progress(f"{name}/{slot}: another program has port {port} of the storage")
                update = getattr(apps, f"update_application_settings{suffix}")
                update(group, *words, StringDictionary(properties=wanted))

    def controller(self, code: Package, follow: Follow) -> None:
        """Create the controller's own app, or bring its code and settings up to date."""
        wanted = {
            "FUNCTIONS_EXTENSION_VERSION": "~4",
            "WEBSITE_RUN_FROM_PACKAGE": code.first.url,
            "GITSLOT_SCHEDULE": SCHEDULE,
            "AzureWebJobsDisableHomepage": "true",
            **INSIGHTS,
            **follow.settings(self._facts),
        }
        if not self._exists(CONTROLLER):
            self._create(CONTROLLER, CONTROLLER, wanted)
            return
        apps, group = self.web.web_apps, self._facts.resource_group
        there = dict(apps.list_application_settings(group, CONTROLLER).properties or {})
        if {**there, **wanted} != there:
            self._progress("the controller gets new code or settings")
            apps.update_application_settings(
                group, CONTROLLER, StringDictionary(properties={**there, **wanted})
            )

    def key(self) -> str:
        """Return the key that opens the controller's page."""
        keys = self.web.web_apps.list_host_keys(self._facts.resource_group, CONTROLLER)
        return str((keys.function_keys or {})["default"])

    def entitle(self, *apps: str) -> None:
        """
        Give the controller the role of infra/role.json on each of *apps*, and nothing else in ARM.

        Raises PlatformError.
        """
        role = json.loads((PROJECT / "infra/role.json").read_bytes())
        permission = {"actions": role["Actions"], "notActions": role["NotActions"]}
        given = {
            "roleName": role["Name"],
            "assignableScopes": [self._place.removesuffix("/providers")],
            "permissions": [permission],
        }
        id_ = _guid(role["Name"])
        place = f"{self._place}/Microsoft.Authorization/roleDefinitions/{id_}"
        self._put(place, {"properties": given})
        for app in apps:
            self._assign(self._identities[CONTROLLER], id_, f"Microsoft.Web/sites/{app}")

    def _assign(self, identity: Mapping[str, Any], role: str, scope: str) -> None:
        """Give *identity* the *role*, a GUID, at *scope*, a path below the resource group."""
        properties = {
            "roleDefinitionId": f"{self._place}/Microsoft.Authorization/roleDefinitions/{role}",
            "principalId": identity["properties"]["principalId"],
            "principalType": "ServicePrincipal",
        }
        made = _guid(f"{identity['name']} {role} {scope}")
        place = f"{self._place}/{scope}/providers/Microsoft.Authorization/roleAssignments/{made}"
        self._put(place, {"properties": properties})

    @cached_property
    def _place(self) -> str:
        where = f"/subscriptions/{self._facts.subscription}"
        return f"{where}/resourceGroups/{self._facts.resource_group}/providers"

    @cached_property
    def _identities(self) -> Mapping[str, Any]:
        """Return the two identities with their roles on blobs, without which no app starts."""
        users = f"{self._place}/Microsoft.ManagedIdentity/userAssignedIdentities"
        where = {"location": self._facts.location}
        made = {name: self._put(f"{users}/{name}", where) for name in (SERVING, CONTROLLER)}
        account = f"Microsoft.Storage/storageAccounts/{self._facts.storage.rpartition('/')[2]}"
        for name, blobs, role in BLOB_ROLES:
            self._assign(made[name], role, f"{account}/blobServices/default/containers/{blobs}")
        return made

    def _put(self, path: str, body: Mapping[str, Any]) -> Any:
        """Create what *path* names in ARM, or leave it as it is."""
        token = credential().get_token(f"{self._facts.arm}/.default").token
        answer = requests.put(
            f"{self._facts.arm}{path}?api-version=2022-04-01",
            json=body,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )
        if not answer.ok and answer.status_code != 409:
            raise PlatformError(f"{path.rpartition('/')[0]} is refused: {answer.text[:200]}")
        return answer.json()

    def running(self, *names: str) -> None:
        """Return once every slot of *names* has a process that answers. Raises PlatformError."""

        def waiting() -> list[str]:
            return [
                f"{slot['site']}/{slot['slot']} is {slot['state']}"
                for slot in slots(self._facts)
                if slot["site"] in names and slot["state"] != "Running"
            ]

        if not wait_until(lambda: not waiting(), _START_S):
            raise PlatformError(f"not within {_START_S:.0f} s: {', '.join(waiting())}")

    def _exists(self, name: str, slot: str = "") -> bool:
        apps, group = self.web.web_apps, self._facts.resource_group
        try:
            if slot:
                apps.get_slot(group, name, slot)
            else:
                apps.get(group, name)
        except ResourceNotFoundError:
            return False
        return True

    def _create(self, name: str, identity: str, settings: Mapping[str, str]) -> None:
        """Create an app that is *identity* from its first start on."""
        mine = self._identities[identity]
        named = {
            "AZURE_CLIENT_ID": mine["properties"]["clientId"],
            "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID": mine["id"],
        }
        listed = [{"name": key, "value": value} for key, value in {**settings, **named}.items()]
        self.web.web_apps.begin_create_or_update(
            self._facts.resource_group,
            name,
            Site(self._body({**RUNTIME, "appSettings": listed}, identity)),
        ).result()

    def _body(self, config: Mapping[str, Any], identity: str) -> dict[str, Any]:
        properties: dict[str, Any] = {"serverFarmId": self._plan}
        if config:
            properties["siteConfig"] = config
        users: dict[str, Any] = {self._identities[identity]["id"]: {}}
        return {
            "location": self._facts.location,
            "kind": "functionapp,linux",
            "identity": {"type": "UserAssigned", "userAssignedIdentities": users},
            "properties": properties,
        }

    @cached_property
    def _plan(self) -> str:
        """Return the id of the plan that all apps share; create it on first use."""
        plan = AppServicePlan(
            location=self._facts.location, sku=SkuDescription({"name": SKU}), kind="elastic"
        )
        made = self.web.app_service_plans.begin_create_or_update(
            self._facts.resource_group, PLAN, plan
        ).result()
        return str(made.id)


def _guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"gitslot/{name}"))


def set_latency(facts: Facts, latency: str) -> None:
    """Make a running platform take the times of *latency*. Raises PlatformError."""
    answer = requests.put(f"{facts.admin}/latency", json={"name": latency}, timeout=30)
    if not answer.ok:
        raise PlatformError(f"the platform refuses the latency {latency}: {answer.text[:200]}")


def slots(facts: Facts) -> list[dict[str, Any]]:
    """Return each slot's addresses, state and process, as the platform reports them."""
    answer = requests.get(f"{facts.admin}/slots", timeout=30)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()
    return found
