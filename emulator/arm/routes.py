"""The routes of ARM and their handlers. Segments are compared without case, as in Azure."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from emulator.arm import (
    deployments,
    differences,
    functions,
    identities,
    onedeploy,
    publishing,
    resources,
    rights,
    running,
    settings,
    sites,
    stacks,
    storage,
    swaps,
)
from emulator.arm.bodies import settings_body, web_config_body
from emulator.arm.calls import Answer, Call
from emulator.arm.handling import of_slot
from emulator.arm.resources import shown
from emulator.slots.azure import Azure

Handler = Callable[[Azure, Call, Mapping[str, str]], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """*operation* is the name that faults, counts and history use."""

    method: str
    segments: tuple[str, ...]
    operation: str
    handler: Handler
    budget: str  # the rate limit that the call uses
    action: str = ""  # what the caller's role must allow; "" where the answer is filtered instead

    @property
    def reads(self) -> bool:
        """Return whether the call changes nothing."""
        return self.method == "GET" or self.operation in READS


# Reads that are POSTs, because their answers may contain secrets.
READS = frozenset(
    {"appsettings-list", "listkeys", "publishingcredentials-list", "publishxml", "slotsdiffs"}
)
# Everybody may ask; who may read nothing gets an empty list.
FILTERED = frozenset(
    {"tenants-list", "stacks-list", "subscriptions-list", "groups-list", "resources-list"}
)
BUDGETS = {"GET": "reads", "DELETE": "deletes"}
# On a bucket of Microsoft.Web's own, as azure-cli recorded; of appsettings-put it is assumed.
OWN_BUCKET = frozenset({"appsettings-list", "appsettings-put", "site-put", "slot-put"})


def _route(method: str, template: str, operation: str, handler: Handler) -> Route:
    budget = BUDGETS.get(method, "writes")
    if operation in OWN_BUCKET:
        budget = "resource-requests"
    action = "" if operation in FILTERED else rights.action_of(method, template)
    segments = tuple(template.lower().strip("/").split("/"))
    return Route(method, segments, operation, handler, budget, action)


def _both(method: str, rest: str, operation: str, handler: Handler) -> list[Route]:
    """Return the routes of a site and of its slots."""
    return [
        _route(method, f"{SITE}{rest}", operation, handler),
        _route(method, f"{SITE}/slots/{{slot}}{rest}", operation, handler),
    ]


def _kept(template: str, name: str) -> list[Route]:
    """Return the two routes of a resource of storage."""
    both = (("GET", storage.get), ("PUT", storage.put))
    return [_route(m, template, f"{name}-{m.lower()}", handler) for m, handler in both]


SUBSCRIPTION = "/subscriptions/{subscription}"
ALL = f"{SUBSCRIPTION}/providers/Microsoft.Web"  # in all groups
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
WEB = f"{GROUP}/providers/Microsoft.Web"
SITE = f"{WEB}/sites/{{site}}"
CREDENTIALS = "/config/publishingcredentials"
POLICY = "/basicPublishingCredentialsPolicies/scm"
USERS = f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities"

STORAGE = f"{SUBSCRIPTION}/providers/Microsoft.Storage"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{account}}"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/{{container}}"
ROLES, GIVEN = (f"{rights.AUTHORIZATION}/role{kind}" for kind in ("Definitions", "Assignments"))

ROUTES: tuple[Route, ...] = (
    _route("GET", ROLES, "roles-list", rights.definitions),
    _route("GET", f"{ROLES}/{{role}}", "role-get", rights.definition_get),
    _route("PUT", f"{ROLES}/{{role}}", "role-put", rights.definition_put),
    _route("DELETE", f"{ROLES}/{{role}}", "role-delete", rights.definition_delete),
    _route("GET", GIVEN, "assignments-list", rights.assignments),
    _route("PUT", f"{GIVEN}/{{assignment}}", "assignment-put", rights.assignment_put),
    _route("DELETE", f"{GIVEN}/{{assignment}}", "assignment-delete", rights.assignment_delete),
    _route("GET", "/tenants", "tenants-list", shown(resources.tenants)),
    _route("GET", "/providers/Microsoft.Web/functionAppStacks", "stacks-list", stacks.stacks),
    _route("GET", "/subscriptions", "subscriptions-list", resources.subscriptions),
    _route("GET", SUBSCRIPTION, "subscription-get", shown(resources.subscription)),
    _route("GET", f"{SUBSCRIPTION}/resourceGroups", "groups-list", shown(resources.groups)),
    _route("GET", GROUP, "group-get", shown(resources.group)),
    _route("GET", f"{SUBSCRIPTION}/resources", "resources-list", resources.resources),
    _route("GET", f"{GROUP}/resources", "resources-list", resources.resources),
    _route("GET", f"{ALL}/serverfarms", "plans-list", shown(resources.plans)),
    _route("GET", f"{STORAGE}/storageAccounts", "accounts-list", storage.accounts),
    _route("GET", ACCOUNT.rpartition("/")[0], "accounts-list", storage.accounts),
    _route("POST", f"{STORAGE}/checkNameAvailability", "account-name", storage.available),
    *_kept(ACCOUNT, "account"),
    *_kept(f"{ACCOUNT}/blobServices/default", "blobs"),
    *_kept(CONTAINER, "container"),
    *_kept(f"{CONTAINER}/immutabilityPolicies/default", "policy"),
    _route("GET", USERS, "identities-list", identities.identities),
    _route("GET", f"{USERS}/{{identity}}", "identity-get", identities.identity_get),
    _route("PUT", f"{USERS}/{{identity}}", "identity-put", identities.identity_put),
    _route("GET", f"{WEB}/serverfarms", "plans-list", shown(resources.plans)),
    _route("GET", f"{WEB}/serverfarms/{{plan}}", "plan-get", resources.plan_get),
    _route("PUT", f"{WEB}/serverfarms/{{plan}}", "plan-put", resources.plan_put),
    _route("GET", f"{ALL}/sites", "sites-list", sites.sites),
    _route("GET", f"{WEB}/sites", "sites-list", sites.sites),
    _route("GET", SITE, "site-get", sites.site_get),
    _route("PUT", SITE, "site-put", sites.site_put),
    _route("PATCH", SITE, "site-patch", sites.site_patch),
    _route("DELETE", SITE, "site-delete", sites.site_delete),
    _route("GET", f"{SITE}/slots", "slots-list", sites.slots),
    _route("GET", f"{SITE}/slots/{{slot}}", "slot-get", sites.site_get),
    _route("PUT", f"{SITE}/slots/{{slot}}", "slot-put", sites.slot_put),
    _route("PATCH", f"{SITE}/slots/{{slot}}", "slot-patch", sites.site_patch),
    _route("DELETE", f"{SITE}/slots/{{slot}}", "slot-delete", sites.site_delete),
    *_both("POST", "/config/appsettings/list", "appsettings-list", of_slot(settings_body)),
    *_both("PUT", "/config/appsettings", "appsettings-put", settings.settings_put),
    _route("GET", f"{SITE}/config/slotConfigNames", "slotconfignames-get", settings.names_get),
    _route("PUT", f"{SITE}/config/slotConfigNames", "slotconfignames-put", settings.names_put),
    *_both("GET", "/config/web", "config-web-get", of_slot(web_config_body)),
    *_both("PATCH", "/config/web", "config-web-patch", sites.config_patch),
    *_both("POST", "/host/default/listkeys", "listkeys", running.list_keys),
    *_both("PUT", "/host/default/functionKeys/{key}", "key-put", running.key_put),
    *_both("GET", "/functions", "functions-list", functions.functions),
    *_both("GET", "/functions/{function}", "function-get", functions.function),
    *_both("POST", "/syncfunctiontriggers", "sync-triggers", running.sync_triggers),
    *_both("POST", "/host/default/sync", "sync-functions", running.sync_triggers),
    *_both("POST", f"{CREDENTIALS}/list", "publishingcredentials-list", publishing.credentials),
    *_both("POST", "/publishxml", "publishxml", publishing.profile_xml),
    *_both("GET", POLICY, "scm-policy-get", of_slot(publishing.policy)),
    *_both("PUT", POLICY, "scm-policy-put", publishing.policy_put),
    *_both("GET", "/deployments", "deployments-list", deployments.deployments),
    *_both("GET", "/deployments/{deployment}", "deployment-get", deployments.deployment),
    *_both("GET", "/extensions/onedeploy", "onedeploy-get", deployments.deployments),
    *_both("PUT", "/extensions/onedeploy", "onedeploy-put", onedeploy.deploy),
    *_both("GET", "/deploymentStatus", "deploymentstatus-list", onedeploy.statuses),
    *_both("GET", "/deploymentStatus/{deployment}", "deploymentstatus-get", onedeploy.status),
    *_both("POST", "/slotsdiffs", "slotsdiffs", differences.differences),
    *_both("POST", "/slotsswap", "slotsswap", swaps.swap),
    *_both("GET", "/operationresults/{operation}", "operationresults", swaps.operation_result),
    *_both("POST", "/applySlotConfig", "applyslotconfig", swaps.preview),
    *_both("POST", "/resetSlotConfig", "resetslotconfig", swaps.reset),
    *_both("POST", "/restart", "restart", running.restart),
    *_both("POST", "/start", "start", partial(running.run, running=True)),
    *_both("POST", "/stop", "stop", partial(running.run, running=False)),
)


INDEX: defaultdict[tuple[str, int], list[Route]] = defaultdict(list)
for one in ROUTES:
    INDEX[one.method, len(one.segments)].append(one)


def find(method: str, path: str) -> tuple[Route, dict[str, str]] | None:
    """
    Return the route of *path* and the values for its braces; None if no route fits.

    `scope` among them is the path down to the last resource that it names. Roles are asked for at
    any scope.
    """
    at = path.lower().find(rights.AUTHORIZATION.lower() + "/")
    scope, given = path[: max(at, 0)], path[max(at, 0) :].strip("/").split("/")
    for route in INDEX.get((method, len(given)), ()):
        params: dict[str, str] = {}
        for segment, word in zip(route.segments, given, strict=True):
            if segment.startswith("{"):
                params[segment[1:-1]] = word
            elif segment != word.lower():
                break
        else:
            last = max((i for i, s in enumerate(route.segments) if s.startswith("{")), default=0)
            return route, {"scope": scope or "/" + "/".join(given[: last + 1]), **params}
    return None


OPERATIONS = frozenset(route.operation for route in ROUTES)
