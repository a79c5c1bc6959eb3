"""The HTTP client itself: what it remembers, whom it trusts, what it keeps."""

import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from gitslot.errors import NoAnswer, PutOff
from gitslot.http.client import GitPool, Http
from gitslot.http.sockets import within
from tests.http.conftest import Host


@pytest.fixture
def trusted(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the host."""
    monkeypatch.setenv("SSL_CERT_FILE", str(host.certificate))


def get(http: Http, url: str, most: int = 100) -> bytes:
    return http.request("GET", url, total_s=30, most=most).body


def in_seconds(seconds: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("asked", "at_least", "at_most"),
    [
        ("7", 7, 7),
        (100.0, 60, 100),
        ("86400", 300, 300),  # nobody silences us for a day
        ("inf", 300, 300),
        (86400.0, 300, 300),
        *((text, 0, 0) for text in ("0", "-5", "nan", "soon", "", -9.0)),
        ("Thu, 26 Nov 2026 22:00:00 -0000", 0, 0),  # no time zone
    ],
)
@pytest.mark.usefixtures("trusted")
def test_a_time_to_wait_is_seconds_or_a_date(
    host: Host, asked: str | float, at_least: float, at_most: float
) -> None:
    """At most five minutes; what is neither is no time. A number stands for a date from now."""
    if isinstance(asked, float):
        asked = in_seconds(asked)
    host.answer = lambda *_: (503, {"Retry-After": asked}, b"")
    http = Http(clock=lambda: 0.0)
    get(http, host.url)
    if not at_most:
        get(http, host.url)
        return
    with pytest.raises(
        PutOff, match=r"answered 503 and asked to wait until \d\d:\d\d:\d\d UTC"
    ) as e:
        get(http, host.url)
    assert at_least <= e.value.left_s <= at_most
    assert len(host.asked) == 1


@pytest.mark.usefixtures("trusted")
def test_git_hears_at_once_that_it_is_put_off(host: Host) -> None:
    """Dulwich knows no Retry-After."""
    host.answer = lambda *_: (429, {"Retry-After": "7"}, b"")
    pool = GitPool(Http())
    for _ in range(2):
        with pytest.raises(PutOff), within(30):
            pool.request("GET", host.url, headers=pool.headers)
    assert len(host.asked) == 1


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
@pytest.mark.parametrize("folder", [False, True])
def test_each_variable_names_whom_to_trust(
    host: Host,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    folder: bool,
) -> None:
    """A file, or a folder as OpenSSL hashes it; without any the host is a stranger."""
    with pytest.raises(
        NoAnswer, match="signed by nobody who is trusted here: self-signed"
    ) as caught:
        get(Http(), host.url)
    assert not caught.value.sent
    bundle = host.certificate
    if folder:
        hashed = tmp_path / "hashed"
        hashed.mkdir()
        shutil.copy(bundle, hashed / f"{name_hash(bundle)}.0")
        bundle = hashed
    monkeypatch.setenv(name, str(bundle))
    assert get(Http(), host.url) == b"fine"


def name_hash(cert: Path) -> str:
    words = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(cert)]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("bundle", ["missing.pem", "key.pem"])
def test_a_bundle_that_is_none_is_named(
    host: Host, monkeypatch: pytest.MonkeyPatch, bundle: str
) -> None:
    """With the variable that names it."""
    monkeypatch.setenv("CURL_CA_BUNDLE", str(host.folder / bundle))
    with pytest.raises(NoAnswer, match=f"CURL_CA_BUNDLE names .*{bundle}, which cannot be read"):
        get(Http(), host.url)


@pytest.mark.usefixtures("trusted")
def test_a_connection_is_kept_and_what_is_too_large_is_not(host: Host) -> None:
    """A body that is not read to its end would be taken for the next answer."""
    http = Http()
    get(http, host.url)
    get(http, host.url)
    host.answer = lambda *_: (200, {}, b"x" * 500_000)
    with pytest.raises(NoAnswer, match="more than 100 bytes"):
        get(http, host.url)
    host.answer = lambda *_: (200, {}, b"again")
    assert get(http, host.url) == b"again"
    first, second, third, fourth = (handler.client_address for handler in host.asked)
    assert first == second == third != fourth


@pytest.mark.usefixtures("trusted")
def test_a_call_inside_another_ends_with_it(host: Host) -> None:
    """A fetch of Git has a time of its own, and each of its requests is inside."""
    with within(0), pytest.raises(NoAnswer, match="not in time"):
        get(Http(), host.url)
    assert get(Http(), host.url) == b"fine"
