"""What holds for every test."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.edges.azure.arm import Arm
from tests.servers import serving

# Several tests run at once: threads of one would only wait for those of the others.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A run in the background of a shell ignores Ctrl-C, and so would everything that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How fast the machine is proves nothing: no example fails because it took long.
settings.register_profile("gitslot", deadline=None)
settings.load_profile("gitslot")

# What takes longest, the longest first: begun last, it would leave one worker alone at the end.
_FIRST = (
    *("story/test_demo.py", "story/test_local.py", "story/", "emulator/"),
    *("reliability/test_designs.py", "reliability/test_attacks.py"),
)
_LAST = "reliability/test_pairs.py"  # many short parts, which fill up whoever has time left
_ALONE = (*_FIRST[-2:], _LAST)  # files whose tests share nothing, so that any worker takes the next


@pytest.fixture
def open_lab() -> Iterator[Callable[..., Any]]:
    """Give what opens labs; once the test has ended, no history of theirs may break a rule."""
    from reliability.lab import labs  # noqa: PLC0415 - it imports Azure's clients

    with labs() as opens:
        yield opens


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the order within a file stays."""
    items.sort(key=lambda item: _rank(item.path.as_posix()))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Deal tests out by file, as --dist loadfile does, but those of _ALONE one by one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling  # noqa: PLC0415 - only where xdist runs

    class ByFile(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
        def _split_scope(self, nodeid: str) -> str:
            alone = nodeid.startswith(tuple(f"tests/{file}" for file in _ALONE))
            return nodeid if alone else super()._split_scope(nodeid)

    return ByFile(config, log)


def _rank(path: str) -> int:
    if f"/tests/{_LAST}" in path:
        return len(_FIRST) + 1
    return next((i for i, part in enumerate(_FIRST) if f"/tests/{part}" in path), len(_FIRST))


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Return a running platform that ends with the tests; it keeps what they register."""
    from tests.platform import start_platform  # noqa: PLC0415 - it imports Azure's clients

    with start_platform(tmp_path_factory.mktemp("platform") / "state") as running:
        yield running


@pytest.fixture
def registry(platform: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the registry of the platform, as the laptop user."""
    from gitslot.registry.registry import Registry  # noqa: PLC0415 - it imports Azure's clients

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(platform.facts["ca_bundle"]))
    found = Registry(platform.storage, platform.credential)
    found.ensure_containers()
    return found


@pytest.fixture
def arm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Arm]:
    """Return a server in ARM's place, which this process trusts."""
    arm = Arm()
    with serving(tmp_path, arm.respond) as address:
        arm.address = address
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "cert.pem"))
        yield arm
