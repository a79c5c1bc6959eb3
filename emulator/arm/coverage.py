"""
The table of supported calls in docs/believe/emulator.md, which `python -m tools.pages` writes.

Routes are those of ``emulator.arm.routes`` and ``emulator.scm.app``. The clients that use them were
counted (``by_client`` of ``GET /requests``); the clients' tests compare their counts to this table.
"""

from collections.abc import Iterator, Mapping

from emulator.arm.routes import ROUTES
from emulator.scm import app as scm

SLOT = "/slots/{slot}"

BOTH = """
applyslotconfig appsettings-list appsettings-put function-get functions-list listkeys onedeploy-put
operationresults plan-get plan-put publishingcredentials-list publishxml resetslotconfig restart
scm-policy-get scm-policy-put site-delete site-get site-put sites-list slot-delete slot-get
slot-put slotconfignames-get slotconfignames-put slots-list slotsswap start stop sync-triggers
"""
AZ = """
account-name account-put accounts-list assignment-delete assignment-put assignments-list blobs-get
blobs-put config-web-get config-web-patch container-put identities-list identity-get identity-put
kudu-deployment kudu-publish kudu-settings kudu-zipdeploy role-delete key-put policy-put role-put
roles-list stacks-list subscriptions-list
"""
SDK = """
deployment-get deployments-list deploymentstatus-get deploymentstatus-list onedeploy-get plans-list
site-patch slot-patch slotsdiffs sync-functions
"""
USED_BY: Mapping[str, frozenset[str]] = {
    "az": frozenset((BOTH + AZ).split()),
    "azure-mgmt-web": frozenset((BOTH + SDK).split()),
}


def table() -> str:
    """Return the table, one line for each route; those of a site and its slots share one."""
    head = f"| call | operation | {' | '.join(USED_BY)} |\n|---|---|{'---|' * len(USED_BY)}"
    return "\n".join([head, *_lines(), ""])


def _lines() -> Iterator[str]:
    known = {(route.method, _path(route.segments), route.operation) for route in ROUTES}
    for route in ROUTES:
        path = _path(route.segments)
        alone = path.replace(SLOT, "", 1)
        twins = path != alone and (route.method, alone, route.operation) in known
        if twins:  # shares the line of the site's route
            continue
        at = path.find("/sites/{site}") + len("/sites/{site}")
        with_slot = f"{path[:at]}{SLOT}{path[at:]}"
        if (route.method, with_slot, route.operation) in known:
            path = f"{path[:at]}[{SLOT}]{path[at:]}"
        yield _line(route.method, path, route.operation)
    for (method, pattern), (operation, _) in scm.ROUTES.items():
        yield _line(method, f"SCM/{pattern.replace('*', '{name}')}", operation)


def _line(method: str, path: str, operation: str) -> str:
    marks = " | ".join("yes" if operation in used else "" for used in USED_BY.values())
    return f"| `{method} {path}` | `{operation}` | {marks} |"


def _path(segments: tuple[str, ...]) -> str:
    path = f"/{'/'.join(segments)}"
    for long, short in (
        ("/subscriptions/{subscription}/resourcegroups/{group}/providers/microsoft.web", "WEB"),
        ("/subscriptions/{subscription}/resourcegroups/{group}", "GROUP"),
        ("/subscriptions/{subscription}", "SUBSCRIPTION"),
    ):
        if path.startswith(f"{long}/"):
            return short + path.removeprefix(long)
    return path
