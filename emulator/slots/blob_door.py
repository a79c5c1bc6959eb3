"""
The door of the storage account: Azurite checks no role and knows no policy, so this does.

A request of who may not is refused with Azure's codes and messages
(https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes); so are keys and
SAS, as by each account of docs/run/azure.md. All else is passed on as it came. Under a policy a
blob that is there is neither changed nor deleted
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
from multidict import CIMultiDict
from yarl import URL

from emulator.login.identity import STORAGE, Identity, TokenRefusedError
from emulator.login.rights import blob_action, blobs_scope
from emulator.machine.serving import Listener
from emulator.slots.azure import Azure
from emulator.slots.store import POLICY

CHUNK = 1 << 18
IDLE_S = 3.0  # Azurite, which is node, closes idle connections after 5 s; ours are closed first
HOPS = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade", "expect"})
XML = {"content-type": "application/xml"}
HAS_POLICY = "x-ms-has-immutability-policy"
HARMLESS = frozenset({"lease", "block", "tier", "tags"})  # by `comp`: they change no content
_TEXT = """
401 NoAuthenticationInformation Server failed to authenticate the request. Please refer to the \
information in the www-authenticate header.
403 KeyBasedAuthenticationNotPermitted Key based authentication is not permitted on this storage \
account.
403 AuthorizationPermissionMismatch This request is not authorized to perform this operation \
using this permission.
409 BlobImmutableDueToPolicy This operation is not permitted as the blob is immutable due to a \
policy."""
REFUSALS = {line.split(" ", 2)[1]: line.split(" ", 2) for line in _TEXT.strip().splitlines()}


class BlobDoor(Listener):
    """Passes requests on to the blob service on *port*."""

    def __init__(
        self, azure: Azure, identity: Identity, port: int, context: ssl.SSLContext
    ) -> None:
        self.azure = azure
        self.identity = identity
        self.behind = f"https://127.0.0.1:{port}"
        self._made: set[str] = set()  # containers that ARM was asked for, and Azurite has
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
        scope = blobs_scope(self.azure.scope, account, container).lower()
        code = self._refusal(request, container, blob)
        try:
            if not code and await self._protected(request, scope, blob):
                code = "BlobImmutableDueToPolicy"
            return self._refused(code) if code else await self._pass_on(request, scope)
        except aiohttp.ClientError:  # the service is down: the caller gets no answer
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=500)

    def _refusal(self, request: web.BaseRequest, container: str, blob: str) -> str:
        """Return the code by which the request is refused; "" where its caller may."""
        given, azure = request.headers.get(hdrs.AUTHORIZATION, ""), self.azure
        if given.lower().startswith("sharedkey") or "sig" in request.query:
            return "KeyBasedAuthenticationNotPermitted"
        try:
            caller = self.identity.verify(given, STORAGE)
        except TokenRefusedError:
            return "NoAuthenticationInformation"
        creates = request.method == hdrs.METH_PUT and not blob and "comp" not in request.query
        at = "" if creates and azure.assumed.holds("container-create") else container
        action = blob_action(request.method, container, blob, request.query.get("comp", ""))
        scope = blobs_scope(azure.scope, azure.account, at)
        fine = azure.store.rights.allow_blobs(caller.principal, action, scope, azure.now())
        return "" if fine else "AuthorizationPermissionMismatch"

    async def _protected(self, request: web.BaseRequest, scope: str, blob: str) -> bool:
        """Return whether a policy forbids what *request* would change."""
        kept = f"{scope}{POLICY}" in self.azure.store.storage
        if not kept or request.method in ("GET", "HEAD") or request.query.get("comp") in HARMLESS:
            return False
        if not blob:
            return request.method == hdrs.METH_DELETE
        url = URL(f"{self.behind}{request.rel_url.raw_path}", encoded=True)
        async with self._session.head(url, headers=_caller(request)) as there:
            return there.status == 200

    async def _pass_on(self, request: web.BaseRequest, scope: str) -> web.StreamResponse:
        kept = self.azure.store.storage
        if scope in kept and scope not in self._made:
            url = f"{self.behind}/{self.azure.account}/{scope.rpartition('/')[2]}"
            async with self._session.put(f"{url}?restype=container", headers=_caller(request)):
                self._made.add(scope)
        async with self._session.request(
            request.method,
            URL(f"{self.behind}{request.raw_path}", encoded=True),
            headers=_kept(request.headers),
            data=request.content.iter_chunked(CHUNK) if request.body_exists else None,
            skip_auto_headers=(hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.CONTENT_TYPE),
            allow_redirects=False,
        ) as reply:
            answer = web.StreamResponse(status=reply.status, headers=_kept(reply.headers))
            if HAS_POLICY in answer.headers and f"{scope}{POLICY}" in kept:
                answer.headers[HAS_POLICY] = "true"
            await answer.prepare(request)
            if request.method != hdrs.METH_HEAD:
                async for chunk in reply.content.iter_chunked(CHUNK):
                    await answer.write(chunk)
            await answer.write_eof()
            return answer

    def _refused(self, code: str) -> web.Response:
        status, _, message = REFUSALS[code]
        now, id_ = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f0Z"), str(uuid.uuid4())
        headers = {"x-ms-error-code": code, "x-ms-request-id": id_, **XML}
        if status == "401":
            entra = f"{self.azure.url}/{self.azure.tenant}/oauth2/authorize"
            challenge = f"Bearer authorization_uri={entra} resource_id={STORAGE}"
            headers[hdrs.WWW_AUTHENTICATE] = challenge
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{message}'
        text += f"\nRequestId:{id_}\nTime:{now}</Message></Error>"
        return web.Response(status=int(status), headers=headers, text=text)


def _kept(headers: Mapping[str, str]) -> CIMultiDict[str]:
    return CIMultiDict([(k, v) for k, v in headers.items() if k.lower() not in HOPS])


def _caller(request: web.BaseRequest) -> Mapping[str, str]:
    names = (hdrs.AUTHORIZATION, "x-ms-version")
    return {name: request.headers[name] for name in names if name in request.headers}
