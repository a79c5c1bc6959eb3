"""What is in the log, and who says it."""

import json
import re

import pytest

from emulator.functions_host.hostjson import parse_host_config
from emulator.functions_host.logs import CONSOLE, Log
from tests.emulator.functions_host.conftest import Host, StartHost

SOURCE = """
import logging, sys

@app.route("talk")
async def talk(req: func.HttpRequest) -> func.HttpResponse:
    logging.debug("too quiet")
    logging.getLogger("deep").info("async says %s", req.params.get("what"))
    print("printed\\nin two lines")
    print("a complaint\\nit failed", file=sys.stderr)
    return func.HttpResponse("x")

@app.route("talk-sync")
def talk_sync(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.warning("sync says %s", req.params.get("what"))
    return func.HttpResponse(context.invocation_id)

logging.warning("said while loading")
"""
KEYS = ("level", "category", "invocation", "message")
LINE = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    r" (Trace|Debug|Information|Warning|Error|Critical) (\S+) ([0-9a-f-]{36}|-) (.*)"
)


def entries(host: Host) -> list[tuple[str, ...]]:
    lines = [line for line in host.log().splitlines() if not line.startswith("  ")]
    matches = [LINE.fullmatch(line) for line in lines]
    assert all(matches), host.log()
    return [match.groups() for match in matches if match]


def test_every_line_says_when_how_bad_who_and_in_which_call(start_host: StartHost) -> None:
    """
    All that an app logs inside a call carries the call's id, in threads and on the loop. Only that
    and what it prints reaches Application Insights.
    """
    host = start_host(SOURCE, settings={"APPLICATIONINSIGHTS_CONNECTION_STRING": "x"})
    host.get("/api/talk?what=this")
    invocation = host.get("/api/talk-sync?what=that").text
    host.wait_for(r"Executed 'Functions\.talk_sync' \(Succeeded, Id=[0-9a-f-]{36}, Duration=\d+ms")
    said = entries(host)
    loading = ("Warning", "Worker.rpcWorkerProcess", "-", "said while loading")
    assert loading in said
    assert ("Warning", "Function.talk_sync.User", invocation, "sync says that") in said
    (first,) = {i for _, category, i, _ in said if category.startswith("Function.talk.")}
    by_talk = [(level, text) for level, _, i, text in said if i == first]
    assert by_talk[1:-1] == [("Information", "async says this")]
    printed = [(level, i, text) for level, category, i, text in said if category == CONSOLE]
    words = ("printed", "in two lines", "a complaint")
    assert printed == [*(("Information", "-", text) for text in words), ("Error", "-", "it failed")]
    exported = [json.loads(line) for line in host.insights.read_bytes().splitlines()]
    got = [tuple(e[key] or "-" for key in KEYS) for e in exported]
    assert got == [entry for entry in said if entry != loading]
    assert by_talk[0][1].startswith("Executing 'Functions.talk' (Reason='")
    assert by_talk[-1][1].startswith("Executed 'Functions.talk' (Succeeded, Id=" + first)


def test_host_json_decides_what_is_shown(start_host: StartHost) -> None:
    """What host.json silences is not written, be it the app's own entries or the host's."""
    levels = {"Function.talk.": "Warning", "Function.talk_sync": "Error", CONSOLE: "Error"}
    host = start_host(SOURCE, host_json={"version": "2.0", "logging": {"logLevel": levels}})
    host.get("/api/talk?what=1")
    host.get("/api/talk-sync?what=2")
    host.stop()
    host.wait_for("Host.Startup - stopped")
    log = host.log()
    assert "Executed 'Functions.talk' (" in log
    for silenced in ("async says", "printed", "sync says", "Executed 'Functions.talk_sync'"):
        assert silenced not in log


@pytest.mark.parametrize(
    ("levels", "category", "least"),
    [
        ({}, "Function.a", 20),
        ({}, "Worker", 30),
        ({"default": "Warning"}, "Function.a", 30),
        ({"default": "None"}, "Function.a", 100),
        ({"Function": "Error"}, "Function.a.User", 40),
        ({"Function": "Error", "default": "Debug"}, "Host.Startup", 10),
        ({"Function": "Error", "Function.a": "Debug"}, "Function.a.User", 10),
        ({"Function.a": "Error"}, "Function.ab", 40),  # letter by letter, as in .NET
        ({"function.A.user": "Error"}, "Function.a.User", 40),
    ],
)
def test_the_longest_beginning_of_a_category_decides(
    levels: dict[str, str], category: str, least: int
) -> None:
    """Of all the beginnings that fit a category, the longest says what is shown."""
    log = Log(1)
    log.set_levels(parse_host_config({"version": "2.0", "logging": {"logLevel": levels}}).levels)
    assert log.shows(category, least)
    assert not log.shows(category, least - 1)


def test_an_entry_cannot_be_forged(start_host: StartHost) -> None:
    """Text from outside with line ends stays inside its entry."""
    host = start_host(SOURCE)
    forged = "x%0A2026-01-01T00:00:00.000Z%20Error%20Host.Startup%20-%20forged"
    host.get(f"/api/talk-sync?what={forged}")
    host.wait_for(r"\n  2026-01-01T00:00:00\.000Z Error Host\.Startup - forged")
    assert not [text for _, _, _, text in entries(host) if text == "forged"]


def test_debug_entries_come_on_demand(start_host: StartHost) -> None:
    """The worker's setting and host.json together let debug entries through."""
    host = start_host(
        SOURCE,
        host_json={"version": "2.0", "logging": {"logLevel": {"Function": "Debug"}}},
        settings={"PYTHON_ENABLE_DEBUG_LOGGING": "1"},
    )
    host.get("/api/talk?what=1")
    host.wait_for(r"Debug Function\.talk\.User [0-9a-f-]{36} too quiet")
