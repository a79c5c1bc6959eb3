"""One function app on a platform, in the words of the tests."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpResponse
from azure.mgmt.web.models import (
    CsmSlotEntity,
    SlotConfigNames,
    SlotConfigNamesResource,
    StringDictionary,
)

from tests.platform import Platform, until


@dataclass(frozen=True, slots=True)
class App:
    """A function app with production and staging."""

    platform: Platform
    name: str

    @property
    def group(self) -> str:
        return self.platform.group

    @property
    def web(self) -> Any:
        return self.platform.web.web_apps

    def ask(self, method: str, rest: str = "", **more: Any) -> requests.Response:
        """Ask ARM for what is *rest* below this app."""
        return self.platform.ask(method, self.platform.site_path(self.name, rest), **more)

    def hosts(self, slot: str) -> dict[str, str]:
        """Return the slot's hosts: its front, "Standard", and its Kudu, "Repository"."""
        states = self.site(slot)["properties"]["hostNameSslStates"]
        return {state["hostType"]: state["name"] for state in states}

    def url(self, slot: str) -> str:
        """Return the slot's plain address."""
        return str(self.platform.slots()[self.name, slot]["http"])

    def get(self, slot: str, path: str = "/api/health", **more: Any) -> requests.Response:
        return requests.get(f"{self.url(slot)}{path}", timeout=60, **more)

    def serves(self, slot: str) -> str | None:
        """Return the version that the slot's process names; None unless it answers 200."""
        answer = self.get(slot)
        return answer.headers.get("x-model-version") if answer.status_code == 200 else None

    def wait_serves(self, slot: str, version: str) -> None:
        until(lambda: self.serves(slot) == version, f"{slot} serves {version}")

    def settings(self, slot: str) -> dict[str, str]:
        if slot == "production":
            return dict(self.web.list_application_settings(self.group, self.name).properties)
        listed = self.web.list_application_settings_slot(self.group, self.name, slot)
        return dict(listed.properties)

    def set(self, slot: str, changes: Mapping[str, str | None]) -> None:
        """Change some settings; None takes one away."""
        merged = {**self.settings(slot), **changes}
        body = StringDictionary(properties={k: v for k, v in merged.items() if v is not None})
        if slot == "production":
            self.web.update_application_settings(self.group, self.name, body)
            return
        self.web.update_application_settings_slot(self.group, self.name, slot, body)

    def deploy(self, version: str) -> None:
        """Put *version* on staging and wait until it answers."""
        self.set("staging", {"MODEL_VERSION": version})
        self.wait_serves("staging", version)

    def one_deploy(self, slot: str, url: str) -> requests.Response:
        """Let ARM deploy the package at *url* to *slot*, as `az functionapp deploy` does."""
        body = {"properties": {"type": "zip", "packageUri": url}}
        return self.ask("PUT", f"/slots/{slot}/extensions/onedeploy", json=body)

    def stick(self, *names: str) -> None:
        """Make the settings *names* stay with their slot."""
        body = SlotConfigNamesResource(properties=SlotConfigNames(app_setting_names=list(names)))
        self.web.update_slot_configuration_names(self.group, self.name, body)

    def begin_swap(self, **more: Any) -> Any:
        entity = CsmSlotEntity(target_slot="production", preserve_vnet=True)
        return self.web.begin_swap_slot(
            self.group, self.name, "staging", entity, polling_interval=1, **more
        )

    def swap(self) -> None:
        """Swap and wait for the end; azure-core's error where it fails."""
        self.begin_swap().result()

    def preview(self) -> None:
        """Apply production's sticky settings to staging, and nothing more."""
        entity = CsmSlotEntity(target_slot="production", preserve_vnet=True)
        self.web.apply_slot_configuration_slot(self.group, self.name, "staging", entity)

    def reset(self) -> None:
        self.web.reset_slot_configuration_slot(self.group, self.name, "staging")

    def site(self, slot: str) -> dict[str, Any]:
        """Return the slot's Site JSON."""
        if slot == "production":
            return dict(self.web.get(self.group, self.name).as_dict())
        return dict(self.web.get_slot(self.group, self.name, slot).as_dict())

    def content(self, slot: str) -> str:
        return str(self.site(slot)["properties"]["deploymentId"])

    def history(self, *operations: str) -> list[Mapping[str, Any]]:
        return [e for e in self.platform.history(*operations) if e["site"] == self.name]


def refused(act: Callable[[], object]) -> HttpResponse:
    """Return the answer that *act* is refused with, for the words that the SDK leaves unread."""
    with pytest.raises(HttpResponseError) as caught:
        act()
    assert isinstance(caught.value.response, HttpResponse)
    return caught.value.response
