"""
Read more of an app from ARM than a release needs: slots, plan, identities, functions, traffic.

Reads only, for people's questions. The controller never makes these calls, and its role does not
allow all of them.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from gitslot.edges.azure.answers import as_object, host_of, translate, translated
from gitslot.edges.azure.arm import AppRef, Azure
from gitslot.errors import NotFound
from gitslot.registry.registry import CODE, MODELS
from gitslot.report.doctor.facts import ALIKE, ConfigFacts, Function, Kept, SiteFacts, Sticky

_STORAGE = "api-version=2023-05-01"
_SOFT = ("deleteRetentionPolicy", "containerDeleteRetentionPolicy")


class Survey(Azure):
    """Ask ARM more. Every method raises NotFound, AzureUnavailable or AzureError."""

    def kept(self, store: str) -> Kept:
        """Return what keeps the blobs of the account at *store*; raise NotFound if none shows."""
        kind = "providers/Microsoft.Storage/storageAccounts"
        for each in self._subscriptions():
            for account in self._values(f"/subscriptions/{each}/{kind}?{_STORAGE}"):
                endpoints = (account.get("properties") or {}).get("primaryEndpoints") or {}
                if str(endpoints.get("blob")).rstrip("/") == store.rstrip("/"):
                    place = str(account["id"])
                    blobs = self._properties(f"{place}/blobServices/default")
                    soft = [(blobs.get(name) or {}).get("enabled") is True for name in _SOFT]
                    policies = [c for c in (MODELS, CODE) if self._has_policy(place, c)]
                    group, name = plan_of(place)
                    return Kept(group, name, all(soft), tuple(policies))
        raise NotFound("you may read no storage account with that address", status=404)

    def _has_policy(self, place: str, container: str) -> bool:
        found = self._properties(f"{place}/blobServices/default/containers/{container}")
        return found.get("hasImmutabilityPolicy") is True

    def _properties(self, path: str) -> dict[str, Any]:
        answer = self._get(f"{self._endpoint}{path}?{_STORAGE}")
        if answer.status != 200:
            raise translate(answer.status, answer.text, answer.headers)
        return as_object(answer.text).get("properties") or {}

    def _apps(self, app: AppRef) -> Any:
        return self.client(app.subscription).web_apps

    def slots(self, app: AppRef) -> tuple[str, ...]:
        """Return the names of all slots except production."""
        with translated():
            found = [each.as_dict() for each in self._apps(app).list_slots(*_names(app))]
            return tuple(str(each["name"]).rsplit("/", 1)[-1] for each in found)

    def site(self, app: AppRef, slot: str) -> tuple[SiteFacts, str]:
        """Return the site of *slot* as ARM describes it, and its host."""
        with translated():
            found = self._site(app, slot)
            return site_of(found), host_of(found)

    def plan(self, app: AppRef, plan: str) -> tuple[str, int]:
        """Return the size of the *plan* with that resource id, as P1v3, and how far it grows."""
        group, name = plan_of(plan)
        with translated():
            found = self.client(app.subscription).app_service_plans.get(group, name).as_dict()
        most = (found.get("properties") or {}).get("maximumElasticWorkerCount")
        return str((found.get("sku") or {}).get("name") or ""), int(most or 0)

    def config(self, app: AppRef, slot: str) -> ConfigFacts:
        """Return auto swap, idling and traffic from `config/web` of *slot*."""
        with translated():
            found = self._asked(app, slot, "get_configuration", "get_configuration_slot")
            return config_of(found.as_dict())

    def functions(self, app: AppRef, slot: str) -> tuple[Function, ...]:
        """Return the functions of *slot* that the platform has synchronised."""
        with translated():
            found = self._asked(app, slot, "list_functions", "list_instance_functions_slot")
            return functions_of([each.as_dict() for each in found])

    def passwords(self, app: AppRef, slot: str) -> bool:
        """Return whether *slot* takes code from whoever has its publishing password."""
        with translated():
            found = self._asked(app, slot, "get_scm_allowed", "get_scm_allowed_slot").as_dict()
        return (found.get("properties") or {}).get("allow") is not False

    def references(self, app: AppRef, slot: str) -> Mapping[str, str]:
        """Return the state of each setting of *slot* that is a Key Vault reference."""
        kind = "get_app_settings_key_vault_references"
        with translated():
            found = [each.as_dict() for each in self._asked(app, slot, kind, f"{kind}_slot")]
        states = {each["name"]: (each.get("properties") or {}).get("status") for each in found}
        return {str(name): str(state or "unknown") for name, state in states.items()}

    def sticky_names(self, app: AppRef) -> Sticky:
        """Return every list of sticky names, which a swap does not move."""
        with translated():
            found = self._apps(app).list_slot_configuration_names(*_names(app)).as_dict()
        lists = found.get("properties") or {}
        names = ("connectionStringNames", "azureStorageConfigNames")
        connections, storage = (None if lists.get(n) is None else tuple(lists[n]) for n in names)
        return Sticky(tuple(lists.get("appSettingNames") or ()), connections, storage)


def plan_of(resource_id: str) -> tuple[str, str]:
    """Return the resource group and the name in the *resource_id* of a plan, or empty text."""
    words = resource_id.split("/")
    lower = [word.lower() for word in words]
    if "resourcegroups" not in lower[:-1]:
        return "", words[-1]
    return words[lower.index("resourcegroups") + 1], words[-1]


def _names(app: AppRef) -> tuple[str, str]:
    return app.resource_group, app.name


def site_of(site: Mapping[str, Any]) -> SiteFacts:
    """Read a Site."""
    properties, identity = site.get("properties") or {}, site.get("identity") or {}
    users = identity.get("userAssignedIdentities") or {}
    principals = [each.get("principalId") for each in (identity, *users.values())]
    return SiteFacts(
        state=str(properties.get("state") or ""),
        https_only=properties.get("httpsOnly") is True,
        tier=str(properties.get("sku") or ""),
        identity=str(identity.get("type") or "").replace("None", ""),
        users=frozenset(str(name).lower() for name in users),
        principals=tuple(str(each) for each in principals if each),
        operation=str(properties.get("inProgressOperationId") or ""),
        prepared=str(properties.get("targetSwapSlot") or ""),
        plan=str(properties.get("serverFarmId") or ""),
        affinity=properties.get("clientAffinityEnabled") is True,
    )


def config_of(config: Mapping[str, Any]) -> ConfigFacts:
    """Read a SiteConfigResource."""
    properties = config.get("properties") or {}
    rules = (properties.get("experiments") or {}).get("rampUpRules") or ()
    entries = properties.get("ipSecurityRestrictions") or ()
    rest = properties.get("ipSecurityRestrictionsDefaultAction") or ("Deny" if entries else "Allow")
    ranges = [rule.get("ipAddress") for rule in entries if rule.get("action") != "Deny"]
    return ConfigFacts(
        auto_swap=str(properties.get("autoSwapSlotName") or ""),
        always_on=properties.get("alwaysOn") is True,
        alike={name: str(properties.get(name) or "") for name in ALIKE},
        routed={
            str(rule.get("name") or rule.get("actionHostName") or "a slot"): float(
                rule.get("reroutePercentage") or 0.0
            )
            for rule in rules
        },
        admitted=frozenset(map(str, [*ranges, *(["Any"] if rest == "Allow" else [])])),
    )


def functions_of(found: Iterable[Mapping[str, Any]]) -> tuple[Function, ...]:
    """Read FunctionEnvelopes: one of a function's bindings is its trigger."""
    functions = []
    for each in found:
        properties = each.get("properties") or {}
        bindings = (properties.get("config") or {}).get("bindings") or ()
        kinds = [str(binding.get("type") or "") for binding in bindings]
        trigger = next((kind for kind in kinds if kind.lower().endswith("trigger")), "unknown")
        name = str(properties.get("name") or each.get("name") or "").rsplit("/", 1)[-1]
        functions.append(Function(name, trigger, properties.get("isDisabled") is True))
    return tuple(functions)
