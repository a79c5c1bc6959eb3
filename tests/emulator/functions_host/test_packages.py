"""What the host says of packages that it cannot run, and whose libraries an app gets."""

import pytest

from tests.emulator.functions_host.conftest import NO_PREFIX, StartHost

FINE = """
@app.route("fine")
async def fine(req: func.HttpRequest) -> str:
    return "fine"
"""


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("def broken(:", "SyntaxError"),
        ("raise RuntimeError('the model is missing')", "RuntimeError: the model is missing"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("del app", "Could not find top level function app instances"),
        ("other = func.FunctionApp()", "More than one"),
        (FINE + FINE, "does not have a unique function name"),
        (
            '@app.route("x")\nasync def x(req: func.HttpRequest, more: int) -> str: ...',
            "declared in Python",
        ),
        (
            '@app.blob_trigger(arg_name="b", path="a/b", connection="c")\n'
            "def watch(b: func.InputStream) -> None: ...",
            "function 'watch': this host lacks the binding 'blobTrigger' (parameter 'b'); "
            "it has httpTrigger, http, timerTrigger, queueTrigger",
        ),
        (
            '@app.queue_trigger(arg_name="m", queue_name="jobs", connection="Missing")\n'
            "def drain(m: func.QueueMessage) -> None: ...",
            "function 'drain': Storage account connection string 'AzureWebJobsMissing' does not "
            "exist. Make sure that it is a defined App Setting.",
        ),
        (
            '@app.queue_trigger(arg_name="m", queue_name="a--b", connection="c")\n'
            "def drain(m: func.QueueMessage) -> None: ...",
            "function 'drain': the queue name 'a--b' must be 3 to 63 letters, digits",
        ),
        (
            '@app.route("x")\n'
            '@app.queue_output(arg_name="q", queue_name="jobs", connection="c")\n'
            "def fill(req: func.HttpRequest, q: func.Out[str]) -> str: ...",
            "function 'fill': this host lacks the binding 'queue' (parameter 'q')",
        ),
        (
            '@app.route("x")\n@app.blob_output(arg_name="b", path="a/b", connection="c")\n'
            "def keep(req: func.HttpRequest, b: func.Out[str]) -> str: ...",
            "function 'keep': this host lacks the binding 'blob' (parameter 'b')",
        ),
        (
            '@app.timer_trigger(schedule="0 61 * * * *", arg_name="t")\n'
            "def tick(t: func.TimerRequest) -> None: ...",
            "function 'tick': the schedule '0 61 * * * *' never fires or cannot be read",
        ),
        (
            '@app.timer_trigger(schedule="%NO_SUCH%", arg_name="t")\n'
            "def tick(t: func.TimerRequest) -> None: ...",
            "function 'tick': '%NO_SUCH%' does not resolve to a value",
        ),
        (
            '@app.route("a/{b:regex(^x$)}")\ndef constrained(req: func.HttpRequest) -> str: ...',
            "function 'constrained': this host lacks the route constraint 'regex'",
        ),
    ],
)
def test_an_app_that_cannot_be_loaded_is_named(
    start_host: StartHost, source: str, says: str
) -> None:
    """The reason is in log and status, and every route answers that the host does not run."""
    host = start_host(files={"function_app.py": f"{PREAMBLE}\n{source}\n"})
    status = host.status()
    assert status["state"] == "Error"
    assert says in status["errors"][0]
    assert says in host.log()
    for path in ("/", "/api/fine", "/anything"):
        answer = host.get(path)
        assert (answer.status_code, answer.text) == (503, "Function host is not running.")
    assert host.get("/admin/host/ping").status_code == 200
    assert host.stop() == 0


PREAMBLE = "import azure.functions as func\napp = func.FunctionApp(func.AuthLevel.ANONYMOUS)"


def test_a_failed_import_shows_the_line_of_the_app(start_host: StartHost) -> None:
    """The traceback leads to the app's own file and line."""
    host = start_host("\n\nimport helper", files={"helper.py": "x = 1\nraise ValueError(x)\n"})
    for text in (host.status()["errors"][0], host.log()):
        assert 'helper.py", line 2' in text
        assert "ValueError: 1" in text


