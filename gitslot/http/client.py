"""
The one HTTP client: Git, ARM, blobs, logins and probes all go out through it.

It retries nothing, follows no redirect and never sleeps. A call has a total time that a dripping
host cannot stretch. A host that answered 429 or 503 with Retry-After is not asked before. Proxies
and certificates follow the rules of curl and requests:
https://requests.readthedocs.io/en/latest/user/advanced/#proxies
"""

import os
import resource
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3
from requests import utils
from urllib3.util.ssl_ import create_urllib3_context

from gitslot.errors import NoAnswer, PutOff, SettingsError
from gitslot.http.causes import FAILURES, failed
from gitslot.http.sockets import POOLS, Tls, within
from gitslot.state.safe_text import safe
from gitslot.version import __version__

USER_AGENT = f"gitslot/{__version__}"
CONNECT_S = 5.0
MAX_WAIT_S = 300.0  # no host silences us for longer
_BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
_HOSTS = 4096  # production and staging of 2,000 apps
_PER_HOST = 64  # kept connections; all threads may ask ARM at once
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, decoded; *seconds* to its last byte."""

    status: int
    reason: str
    headers: urllib3.HTTPHeaderDict
    body: bytes
    seconds: float = 0.0

    @property
    def text(self) -> str:
        """Return the body as UTF-8, whatever it is."""
        return self.body.decode("utf-8", "replace")


class Http:
    """
    Sends requests; one object a process, shared by all threads.

    *clock* is monotonic. Proxies and certificates are read from the environment once: proxies at
    the first call to each host, certificates at the first call of all.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._guard = threading.Lock()
        self._by_proxy: dict[str, urllib3.PoolManager] = {}
        self._by_host: dict[str, urllib3.PoolManager] = {}
        self._until: dict[str, tuple[float, int]] = {}  # host -> monotonic time, status
        self.meters: dict[str, Any] = {}  # host -> the Budget of calls that it takes

    def request(
        self,
        method: str,
        url: str,
        *,
        total_s: float,
        most: int,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        connect_s: float = CONNECT_S,
        fresh: bool = False,
    ) -> Answer:
        """
        Send one request and return the whole answer, of any status.

        It takes *total_s* seconds at most; a *fresh* one uses no kept connection. Raises PutOff,
        and NoAnswer for everything else, an answer of more than *most* bytes too.
        """
        started = time.perf_counter()
        with within(total_s, fresh=fresh) as call:
            try:
                found = self.send(method, url, headers=headers, body=body, connect_s=connect_s)
                content = _read(found, most)
            except PutOff:
                raise
            except Exception as error:
                raise NoAnswer(host_of(url), _cause(error), sent=call.sent) from error
        if len(content) > most:
            raise NoAnswer(host_of(url), f"more than {most:,} bytes", sent=True)
        seconds = time.perf_counter() - started
        return Answer(found.status, found.reason or "", found.headers, content, seconds)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        connect_s: float = CONNECT_S,
    ) -> urllib3.BaseHTTPResponse:
        """
        Send one request and return its answer as a stream; read it within the same `within`.

        Raises PutOff, and what urllib3 raises.
        """
        self.refuse_put_off(url, method)
        found = self._manager(url).urlopen(
            method,
            url,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip", **(headers or {})},
            body=body,
            timeout=urllib3.Timeout(connect=connect_s, read=None),
            retries=False,
            redirect=False,
            preload_content=False,
        )
        self.note(url, found.status, found.headers, method)
        return found

    def note(self, url: str, status: int, headers: Mapping[str, str], method: str) -> None:
        """Remember that the host of *url* asked us to wait, if its answer did."""
        host = host_of(url)
        if meter := self.meters.get(host):
            meter.note(method, url, status, headers)
        if status in (429, 503) and (wait_s := _seconds(headers.get("Retry-After", ""))) > 0:
            self._until[host] = (self._clock() + wait_s, status)

    def refuse_put_off(self, url: str, method: str = "GET") -> None:
        """Raise PutOff if the host of *url* asked us to wait, or has no call left for this."""
        host = host_of(url)
        until, status = self._until.get(host, (0.0, 0))
        left = until - self._clock()
        if left <= 0 and (meter := self.meters.get(host)):
            left, status = meter.wait_s(method, url), 0
        if left > 0:
            raise PutOff(host, status, datetime.now(UTC) + timedelta(seconds=left), left)

    def _manager(self, url: str) -> urllib3.PoolManager:
        """Return the pools for the host of *url*: those of its proxy, or the direct ones."""
        host = url.partition("://")[0] + host_of(url)
        if host not in self._by_host:
            found = utils.select_proxy(url, utils.get_environ_proxies(url)) or ""
            proxy = f"http://{found}" if found and "://" not in found else found
            with self._guard:
                if proxy not in self._by_proxy:
                    self._by_proxy[proxy] = _manager(proxy)
                self._by_host[host] = self._by_proxy[proxy]
        return self._by_host[host]


