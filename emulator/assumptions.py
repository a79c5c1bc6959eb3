"""
What nobody here could ask Azure: one row for each assumption.

A row drives the emulator's switch (``PUT /assumptions`` of its admin port), the table of
docs/believe/emulator.md, a run of the fault designs the other way round, the check of
``gitslot doctor`` and the step of docs/run/first-run-on-azure.md that decides it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Assumption:
    """
    One thing that the emulator takes for true.

    *id* names it, *says* what Azure is taken to do, *evidence* why. *opposite* is what the emulator
    does once the row is reversed; empty where it knows only one way. *check* names the check of
    ``gitslot doctor`` that sees it; *step* is what decides it on a first run.
    """

    id: str
    says: str
    evidence: str
    opposite: str = ""
    check: str = ""
    step: str = ""


ASSUMPTIONS = (
    Assumption(
        "swap-visible",
        "While a swap runs, `inProgressOperationId` of both slots names it",
        "the field is in Microsoft's model of a site; it is null in every recording of azure-cli",
        "the field stays empty, and a running swap is seen by its 409 alone",
        "operation",
        "release: record while the swap runs",
    ),
    Assumption(
        "preview-on-both",
        "After a preview both slots name the other in `targetSwapSlot`",
        "recorded of production (azure-cli, `test_webapp_slot_swap`); the portal writes both",
        "only production names the other",
        "operation",
        "preview: record while the swap is prepared",
    ),
    Assumption(
        "deployment-id-moves",
        "`deploymentId` moves with the content in a swap",
        "recorded of a Windows app alone (azure-cli, `test_functionapp_slot_swap`)",
        "it stays with the slot",
        step="release: compare it in both slots before and after",
    ),
    Assumption(
        "failed-swap-prepared",
        "After a failed swap both slots refuse new settings until a reset",
        "azure-cli#27820",
        "a failed swap leaves nothing behind",
        "operation",
        "failed swap: record after it",
    ),
    Assumption(
        "restart-overlap",
        "A restart starts the new process before the old one ends",
        "app settings reference, WEBSITE_DISABLE_OVERLAPPED_RECYCLING: not that it always does",
        "the old process ends first, and requests wait for the new one",
        step="release: ask /api/health of staging each second while its settings change",
    ),
    Assumption(
        "failed-start-stops",
        "A process that cannot start takes the old one down with it: 503",
        '"Stopping site because it failed during startup" in the logs of App Service on Linux',
        "the old process goes on answering",
        "health",
        "failed swap: ask /api/health of staging with a package that is not there",
    ),
    Assumption(
        "listed-by-role",
        "A role on one app shows its holder the subscription and that app in lists",
        "none; Microsoft's pages say it of no list",
        "only a role on the group or above does: `AppNotFound`",
        "app",
        "observe: does the controller report `AppNotFound`?",
    ),
    Assumption(
        "refusals",
        "A 409 says `another operation is in progress` or `prepared for swap`; so a stopped slot's",
        "azure-pipelines-tasks#11384, azure-cli#27820; that both must run: functions-host#10722",
        check="running",
        step="release: swap by hand while the swap runs, and keep the answer",
    ),
    Assumption(
        "timing",
        "A running swap asks to be polled after 15 s; restarting the old content delays no end",
        "polls in recordings are 15 to 16 s apart; of the rest, none",
        step="release: compare `slotSwapStatus` with the time of Converged",
    ),
    Assumption(
        "actions",
        "The names of ARM's actions follow from the paths of the calls",
        "those that Microsoft's role pages name do",
        check="rights",
        step="setup: `az provider operation show -n Microsoft.Web` has what infra/role.json has",
    ),
    Assumption(
        "others",
        "Equal contents are swapped like others; `If-Match` is not heeded; a prepared slot that is "
        "deleted cancels the swap; production is not deleted as a slot (400); functions are not "
        "listed while no process answers (400); `httpsOnly` answers every method with 301; words "
        "of slot differences; Kudu refuses a bad zip at once, and takes an upload during a swap; "
        "its records move with the content; its 401; when each `deploymentStatus` holds; access "
        "restrictions let the ping in",
        "Microsoft's sources where they have it; the rest is on no record",
    ),
    Assumption(
        "sites-listed",
        "A list of the sites of a group names all of them, and their slots where it is asked to",
        "Microsoft's reference of `includeSlots`; users count 32 sites of 101 "
        "(azure-sdk-for-python#48980) and 58 of 78 (azure-cli#29218)",
        opposite="it leaves out every second",
        step="setup: compare `az functionapp list -g GROUP` with `az resource list -g GROUP`",
    ),
    Assumption(
        "settings-bucket",
        "The 800 calls that list or write settings are there again after an hour, little by little",
        "`resource-requests: 799` after one call in azure-cli's recording; its refill is on none",
        step="setup: list the settings twice, a minute apart, and compare the header",
    ),
    Assumption(
        "slot-name-follows",
        "A process that a swap moved finds its keys by the name of its new slot at once",
        "azure-functions-host, DefaultSecretManagerProvider: secrets go by WEBSITE_SLOT_NAME, "
        "stale there; users report 401 with the right key (host#8999, #7710, #6785, #8807)",
        opposite="until it restarts it accepts, and `listkeys` shows, the keys of the slot that it "
        "started in",
        step="give the slots different keys, swap, and ask production with its key",
    ),
    Assumption(
        "one-instance",
        "Once a swap has flipped, every new connection reaches the new content",
        "Microsoft's page on slots promises no instant; the instances of an app follow one after "
        "the other",
        opposite="for 30 s every other new connection reaches the content that the slot held",
        step="scale out to two, swap, and ask /api/health over new connections each second",
    ),
    Assumption(
        "ping-ignores-https-only",
        "The swap's warm-up ping, which goes over http, is not redirected by `httpsOnly`",
        "azure-docs PR#104815; against it azure-docs#57197, #83215 and aspnetcore#41231, where "
        "every swap failed until HTTPS Only was off",
        opposite="the ping is answered by 301, which stops a swap that wants 200 with 417",
        step="the first swap: 417 within seconds means that it does not hold",
    ),
    Assumption(
        "container-create",
        "A role on a container does not let its holder create that container",
        "no page says whether a role counts at a scope that is not there yet",
        opposite="it may create the container",
        step="setup: ask for `gitslot` as the controller before the `az` line has made it",
    ),
)
BY_ID: Mapping[str, Assumption] = {row.id: row for row in ASSUMPTIONS}


@dataclass(slots=True)
class Assumed:
    """Which assumptions hold: all, until one is reversed."""

    reversed: set[str] = field(default_factory=set)
    shows: set[str] = field(default_factory=set)  # reversed rows that made a difference

    def holds(self, name: str) -> bool:
        """
        Return whether the row *name* holds; KeyError where there is no such row.

        Ask only where the answer makes a difference: `shows` counts on it.
        """
        if BY_ID[name].id not in self.reversed:
            return True
        self.shows.add(name)
        return False

    def use(self, given: Any) -> Mapping[str, bool]:
        """
        Set ``{id: bool}`` and return all rows that can be reversed.

        Raises ValueError that names what is wrong.
        """
        if not isinstance(given, Mapping):
            raise ValueError("assumptions are an object of names with true or false")
        for name, value in given.items():
            if name not in BY_ID or not BY_ID[name].opposite:
                raise ValueError(f"no such switch: {name}; there are {', '.join(self.shown())}")
            if not isinstance(value, bool):
                raise ValueError(f"{name} is true or false")
        for name, value in given.items():
            (self.reversed.discard if value else self.reversed.add)(name)
        return self.shown()

    def shown(self) -> Mapping[str, bool]:
        """Return whether each row that can be reversed holds."""
        return {row.id: row.id not in self.reversed for row in ASSUMPTIONS if row.opposite}
