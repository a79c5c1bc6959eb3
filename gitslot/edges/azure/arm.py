"""
All calls to ARM: azure-mgmt-web for what it models, plain GETs for the rest.

It retries nothing (the caller looks again) and follows no redirect: all goes out through our HTTP
client, and the SDK gets policies that neither resend nor wait. azure-mgmt-web takes 0.2 s to
import, so that happens on the first call that needs it; `gitslot logs` never does.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from gitslot.edges.azure.answers import (
    MAX_BODY,
    arm_of,
    as_object,
    from_sdk,
    host_of,
    is_busy,
    is_prepared,
    no_answer,
    put_off,
    retry_after,
    translate,
    translated,
)
from gitslot.edges.azure.budget import Budget
from gitslot.edges.azure.lists import Lists
from gitslot.errors import AzureError, AzureUnavailable, NoAnswer, NotFound
from gitslot.http.azure import AzureTransport
from gitslot.http.client import Answer, Http
from gitslot.state.seen import Arm, Poll
from gitslot.state.wanted import PRODUCTION, STAGING

if TYPE_CHECKING:
    from azure.mgmt.web import WebSiteManagementClient

_TOTAL_S = 60.0
_FEW = 4  # so many apps are sought by their names: a list may be long
_PAGES = 200  # of a list; Microsoft.Web puts 100 sites on one (azure-powershell#16214)
_SWAP_S = 240.0  # the gateway gives up after 230 s


@dataclass(frozen=True, slots=True)
class AppRef:
    """The place of an app in Azure."""

    subscription: str
    resource_group: str
    name: str

    @property
    def id(self) -> str:
        """Return its resource id."""
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
        return f"{group}/providers/Microsoft.Web/sites/{self.name}"


class Sent(Enum):
    """The result of a swap's one POST."""

    ACCEPTED = "accepted"
    BUSY = "busy"  # 409: another operation runs, perhaps our own
    CONFLICT = "conflict"  # any other 409: refused, unless the slots show otherwise
    THROTTLED = "throttled"  # 429: try later
    REFUSED = "refused"  # ARM refused; its message is kept
    NOT_SENT = "not sent"  # the connection was never opened
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SwapAnswer:
    """*location* is where to poll; *message* is ARM's own; *retry_after_s* is set after a 429."""

    sent: Sent
    location: str = ""
    message: str = ""
    prepared: bool = False
    retry_after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class PollAnswer:
    """The result of one poll, and after how many seconds to poll again."""

    poll: Poll
    message: str = ""
    retry_after_s: float = 15.0
    location: str = ""


