"""`azure-mgmt-web` in both of its kinds, sync and async, behind one way to call them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol

from azure.core.credentials import AccessToken
from azure.core.paging import ItemPaged
from azure.core.polling import LROPoller
from azure.mgmt.web.aio import WebSiteManagementClient as AsyncWebSiteManagementClient

from tests.platform import LaptopCredential, Platform


class Web(Protocol):
    """Calls operations by name, of ``web_apps`` unless told; waits for their end."""

    def __call__(self, operation: str, *words: Any, group: str = "web_apps", **more: Any) -> Any:
        """Return what the operation gives: a model, a list, bytes, or None."""

    def close(self) -> None:
        """Close connections."""


class SyncWeb:
    """The client that blocks."""

    def __init__(self, platform: Platform) -> None:
        self._client = platform.web

    def __call__(self, operation: str, *words: Any, group: str = "web_apps", **more: Any) -> Any:
        if operation.startswith("begin_"):
            more["polling_interval"] = 1
        given = getattr(getattr(self._client, group), operation)(*words, **more)
        if isinstance(given, LROPoller):
            return given.result()
        if isinstance(given, ItemPaged):
            return list(given)
        return b"".join(given) if "xml_with_secrets" in operation else given

    def close(self) -> None:
        """Leave the platform's own client open."""


class AsyncCredential:
    """The laptop's credential as the async client wants one."""

    def __init__(self, credential: LaptopCredential) -> None:
        self._credential = credential

    async def get_token(self, *scopes: str, **more: Any) -> AccessToken:
        return await asyncio.to_thread(self._credential.get_token, *scopes, **more)

    async def close(self) -> None:
        """Hold nothing."""

    async def __aenter__(self) -> "AsyncCredential":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hold nothing."""


class AsyncWeb:
    """The client of ``azure.mgmt.web.aio``, on a loop of its own."""

    def __init__(self, platform: Platform) -> None:
        self._runner = asyncio.Runner()
        self._client = self._runner.run(self._open(platform))

    async def _open(self, platform: Platform) -> AsyncWebSiteManagementClient:
        return AsyncWebSiteManagementClient(
            AsyncCredential(platform.credential),
            platform.subscription,
            base_url=platform.arm,
            credential_scopes=[f"{platform.arm}/.default"],
            connection_verify=platform.ca,
        )

    def __call__(self, operation: str, *words: Any, group: str = "web_apps", **more: Any) -> Any:
        return self._runner.run(self._call(operation, words, group, more))

    async def _call(
        self, operation: str, words: tuple[Any, ...], group: str, more: dict[str, Any]
    ) -> Any:
        if operation.startswith("begin_"):
            more["polling_interval"] = 1
        given = getattr(getattr(self._client, group), operation)(*words, **more)
        if isinstance(given, Coroutine):
            given = await given
        if operation.startswith("begin_"):
            return await given.result()
        if hasattr(given, "__aiter__"):
            found = [item async for item in given]
            return b"".join(found) if "xml_with_secrets" in operation else found
        return given

    def close(self) -> None:
        """Close connections and loop."""
        self._runner.run(self._client.close())
        self._runner.close()