def test_a_bad_host_json_is_named(start_host: StartHost) -> None:
    """What is wrong with host.json is said, and no function runs."""
    host = start_host(FINE, host_json='{"version": "1.0"}')
    assert host.status()["state"] == "Error"
    assert "'1.0' is an invalid value for host.json 'version'" in host.status()["errors"][0]
    assert host.get("/api/fine").status_code == 503


def test_a_package_without_host_json_runs_with_defaults(start_host: StartHost) -> None:
    """No host.json is an empty one, as the Functions host has it."""
    host = start_host(FINE, host_json="")
    host.stop()
    (host.app / "host.json").unlink()
    assert start_host().get("/api/fine").text == "fine"


def test_a_package_without_functions_runs(start_host: StartHost) -> None:
    """An empty site serves its home page, so a slot without a package still answers."""
    host = start_host()
    (host.app / "function_app.py").unlink()
    host.stop()
    again = start_host()
    known = {"id": "local", "state": "Running", "version": "4.0.0-local", "instanceId": ""}
    status = again.status()
    assert status.pop("processUptime") is not None
    assert status == {**known, "functions": []}
    assert again.get("/").status_code == 200


def test_the_status_names_functions_and_host(start_host: StartHost) -> None:
    """The status tells which functions run, and under which host id."""
    settings = {"WEBSITE_SITE_NAME": "Shop", "WEBSITE_SLOT_NAME": "staging"}
    status = start_host(FINE, settings=settings | {"WEBSITE_INSTANCE_ID": "i1"}).status()
    assert (status["state"], status["functions"]) == ("Running", ["fine"])
    assert (status["id"], status["instanceId"]) == ("shop-staging", "i1")
    assert status["processUptime"] >= 0


def test_the_packages_own_libraries_come_first(start_host: StartHost) -> None:
    """A library in the package wins over the platform's of the same name."""
    host = start_host(
        """
        import requests, mine

        @app.route("whose")
        async def whose(req: func.HttpRequest) -> str:
            return f"{requests.WHOSE} {mine.WHOSE}"
        """,
        files={
            ".python_packages/lib/site-packages/requests.py": "WHOSE = 'the package'",
            ".python_packages/lib/site-packages/mine.py": "WHOSE = 'not this'",
            "mine.py": "WHOSE = 'the app'",
        },
    )
    assert host.get("/api/whose").text == "the package the app"


def test_an_app_cannot_import_what_lies_beside_the_emulator(start_host: StartHost) -> None:
    """The folder that the host was started from is no part of the app's path."""
    host = start_host("import controller")
    assert "No module named 'controller'" in host.status()["errors"][0]


def test_all_that_is_wrong_is_said_at_once(start_host: StartHost) -> None:
    """Two bad functions are both named."""
    host = start_host(
        """
        @app.route("admin/x")
        def one(req: func.HttpRequest) -> str: ...

        @app.route("a/{b")
        def two(req: func.HttpRequest) -> str: ...

        @app.route("c/{d}")
        def three(req: func.HttpRequest) -> str: ...

        @app.route("C/{e}", methods=["GET"])
        def four(req: func.HttpRequest) -> str: ...
        """,
        host_json=NO_PREFIX,
    )
    error = host.status()["errors"][0]
    assert "function 'one': the route 'admin/x' conflicts with one or more built in" in error
    assert "function 'two': the route 'a/{b' has a segment that cannot be read" in error
    assert (
        "function 'four': its route conflicts with the route defined by function 'three'" in error
    )


def test_packages_that_queues_cannot_be_read_with_are_named(start_host: StartHost) -> None:
    """In one process with the app, the host's client of queues leans on the app's own libraries."""
    theirs = ".python_packages/lib/site-packages/azure/storage/queue/__init__.py"
    host = start_host(
        """
        @app.queue_trigger(arg_name="m", queue_name="jobs", connection="Jobs")
        def drain(m: func.QueueMessage) -> None: ...
        """,
        files={theirs: "raise ImportError('too old')"},
        settings={"Jobs__queueServiceUri": "https://127.0.0.1:1/gitslot"},
    )
    assert "does not work with the packages of the app: too old" in host.status()["errors"][0]
