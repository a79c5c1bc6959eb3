"""An admitted request to a slot's Kudu, and what its handlers need."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from aiohttp import hdrs, web

from emulator.login.identity import Identity
from emulator.scm.deployer import Deployer
from emulator.seen.faults import Faults
from emulator.slots.azure import Azure
from emulator.slots.state import Site, Slot

CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Scm:
    """What the Kudu of every slot needs."""

    azure: Azure
    identity: Identity
    faults: Faults
    deployer: Deployer


@dataclass(frozen=True, slots=True)
class Call:
    """A request of *who*; lower-case names in *query*; *word* is the variable part of the path."""

    request: web.BaseRequest
    site: Site
    slot: Slot
    who: str
    query: Mapping[str, str]
    word: str = ""

    def flag(self, name: str, *, otherwise: bool = False) -> bool:
        given = self.query.get(name)
        return otherwise if given is None else given.lower() in ("true", "1")

    def url(self, path: str) -> str:
        return f"https://{self.slot.scm_host}{path}"

    @property
    def key(self) -> tuple[str, str]:
        """Return site and content, the key of ``Deployments``."""
        return self.site.key, self.slot.deployment_id


async def body(request: web.BaseRequest) -> AsyncIterator[bytes]:
    """Yield the body as it arrives; a client that waits for it gets 100 Continue first."""
    if not request.body_exists:
        return
    if _waits(request):
        assert request.transport is not None
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    async for chunk in request.content.iter_chunked(CHUNK):
        yield chunk


async def drain(request: web.BaseRequest) -> None:
    """Read the rest of the body, because a client may read no answer before it has sent all."""
    gone = request.transport is None or request.transport.is_closing()
    if request.body_exists and not gone and not _waits(request):
        async for _ in request.content.iter_any():
            pass


def _waits(request: web.BaseRequest) -> bool:
    return request.headers.get(hdrs.EXPECT, "").lower() == "100-continue"
