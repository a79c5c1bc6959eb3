"""
The door of the storage account: Azurite checks no role and knows no policy, so this does.

A request of who may not is refused as Azure refuses it (codes and messages:
https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes); keys and SAS are
refused, as by all accounts of docs/run/azure.md. All else is passed on as it came. Under a policy
a blob that is there is neither changed nor deleted
(https://learn.microsoft.com/azure/storage/blobs/immutable-storage-overview); that it may be deleted
after the policy's days is left out.
"""

import ssl
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import unquote

import aiohttp
from aiohttp import hdrs, web
from yarl import URL

from emulator.login.blob_rights import account_scope, action_of, container_scope, may
from emulator.login.identity import STORAGE, Identity, TokenRefusedError
from emulator.machine.serving import Listener
from emulator.slots.azure import Azure

CHUNK = 1 << 18
# Azurite is node, which closes idle connections after 5 s; ours are closed first.
IDLE_S = 3.0
HOPS = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "expect"})
POLICY = "x-ms-has-immutability-policy"
# Requests about a blob, by `comp`, that a policy leaves alone: they change no content.
HARMLESS = frozenset({"lease", "block", "tier", "tags"})
REFUSALS: Mapping[str, tuple[int, str]] = {
    "NoAuthenticationInformation": (
        401,
        "Server failed to authenticate the request. Please refer to the information in the"
        " www-authenticate header.",
    ),
    "KeyBasedAuthenticationNotPermitted": (
        403,
        "Key based authentication is not permitted on this storage account.",
    ),
    "AuthorizationPermissionMismatch": (
        403,
        "This request is not authorized to perform this operation using this permission.",
    ),
    "BlobImmutableDueToPolicy": (
        409,
        "This operation is not permitted as the blob is immutable due to a policy.",
    ),
    "ServerBusy": (503, "The server is currently unable to receive requests."),
}
REFUSALS = {**REFUSALS, "InvalidAuthenticationInfo": REFUSALS["NoAuthenticationInformation"]}


class BlobDoor(Listener):
    """Passes requests on to the blob service on *port*."""

    def __init__(
        self, azure: Azure, identity: Identity, port: int, context: ssl.SSLContext
    ) -> None:
        self.azure = azure
        self.identity = identity
        self.behind = f"https://127.0.0.1:{port}"
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, keepalive_timeout=IDLE_S),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60),
            auto_decompress=False,
        )

    async def close(self) -> None:
        await super().close()
        await self._session.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        account, _, rest = unquote(request.rel_url.raw_path).lstrip("/").partition("/")
        container, _, blob = rest.partition("/")
        code = self._refusal(request, account, container, blob)
        try:
            if not code and await self._protected(request, container, blob):
                code = "BlobImmutableDueToPolicy"
            return self._refused(code) if code else await self._pass_on(request, container, blob)
        except aiohttp.ClientConnectorError:
            return self._refused("ServerBusy")
        except aiohttp.ClientError:  # the service ended meanwhile: the caller gets no answer
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)

    def _refusal(self, request: web.BaseRequest, account: str, container: str, blob: str) -> str:
        """Return the code by which the request is refused; "" where its caller may."""
        given = request.headers.get(hdrs.AUTHORIZATION, "")
        if given.lower().startswith("sharedkey") or "sig" in request.query:
            return "KeyBasedAuthenticationNotPermitted"
        if not given:
            return "NoAuthenticationInformation"
        try:
            caller = self.identity.verify(given, STORAGE)
        except TokenRefusedError:
            return "InvalidAuthenticationInfo"
        azure = self.azure
        action = action_of(request.method, container, blob, request.query)
        scope = account_scope(azure.scope, account)
        creates = request.method == hdrs.METH_PUT and not blob and "comp" not in request.query
        if container and not (creates and azure.assumed.holds("container-create")):
            scope = container_scope(azure.scope, account, container)
        fine = may(azure.store.rights, caller.principal, action, scope, azure.now())
        return "" if fine else "AuthorizationPermissionMismatch"

    async def _protected(self, request: web.BaseRequest, container: str, blob: str) -> bool:
        """Return whether a policy forbids what *request* would change."""
        known = self.azure.store.containers.get(container)
        if known is None or not known.days or request.method in ("GET", "HEAD"):
            return False
        if not blob:
            return request.method == hdrs.METH_DELETE
        if request.query.get("comp") in HARMLESS:
            return False
        names = (hdrs.AUTHORIZATION, "x-ms-version")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        url = URL(f"{self.behind}{request.rel_url.raw_path}", encoded=True)
        async with self._session.head(url, headers=headers) as there:
            return there.status == 200

    async def _pass_on(
        self, request: web.BaseRequest, container: str, blob: str
    ) -> web.StreamResponse:
        known = self.azure.store.containers
        if container in known and not known[container].made:
            await self._make(request, container)
        if request.headers.get(hdrs.EXPECT, "").lower() == "100-continue":
            assert request.transport is not None
            request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        headers = [(k, v) for k, v in request.headers.items() if k.lower() not in HOPS]
        async with self._session.request(
            request.method,
            URL(f"{self.behind}{request.raw_path}", encoded=True),
            headers=headers,
            data=request.content.iter_chunked(CHUNK) if request.body_exists else None,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.CONTENT_TYPE),
            allow_redirects=False,
        ) as reply:
            if container and not blob and reply.ok and request.query.get("comp") != "list":
                self.azure.store.note_container(container, request.method != hdrs.METH_DELETE)
            answer = web.StreamResponse(status=reply.status)
            for name, value in reply.headers.items():
                if name.lower() not in HOPS:
                    answer.headers.add(name, value)
            if POLICY in answer.headers and container in known:
                answer.headers[POLICY] = "true" if known[container].days else "false"
            await answer.prepare(request)
            if request.method != hdrs.METH_HEAD:
                async for chunk in reply.content.iter_chunked(CHUNK):
                    await answer.write(chunk)
            await answer.write_eof()
            return answer

    async def _make(self, request: web.BaseRequest, container: str) -> None:
        """Make *container* in Azurite too: ARM was asked for it."""
        url = f"{self.behind}/{self.azure.account}/{container}?restype=container"
        names = (hdrs.AUTHORIZATION, "x-ms-version")
        headers = {name: request.headers[name] for name in names if name in request.headers}
        async with self._session.put(url, headers=headers) as reply:
            if reply.status in (201, 409):
                self.azure.store.note_container(container, there=True)

    def _refused(self, code: str) -> web.Response:
        status, message = REFUSALS[code]
        now, id_ = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z"), str(uuid.uuid4())
        headers = {"x-ms-error-code": code, "x-ms-request-id": id_}
        if status == 401:
            entra = f"{self.azure.url}/{self.azure.tenant}/oauth2/authorize"
            headers[hdrs.WWW_AUTHENTICATE] = (
                f"Bearer authorization_uri={entra} resource_id={STORAGE}"
            )
        text = (
            f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code>'
            f"<Message>{message}\nRequestId:{id_}\nTime:{now}</Message></Error>"
        )
        return web.Response(
            status=status, headers=headers, text=text, content_type="application/xml"
        )
