"""The JSON of ARM. Shapes: as recorded in Azure/azure-cli, test_functionapp_slot_swap."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from emulator.arm.world import World
from emulator.state import PRODUCTION, Plan, Site, Slot, SwapStatus

FILETIME_EPOCH = 116_444_736_000_000_000  # 1601-01-01 in units of 100 ns before 1970


def etag(slot: Slot) -> str:
    """Return the slot's ETag: hexadecimal ticks of its last change, quoted."""
    return f'"{FILETIME_EPOCH + int(slot.modified * 10_000_000):X}"'


def site_id(world: World, site: Site, slot: Slot) -> str:
    """Return the resource id of *slot* of *site*."""
    base = (
        f"/subscriptions/{world.subscription}/resourceGroups/{world.group}"
        f"/providers/Microsoft.Web/sites/{site.name}"
    )
    return base if slot.key == PRODUCTION else f"{base}/slots/{slot.name}"


def site_name(site: Site, slot: Slot) -> str:
    return site.name if slot.key == PRODUCTION else f"{site.name}/{slot.name}"


def site_type(slot: Slot) -> str:
    return "Microsoft.Web/sites" if slot.key == PRODUCTION else "Microsoft.Web/sites/slots"


def site_body(world: World, site: Site, slot: Slot) -> dict[str, Any]:
    """Return the Site JSON; like Azure's it never holds app settings."""
    plan = world.estate.plans.get(site.plan.rsplit("/", 1)[-1].lower())
    scm = f"{slot.host}.scm"
    modified = datetime.fromtimestamp(slot.modified, UTC).replace(tzinfo=None)
    identity = {
        "type": "SystemAssigned",
        "tenantId": world.tenant,
        "principalId": slot.principal,
    }
    return {
        "id": site_id(world, site, slot),
        "name": site_name(site, slot),
        "type": site_type(slot),
        "kind": site.kind,
        "location": site.location,
        "tags": dict(site.tags) or None,
        "identity": identity,
        "properties": {
            "name": site.name if slot.key == PRODUCTION else f"{site.name}({slot.name})",
            "state": "Running" if slot.running else "Stopped",
            "hostNames": [slot.host],
            "webSpace": f"{world.group}-{site.location.replace(' ', '')}webspace-Linux",
            "repositorySiteName": site.name,
            "usageState": "Normal",
            "enabled": True,
            "adminEnabled": True,
            "enabledHostNames": [slot.host, scm],
            "availabilityState": "Normal",
            "hostNameSslStates": [_ssl(slot.host, "Standard"), _ssl(scm, "Repository")],
            "serverFarmId": site.plan,
            "reserved": True,
            "isXenon": False,
            "hyperV": False,
            "lastModifiedTimeUtc": modified.isoformat(timespec="milliseconds"),
            "siteConfig": {
                "numberOfWorkers": 1,
                "linuxFxVersion": slot.linux_fx,
                "appSettings": None,
                "experiments": None,
            },
            "functionAppConfig": None,
            "deploymentId": slot.deployment_id,
            "slotName": None,
            "sku": plan.tier if plan else None,
            "httpsOnly": site.https_only,
            "targetSwapSlot": slot.swapping_into,
            "resourceGroup": world.group,
            "defaultHostName": slot.host,
            "slotSwapStatus": _swap_status(slot.last_swap),
            "inProgressOperationId": slot.operation,
            "managedEnvironmentId": None,
            "buildVersion": None,
            "targetBuildVersion": None,
        },
    }


def _ssl(name: str, kind: str) -> Mapping[str, Any]:
    return {
        "name": name,
        "sslState": "Disabled",
        "ipBasedSslState": "NotConfigured",
        "hostType": kind,
    }


def _swap_status(status: SwapStatus | None) -> Mapping[str, str] | None:
    if status is None:
        return None
    return {
        "timestampUtc": status.time,
        "sourceSlotName": status.source,
        "destinationSlotName": status.destination,
    }


def settings_body(world: World, site: Site, slot: Slot) -> dict[str, Any]:
    """Return the app settings; list and replace answer alike."""
    return {
        "id": f"{site_id(world, site, slot)}/config/appsettings",
        "name": "appsettings",
        "type": "Microsoft.Web/sites/config",  # for a slot too, as recorded
        "location": site.location,
        "properties": dict(slot.settings),
    }


def slot_names_body(site: Site) -> dict[str, Any]:
    """Return the sticky names: one list per site, null where unset, and no id."""
    return {
        "id": None,
        "name": site.name,
        "type": "Microsoft.Web/sites",
        "location": site.location,
        "properties": {
            "connectionStringNames": _names(site.sticky_connections),
            "appSettingNames": _names(site.sticky),
            "azureStorageConfigNames": _names(site.sticky_storage),
        },
    }


def _names(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)


def web_config_body(world: World, site: Site, slot: Slot) -> dict[str, Any]:
    """Return ``config/web``, the few properties that clients read."""
    return {
        "id": f"{site_id(world, site, slot)}/config/web",
        "name": site_name(site, slot),
        "type": f"{site_type(slot)}/config",
        "location": site.location,
        "properties": {
            "numberOfWorkers": 1,
            "linuxFxVersion": slot.linux_fx,
            "appSettings": None,
            "alwaysOn": False,
            "autoSwapSlotName": None,
            "experiments": {"rampUpRules": []},
            "healthCheckPath": None,
            "minTlsVersion": "1.2",
            "http20Enabled": False,
        },
    }


def plan_body(world: World, plan: Plan) -> dict[str, Any]:
    """Return the App Service plan; az needs ``sku.tier``."""
    return {
        "id": f"/subscriptions/{world.subscription}/resourceGroups/{world.group}"
        f"/providers/Microsoft.Web/serverfarms/{plan.name}",
        "name": plan.name,
        "type": "Microsoft.Web/serverfarms",
        "kind": plan.kind,
        "location": plan.location,
        "sku": {
            "name": plan.sku,
            "tier": plan.tier,
            "size": plan.sku,
            "family": plan.sku.rstrip("0123456789"),
            "capacity": 1,
        },
        "properties": {
            "name": plan.name,
            "status": "Ready",
            "reserved": True,
            "numberOfSites": sum(
                site.plan.rsplit("/", 1)[-1].lower() == plan.name.lower()
                for site in world.estate.sites.values()
            ),
            "resourceGroup": world.group,
            "provisioningState": "Succeeded",
        },
    }
