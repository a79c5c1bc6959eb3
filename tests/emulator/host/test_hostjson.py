"""What host.json may say."""

from pathlib import Path

import pytest

from emulator.host.errors import HostError
from emulator.host.hostjson import HostConfig, read_host_config


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "host.json is not JSON"),
        ("[]", "host.json must hold an object"),
        ("{'version': '2.0'}", "host.json is not JSON"),
        ('{"logging": {}}', "missing the required 'version' property"),
        ('{"version": "3.0"}', "'3.0' is an invalid value for host.json 'version' property"),
        ('{"version": 2.0}', "2.0 is an invalid value"),
        ('{"version": "2.0", "extensions": []}', "host.json extensions must hold an object"),
        (
            '{"version": "2.0", "extensions": {"http": {"routePrefix": 3}}}',
            "host.json extensions.http.routePrefix must be text",
        ),
        (
            '{"version": "2.0", "logging": {"logLevel": {"default": "Loud"}}}',
            "host.json logging.logLevel.default is 'Loud', it must be one of Trace, Debug",
        ),
    ],
)
def test_a_bad_host_json_is_refused(tmp_path: Path, text: str, says: str) -> None:
    """The refusal names the key, what it is and what it must be."""
    (tmp_path / "host.json").write_text(text)
    with pytest.raises(HostError) as refusal:
        read_host_config(tmp_path)
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "config"),
    [
        ("{}", HostConfig()),
        ('\ufeff{"version": "2.0", "functionTimeout": "00:10:00"}', HostConfig()),
        (
            '{"version": "2.0", "extensions": {"http": {"routePrefix": "/a/b/"}}}',
            HostConfig(route_prefix="a/b"),
        ),
        (
            '{"version": "2.0", "logging": {"logLevel": {"default": "None", "A.B": "trace"}}}',
            HostConfig(levels={"default": 100, "A.B": 5}),
        ),
    ],
)
def test_a_good_host_json_is_read(tmp_path: Path, text: str, config: HostConfig) -> None:
    """Prefix and levels are read, the rest is left to Azure."""
    (tmp_path / "host.json").write_text(text)
    assert read_host_config(tmp_path) == config
