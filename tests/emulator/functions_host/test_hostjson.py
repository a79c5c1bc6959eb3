"""What host.json may say."""

from datetime import timedelta
from pathlib import Path

import pytest

from emulator.functions_host.errors import HostError
from emulator.functions_host.hostjson import HostConfig, parse_host_config, read_host_config
from emulator.functions_host.queueoptions import QueueOptions


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
        *(
            (f'{{"version": "2.0", "functionTimeout": {each}}}', "must be a time or")
            for each in ('"10"', '"00:00:00"', "-1", '"00:61:00"', '"1 h"')
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
        (
            '\ufeff{"version": "2.0", "functionTimeout": "1.00:10:05"}',
            HostConfig(timeout_s=87005.0),
        ),
        ('{"version": "2.0", "functionTimeout": "-1"}', HostConfig(timeout_s=None)),
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
    """Prefix, levels and the longest call are read, the rest is left to Azure."""
    (tmp_path / "host.json").write_text(text)
    assert read_host_config(tmp_path) == config


def queues(**keys: object) -> QueueOptions:
    return parse_host_config({"version": "2.0", "extensions": {"queues": keys}}).queues


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("batchSize", 0, "is 0, it must be a whole number from 1 to 32"),
        ("batchSize", 33, "is 33, it must be a whole number from 1 to 32"),
        ("batchSize", "many", "is 'many', it must be a whole number from 1 to 32"),
        ("batchSize", True, "is True, it must be a whole number"),
        ("newBatchThreshold", -1, "is -1, it must be a whole number of at least 0"),
        ("newBatchThreshold", 1.5, "is 1.5, it must be a whole number of at least 0"),
        ("maxDequeueCount", 0, "is 0, it must be a whole number of at least 1"),
        ("maxPollingInterval", "00:00:00.099", "it must be at least 0:00:00.100000"),
        ("maxPollingInterval", "soon", "is 'soon', it must be a time span such as 00:00:02"),
        ("visibilityTimeout", "25:00:00", "it must be a time span such as 00:00:02"),
        ("visibilityTimeout", 30, "is 30, 30 days, 0:00:00; it must be from 0:00:00 to 7 days"),
        ("messageEncoding", "utf8", "is 'utf8', it must be base64 or none"),
    ],
)
def test_bad_options_of_queues_are_refused(key: str, value: object, says: str) -> None:
    """The refusal names the key, what it is and what it must be."""
    with pytest.raises(HostError) as refusal:
        queues(**{key: value})
    assert str(refusal.value).startswith(f"host.json extensions.queues.{key} is ")
    assert says in str(refusal.value)


def test_options_of_queues_are_read_as_azure_reads_them() -> None:
    """Defaults are Azure's, spans are .NET's, and the threshold follows the size of a batch."""
    assert queues() == QueueOptions()
    assert queues(batchSize=5).new_batch_threshold == 2
    assert queues(maxPollingInterval="00:00:02").max_polling_interval == timedelta(seconds=2)
    assert queues(
        batchSize="32",
        newBatchThreshold=0,
        maxDequeueCount=1,
        maxPollingInterval="1.02:03:04.05",
        visibilityTimeout="2",
        messageEncoding="None",
        unknown=1,
    ) == QueueOptions(
        batch_size=32,
        new_batch_threshold=0,
        max_dequeue_count=1,
        max_polling_interval=timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=50),
        visibility_timeout=timedelta(days=2),
        base64=False,
    )