class Azure:
    """
    Call ARM at *endpoint* (https) with the rights of *credential*.

    *pool* makes an executor with a number of workers; the reads of one look run on it in parallel.
    A call takes *total_s* seconds at most, a swap four minutes. Every method raises NotFound,
    Conflict, AzureUnavailable or AzureError.
    """

    def __init__(
        self,
        endpoint: str,
        credential: TokenCredential,
        http: Http | None = None,
        pool: Callable[[int], Executor] = ThreadPoolExecutor,
        total_s: float = _TOTAL_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._credential = credential
        self._pool = pool
        self._http = http or Http()
        self._total_s = total_s
        self._clients: dict[str, WebSiteManagementClient] = {}
        self._sought: set[str] = set()
        self._lists = Lists(self._values, clock)
        self.budget = self._http.meters[urlsplit(self._endpoint).netloc.lower()] = Budget(clock)

    # ------------------------------------------------------------ finding an app

    def locate(self, name: str, resource_group: str | None, subscription: str | None) -> AppRef:
        """Find the app *name*; if there are several, raise an AzureError that lists them."""
        few, found = not self._are_many(name), []
        query = "resourceType eq 'Microsoft.Web/sites'" + (f" and name eq '{name}'" if few else "")
        for each in [subscription] if subscription else self._subscriptions(anew=few):
            path = f"/subscriptions/{each}/resources?$filter={quote(query)}&api-version=2021-04-01"
            for parts, _ in self._lists.named(path, name, anew=few):
                if len(parts) == 9:
                    found.append(AppRef(parts[2], parts[4], parts[8]))
        if resource_group:
            found = [ref for ref in found if ref.resource_group.lower() == resource_group.lower()]
        if len(found) == 1:
            return found[0]
        if not found:
            raise NotFound(
                f"no function app `{name}` is visible; check its name, and that the controller's "
                "identity may read it",
                status=404,
                reason="AppNotFound",
            )
        places = ", ".join(f"{ref.subscription}/{ref.resource_group}" for ref in found)
        raise AzureError(
            f"`{name}` exists in {len(found)} places: {places}; name its `resource_group` or "
            "`subscription` in the file",
            reason="AppAmbiguous",
        )

    def _subscriptions(self, *, anew: bool = True) -> list[str]:
        items = self._lists.named("/subscriptions?api-version=2022-12-01", anew=anew)
        return [parts[2] for parts, _ in items if len(parts) == 3]

    def _are_many(self, name: str) -> bool:
        """Return whether so many apps were sought, *name* too, that lists are asked for all."""
        self._sought.add(name.lower())
        return len(self._sought) > _FEW

    def _values(self, path: str) -> Iterator[dict[str, Any]]:
        url = self._endpoint + path
        for _ in range(_PAGES):
            answer = self._get(url)
            if answer.status != 200:
                raise translate(answer.status, answer.text, answer.headers)
            body = as_object(answer.text)
            values = body.get("value")
            if not isinstance(values, list):
                raise AzureUnavailable("ARM answered without a list")
            yield from (item for item in values if isinstance(item, dict))
            url = str(body.get("nextLink") or "")
            if not url:
                return

    def _get(self, url: str) -> Answer:
        if urlsplit(url)[:2] != urlsplit(self._endpoint)[:2]:
            raise AzureUnavailable("ARM pointed to another host, which is not followed")
        try:
            token = self._credential.get_token(f"{self._endpoint}/.default").token
            headers = {"Authorization": f"Bearer {token}"}
            return self._http.request(
                "GET", url, headers=headers, total_s=self._total_s, most=MAX_BODY
            )
        except NoAnswer as error:
            raise no_answer(error) from error
        except Exception as error:
            raise AzureUnavailable(f"no token for ARM: {type(error).__name__}") from error

    # ------------------------------------------------------------ looking

    def client(self, subscription: str) -> "WebSiteManagementClient":
        """Return the SDK's client for *subscription*, made on first use."""
        if subscription not in self._clients:
            from azure.mgmt.web import WebSiteManagementClient  # noqa: PLC0415 - 0.2 s

            scope = f"{self._endpoint}/.default"
            self._clients[subscription] = WebSiteManagementClient(
                self._credential,
                subscription,
                base_url=self._endpoint,
                credential_scopes=[scope],
                policies=_policies(self._credential, scope),
                transport=AzureTransport(self._http, self._total_s),
            )
        return self._clients[subscription]

    def look(self, app: AppRef) -> tuple[Arm, Arm]:
        """Read production and staging from ARM: markers, operation, settings."""
        reads: list[Callable[[], Any]] = [
            lambda: self.sticky(app),
            lambda: self._site(app, PRODUCTION),
            lambda: self._site(app, STAGING),
            lambda: self.settings(app, PRODUCTION),
            lambda: self.settings(app, STAGING),
        ]
        self.client(app.subscription)  # made once, before threads ask for it
        with self._pool(len(reads)) as pool:
            sticky, *found = [future.result() for future in [pool.submit(r) for r in reads]]
        with translated():
            return arm_of(found[0], found[2], sticky), arm_of(found[1], found[3], sticky)

    def look_at(self, app: AppRef, slot: str) -> Arm:
        """Read one *slot* from ARM; raise NotFound if the app has no such slot."""
        site = self._site(app, slot)
        with translated():
            return arm_of(site, self.settings(app, slot), self.sticky(app))

    def host(self, app: AppRef, slot: str, *, keeps_up: bool = False) -> str:
        """
        Return the default host name of *slot*; raise NotFound if there is no such slot.

        Where many apps are sought it is taken from a list of the group. A call that only *keeps_up*
        leaves a share of ARM's calls to others.
        """
        if self._are_many(app.name):
            group, _, _ = app.id.rpartition("/")
            path = f"{group}?includeSlots=true&api-version=2024-11-01"
            if host := self._lists.hosts(path, app.name).get(slot.lower()):
                return host
        if keeps_up and (wait_s := self.budget.spare_s(app.subscription)):
            raise put_off("CallsUsedUp", wait_s)
        with translated():
            return host_of(self._site(app, slot))

    def _site(self, app: AppRef, slot: str) -> dict[str, Any]:
        with translated():
            found: dict[str, Any] = self._asked(app, slot, "get", "get_slot").as_dict()
            return found

    def _asked(self, app: AppRef, slot: str, of_production: str, of_slot: str) -> Any:
        """Call the method of Microsoft's client that asks about *slot*."""
        web, words = self.client(app.subscription).web_apps, (app.resource_group, app.name)
        if slot == PRODUCTION:
            return getattr(web, of_production)(*words)
        return getattr(web, of_slot)(*words, slot)

    def settings(self, app: AppRef, slot: str) -> dict[str, str]:
        """Return the settings of *slot*, which include secrets of the app."""
        kind = "list_application_settings"
        with translated():
            return dict(self._asked(app, slot, kind, f"{kind}_slot").properties or {})

    def sticky(self, app: AppRef) -> frozenset[str]:
        """Return the names of the sticky settings, which a swap does not move."""
        web = self.client(app.subscription).web_apps
        with translated():
            found = web.list_slot_configuration_names(app.resource_group, app.name).as_dict()
            return frozenset((found.get("properties") or {}).get("appSettingNames") or ())

    def function_key(self, app: AppRef, slot: str) -> str:
        """Return a key that opens the functions of *slot*, which is not production."""
        web = self.client(app.subscription).web_apps
        with translated():
            keys = web.list_host_keys_slot(app.resource_group, app.name, slot)
            functions = keys.function_keys or {}
            return functions.get("default") or next(iter(functions.values()), "")

    def poll(self, location: str) -> PollAnswer:
        """Poll the operation at *location* once; a poll that fails proves nothing."""
        try:
            answer = self._get(location)
        except AzureUnavailable as error:
            return PollAnswer(Poll.UNKNOWN, error.message, error.retry_after_s or 15.0)
        wait = retry_after(answer.headers, 15.0)
        if answer.status == 202:
            return PollAnswer(Poll.RUNNING, "", wait, answer.headers.get("Location", ""))
        if answer.status in (200, 201, 204):
            return PollAnswer(Poll.DONE)
        said = translate(answer.status, answer.text, answer.headers)
        if said.status in (400, 417) and said.code:
            return PollAnswer(Poll.COLD if said.status == 417 else Poll.FAILED, said.message)
        return PollAnswer(Poll.UNKNOWN, said.message, wait)

    # ------------------------------------------------------------ writing

    def put_settings(self, app: AppRef, slot: str, settings: Mapping[str, str]) -> None:
        """Replace the settings of *slot*, which restarts it. Never called for production."""
        if slot == PRODUCTION:
            raise ValueError("production is never a deploy target")
        from azure.mgmt.web.models import StringDictionary  # noqa: PLC0415 - slow import

        web = self.client(app.subscription).web_apps
        with translated():
            web.update_application_settings_slot(
                app.resource_group, app.name, slot, StringDictionary(properties=dict(settings))
            )

    def swap(self, app: AppRef, slot: str) -> SwapAnswer:
        """
        Send the one POST that exchanges *slot* with production.

        By default azure-core resends it on 500, 503, 504, 307 and on any status with
        Retry-After, and a second swap undoes the first. So: no retry, no redirect, our own polling.
        """
        from azure.mgmt.web.models import CsmSlotEntity  # noqa: PLC0415 - slow import

        seen: list[Any] = []
        web = self.client(app.subscription).web_apps
        try:  # a later failure to get a token would look like an answer of ARM
            self._credential.get_token(f"{self._endpoint}/.default")
        except Exception as error:  # noqa: BLE001 - credentials raise what their sources raise
            return SwapAnswer(Sent.NOT_SENT, message=f"no token for ARM: {type(error).__name__}")
        try:
            web.begin_swap_slot(
                app.resource_group,
                app.name,
                slot,
                CsmSlotEntity(target_slot=PRODUCTION, preserve_vnet=True),
                retry_total=0,
                permit_redirects=False,
                polling=False,
                read_timeout=_SWAP_S,
                raw_response_hook=lambda response: seen.append(response.http_response),
            )
        except ServiceRequestError as error:
            said = from_sdk(error)
            wait_s = said.retry_after_s if isinstance(said, AzureUnavailable) else 0.0
            sent = Sent.THROTTLED if wait_s else Sent.NOT_SENT
            return SwapAnswer(sent, message=said.message, retry_after_s=wait_s)
        except HttpResponseError as error:
            return _refused(error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the swap may have begun
            return SwapAnswer(Sent.UNKNOWN, message=type(error).__name__)
        location = seen[0].headers.get("Location", "") if seen else ""
        return SwapAnswer(Sent.ACCEPTED, location)

    def reset(self, app: AppRef, slot: str) -> None:
        """Undo a prepared swap on *slot*, which restores its settings."""
        web = self.client(app.subscription).web_apps
        with translated():
            web.reset_slot_configuration_slot(app.resource_group, app.name, slot)


def _policies(credential: TokenCredential, scope: str) -> list[Any]:
    """
    Return the SDK's own policies without those that resend, follow, sleep or log.

    One of them registers a resource provider after a 409, and asks every 10 s whether it is done.
    """
    from azure.core.pipeline import policies  # noqa: PLC0415 - with azure-mgmt-web
    from azure.mgmt.core.policies import (  # noqa: PLC0415 - with azure-mgmt-web
        ARMChallengeAuthenticationPolicy,
    )

    return [
        policies.RequestIdPolicy(),
        policies.ContentDecodePolicy(),
        ARMChallengeAuthenticationPolicy(credential, scope),
        policies.CustomHookPolicy(),
    ]


def _refused(error: Any) -> SwapAnswer:
    said = from_sdk(error)
    if isinstance(said, AzureUnavailable) and said.status == 429 and said.code:
        return SwapAnswer(Sent.THROTTLED, message=said.message, retry_after_s=said.retry_after_s)
    if said.status == 409 and said.code:
        if is_busy(said):
            return SwapAnswer(Sent.BUSY, message=said.message)
        return SwapAnswer(Sent.CONFLICT, message=said.message, prepared=is_prepared(said))
    if 400 <= said.status < 500 and said.status != 408 and said.code:
        return SwapAnswer(Sent.REFUSED, message=said.message)
    return SwapAnswer(Sent.UNKNOWN, message=f"HTTP {said.status}")
