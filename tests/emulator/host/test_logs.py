"""What is in the log, and who says it."""

import re

import pytest

from tests.emulator.host.conftest import Host, StartHost

SOURCE = """
import logging, sys

@app.route("talk")
async def talk(req: func.HttpRequest) -> func.HttpResponse:
    logging.debug("too quiet")
    logging.getLogger("deep").info("async says %s", req.params.get("what"))
    print("printed\\nin two lines")
    print("a complaint", file=sys.stderr)
    return func.HttpResponse("x")

@app.route("talk-sync")
def talk_sync(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    logging.warning("sync says %s", req.params.get("what"))
    return func.HttpResponse(context.invocation_id)

logging.warning("said while loading")
"""
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
    """All that an app says inside a call carries the call's id, in threads and on the loop."""
    host = start_host(SOURCE)
    host.get("/api/talk?what=this")
    invocation = host.get("/api/talk-sync?what=that").text
    host.wait_for(r"Executed 'Functions\.talk_sync' \(Succeeded, Id=[0-9a-f-]{36}, Duration=\d+ms")
    said = entries(host)
    assert ("Warning", "Host.Function.Console", "-", "said while loading") in said
    assert ("Warning", "Function.talk_sync.User", invocation, "sync says that") in said
    (first,) = {i for _, category, i, _ in said if category.startswith("Function.talk.")}
    by_talk = [(level, text) for level, _, i, text in said if i == first]
    assert by_talk[1:-1] == [
        ("Information", "async says this"),
        ("Information", "printed"),
        ("Information", "in two lines"),
        ("Warning", "a complaint"),
    ]
    assert by_talk[0][1].startswith("Executing 'Functions.talk' (Reason='")
    assert by_talk[-1][1].startswith("Executed 'Functions.talk' (Succeeded, Id=" + first)


@pytest.mark.parametrize(
    ("levels", "shown"),
    [
        ({"default": "Warning"}, {"sync says"}),
        ({"default": "None"}, set()),
        ({"Function": "Error"}, set()),
        ({"Function.talk": "Warning"}, {"sync says"}),
        ({"Function.talk.": "Warning"}, {"sync says", "Executed sync", "Executed async"}),
        ({"default": "Error", "Function.talk.User": "Information"}, {"async says"}),
        ({"Function.talk_sync.User": "error"}, {"Executed sync", "async says", "Executed async"}),
    ],
)
def test_host_json_decides_what_is_shown(
    start_host: StartHost, levels: dict[str, str], shown: set[str]
) -> None:
    """The longest beginning of a category decides, letter by letter as in .NET."""
    host = start_host(SOURCE, host_json={"version": "2.0", "logging": {"logLevel": LOUD | levels}})
    host.get("/api/talk?what=1")
    host.get("/api/talk-sync?what=2")
    host.stop()
    host.wait_for("Host.Startup - stopped")
    log = host.log()
    marks = {
        "sync says": "User [0-9a-f-]+ sync says",
        "async says": "async says",
        "Executed sync": r"Executed 'Functions\.talk_sync'",
        "Executed async": r"Executed 'Functions\.talk'",
    }
    assert {name for name, mark in marks.items() if re.search(mark, log)} == shown


LOUD = {"Host.Startup": "Information"}


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