class GitPool:
    """What dulwich takes as `pool_manager`; use it inside `within`, which limits all of a fetch."""

    # GitHub speaks Git's protocol with programs whose name begins with git/ (dulwich#562).
    headers: Mapping[str, str] = {"User-Agent": f"git/{USER_AGENT}"}

    def __init__(self, http: Http) -> None:
        self._http = http

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str], body: Any = None, **_: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send one request. Raises PutOff also where this very answer asks us to wait."""
        found = self._http.send(method, url, headers=headers, body=body)
        try:
            self._http.refuse_put_off(url)
        except PutOff:
            found.close()
            raise
        return found


def host_of(url: str) -> str:
    """Return the host of *url*, with its port where it names one; "" where it is no URL."""
    try:
        return urlsplit(url).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def _cause(error: Exception) -> str:
    if isinstance(error, SettingsError):
        return error.message
    row, why = failed(error)
    return "not in time" if row == "timeout" else FAILURES[row].format(why=safe(why, 200))


def _read(answer: urllib3.BaseHTTPResponse, most: int) -> bytes:
    content = bytearray()
    while chunk := answer.read1(_CHUNK, decode_content=True):
        content += chunk
        if len(content) > most:
            answer.close()
            break
    return bytes(content)


def _seconds(text: str) -> float:
    """Return how long a Retry-After asks us to wait: seconds or a date, 0 where it is neither."""
    try:
        wait = float(text)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds()
        except (ValueError, TypeError):  # TypeError: a date without a time zone
            return 0.0
    return min(wait, MAX_WAIT_S) if wait > 0 else 0.0


def _manager(proxy: str) -> urllib3.PoolManager:
    context = _trust()
    # Every pool keeps a connection or more, and each is an open file.
    files, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < 2 * _HOSTS:  # as Go does, since 1.19
        files = 2 * _HOSTS if most == resource.RLIM_INFINITY else min(most, 2 * _HOSTS)
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    pools = _HOSTS if files == resource.RLIM_INFINITY else min(_HOSTS, files // 2)
    kept: dict[str, Any] = {"num_pools": pools, "maxsize": _PER_HOST, "ssl_context": context}
    if not proxy:
        made = urllib3.PoolManager(**kept)
    else:
        user, password = utils.get_auth_from_url(proxy)
        basic = urllib3.make_headers(proxy_basic_auth=f"{user}:{password}") if user else {}
        made = urllib3.ProxyManager(proxy, proxy_headers=basic, proxy_ssl_context=context, **kept)
    made.pool_classes_by_scheme = POOLS
    return made


def _trust() -> ssl.SSLContext:
    """Return the process's one context, made anew where the environment names another bundle."""
    name = next((name for name in _BUNDLES if os.environ.get(name)), "")
    path = Path(os.environ[name] if name else utils.DEFAULT_CA_BUNDLE_PATH)
    try:
        return _context(path, path.stat().st_mtime_ns, bool(name))
    except OSError as error:
        what = f"{name or 'certifi'} names {path}, which cannot be read as certificates"
        raise SettingsError(what) from error


@cache
def _context(path: Path, _: int, alone: bool) -> ssl.SSLContext:
    """
    Return a context that trusts what is in *path*; if not *alone*, also what this machine trusts.

    Reading the roots takes 15 ms and 1 MiB, so all hosts share it.
    """
    made = create_urllib3_context()
    made.sslsocket_class = Tls
    if path.is_dir():
        made.load_verify_locations(capath=path)
    else:
        made.load_verify_locations(cafile=path)
    if not alone:
        made.load_default_certs()
    return made
