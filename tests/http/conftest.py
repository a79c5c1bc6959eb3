"""One server for all tests of a module; each test gets a host of its own behind it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import Answer, Handler, serving


@dataclass
class Host:
    """A host that answers what *answer* returns, over TLS; *asked* is what came."""

    url: str
    folder: Path
    answer: Callable[[Handler, bytes], Answer] = lambda *_: (200, {}, b"fine")
    asked: list[Handler] = field(default_factory=list)

    @property
    def certificate(self) -> Path:
        """Return the file with its certificate."""
        return self.folder / "cert.pem"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Host]]:
    """Give a list whose last host answers."""
    hosts: list[Host] = []

    def respond(handler: Handler, body: bytes) -> Answer:
        hosts[-1].asked.append(handler)
        return hosts[-1].answer(handler, body)

    folder = tmp_path_factory.mktemp("server")
    with serving(folder, respond) as url:
        hosts.append(Host(url, folder))
        yield hosts


@pytest.fixture
def host(machine: list[Host], monkeypatch: pytest.MonkeyPatch) -> Host:
    """Give a host; its certificate is in no bundle, and nothing goes through a proxy."""
    for name in ("HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    machine.append(Host(machine[0].url, machine[0].folder))
    return machine[-1]
