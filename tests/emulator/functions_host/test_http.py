"""What a function sees of a request, and what a caller sees of its answer."""

import json
import socket
from typing import Any

import pytest
import requests

from tests.emulator.functions_host.conftest import NO_PREFIX, Host, StartHost

SOURCE = """
import asyncio, json, os, sys, threading

def told(req):
    return func.HttpResponse(json.dumps({
        "method": req.method, "url": req.url, "params": dict(req.params),
        "route": dict(req.route_params), "headers": dict(req.headers),
        "body": req.get_body().decode("latin-1"),
    }), mimetype="application/json")

@app.route("echo")
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return told(req)

@app.route("only-post", methods=["POST"])
async def only_post(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("posted")

@app.route("items/{name}")
async def item(req: func.HttpRequest) -> func.HttpResponse:
    return told(req)

@app.route("items/{number:int}")
async def numbered(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("a number")

@app.route("items/first")
async def first(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("the first")

@app.route("files/{*rest}")
async def files(req: func.HttpRequest) -> func.HttpResponse:
    return told(req)

@app.route("page/{number?}")
async def page(req: func.HttpRequest) -> func.HttpResponse:
    return told(req)

@app.function_name("named")
@app.route()
def by_name(req: func.HttpRequest) -> str:
    return "grüß dich"

@app.route("answer")
async def answer(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(
        "grün", status_code=418, mimetype="text/x-tea", charset="latin-1",
        headers={"X-Model-Version": "1.4.0", "Set-Cookie": "a=b|c; Path=/; HttpOnly; SameSite=Lax"})

@app.route("nothing")
async def nothing(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(status_code=204)

@app.route("large")
async def large(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(b"x" * 3_000_000)

@app.route("fails")
async def fails(req: func.HttpRequest) -> func.HttpResponse:
    raise KeyError("a secret of the app")

@app.route("exits")
async def exits(req: func.HttpRequest) -> func.HttpResponse:
    sys.exit(1)

@app.route("exits-sync")
def exits_sync(req: func.HttpRequest) -> func.HttpResponse:
    sys.exit(1)

@app.route("forges")
async def forges(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("x", headers={"X-Bad": "a\\r\\nX-Forged: b"})

@app.route("returns-none")
async def returns_none(req: func.HttpRequest) -> func.HttpResponse:
    return None

@app.generic_trigger(arg_name="req", type="httpTrigger", route="out", auth_level="ANONYMOUS")
@app.generic_output_binding(arg_name="res", type="http")
def out(req: func.HttpRequest, res: func.Out[func.HttpResponse]) -> None:
    res.set(func.HttpResponse("by parameter", status_code=202))

@app.route("where")
def where(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    return func.HttpResponse(json.dumps({
        "cwd": os.getcwd(), "first": sys.path[0], "thread": threading.current_thread().name,
        "function": context.function_name, "id": context.invocation_id,
        "trace": context.trace_context.trace_parent}))

@app.route("slow-sync")
def slow_sync(req: func.HttpRequest) -> func.HttpResponse:
    meeting.wait(20)
    return func.HttpResponse("met")

meeting = threading.Barrier(3)

@app.route("slow-async")
async def slow_async(req: func.HttpRequest) -> func.HttpResponse:
    arrived.append(1)
    while len(arrived) < 3:
        await asyncio.sleep(0.01)
    return func.HttpResponse("met")

arrived = []

@app.route("off")
async def off(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("on")

@app.route("off-too")
async def off_too(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("on")
"""


@pytest.fixture(scope="module")
def host(start_shared_host: StartHost) -> Host:
    return start_shared_host(
        SOURCE,
        settings={
            "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT": "5000000",
            "PYTHON_THREADPOOL_THREAD_COUNT": "3",
            "AzureWebJobs.off.Disabled": "1",
            "AzureWebJobs_off_too_Disabled": "true",
        },
    )


def told(answer: requests.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_a_request_reaches_the_function_whole(host: Host) -> None:
    """Method, URL, headers and body arrive as the Functions host passes them."""
    answer = host.call("POST", "/api/echo?a=1", data=b"[[1,2]]", headers={"X-One": "1"})
    seen = told(answer)
    assert (seen["method"], seen["body"]) == ("POST", "[[1,2]]")
    assert seen["url"] == f"{host.url}/api/echo?a=1"
    assert seen["headers"]["x-one"] == "1"
    assert answer.headers["content-type"] == "application/json"


def test_the_front_decides_the_scheme_of_the_url(host: Host) -> None:
    """Behind a TLS front the function sees the https URL that the caller used."""
    answer = host.get("/api/echo", headers={"X-Forwarded-Proto": "https", "Host": "a.example"})
    assert told(answer)["url"] == "https://a.example/api/echo"


def test_query_values_are_joined_decoded_and_never_empty(host: Host) -> None:
    """Several values of a name become one with commas; an empty value is left out, as on Azure."""
    seen = told(host.get("/api/echo?a=1&b=x%20y&A=2&c=&d=%26"))
    assert seen["params"] == {"a": "1,2", "b": "x y", "d": "&"}


def test_headers_of_one_name_are_joined(host: Host) -> None:
    """A header sent twice reaches the function as one, with a comma."""
    text = "GET /api/echo HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nX-A: 2\r\nConnection: close\r\n\r\n"
    seen = json.loads(exchange(host, text.encode()).split(b"\r\n\r\n", 1)[1])
    assert seen["headers"]["x-a"] == "1,2"


def test_a_chunked_body_arrives(host: Host) -> None:
    """A body without a length reaches the function, as behind Azure's front end."""
    assert told(host.call("POST", "/api/echo", data=iter([b"ab", b"cd"])))["body"] == "abcd"


def test_a_body_may_arrive_in_many_pieces(host: Host) -> None:
    """A body of megabytes reaches the function in one piece."""
    body = b"0123456789" * 400_000
    assert told(host.call("POST", "/api/echo", data=body))["body"].encode() == body


def test_a_body_above_the_limit_is_refused(host: Host) -> None:
    """Above the limit a body is answered with 413, announced or chunked, and the host goes on."""
    with socket.create_connection(host.address, 20) as client:
        client.sendall(b"POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5000001\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 413 ")
    body = b"x" * 5_000_001
    assert host.call("POST", "/api/echo", data=body).status_code == 413
    assert host.call("POST", "/api/echo", data=iter([body])).status_code == 413
    assert host.call("POST", "/api/echo", data=body[1:]).status_code == 200


def test_a_wrong_method_is_not_found(host: Host) -> None:
    """A route that exists for another method answers 404, not 405, and HEAD is no GET."""
    assert host.call("POST", "/api/only-post").text == "posted"
    for method in ("GET", "HEAD", "PUT"):
        assert host.call(method, "/api/only-post").status_code == 404


def test_unknown_paths_are_not_found(host: Host) -> None:
    """What no route fits is answered with 404 and no body; the prefix is part of a route."""
    for path in ("/api/no-such", "/echo", "/api", "/api/echo/more", "/apiecho", "//"):
        answer = host.get(path)
        assert (answer.status_code, answer.content) == (404, b""), path


def test_the_more_exact_route_wins(host: Host) -> None:
    """A literal comes before a constrained parameter, and that before a plain one."""
    assert host.get("/api/items/FIRST").text == "the first"
    assert host.get("/api/items/12").text == "a number"
    assert told(host.get("/api/items/twelve/"))["route"] == {"name": "twelve"}


def test_values_in_the_path_are_decoded(host: Host) -> None:
    """A parameter's value is decoded, but an encoded slash makes no new segment."""
    assert told(host.get("/api/items/a%20b"))["route"] == {"name": "a b"}
    assert told(host.get("/api/items/a%2Fb"))["route"] == {"name": "a%2Fb"}


def test_optional_and_catch_all_values(host: Host) -> None:
    """An optional part may be absent, a catch-all takes slashes and may be empty."""
    assert told(host.get("/api/page/7"))["route"] == {"number": "7"}
    assert told(host.get("/api/page"))["route"] == {}
    assert told(host.get("/api/files/a/b.txt"))["route"] == {"rest": "a/b.txt"}
    assert told(host.get("/api/files"))["route"] == {}


def test_a_function_without_a_route_is_found_by_name(host: Host) -> None:
    """The route is the function's name by default, and text is answered as text/plain."""
    answer = host.get("/api/named")
    assert answer.content.decode() == "grüß dich"
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"


def test_an_answer_leaves_as_the_function_made_it(host: Host) -> None:
    """Status, headers, cookies, charset and body are the function's."""
    answer = host.get("/api/answer")
    assert (answer.status_code, answer.content) == (418, "grün".encode("latin-1"))
    assert answer.headers["content-type"] == "text/x-tea; charset=latin-1"
    assert answer.headers["x-model-version"] == "1.4.0"
    assert answer.headers["set-cookie"] == "a=b%7Cc; path=/; samesite=lax; httponly"
    assert "server" not in answer.headers


def test_answers_without_a_body(host: Host) -> None:
    """204 has neither body nor length, HEAD has the length alone, and the connection lives on."""
    answer = host.get("/api/nothing")
    assert (answer.status_code, answer.content) == (204, b"")
    head = host.call("HEAD", "/api/large")
    assert (head.headers["content-length"], head.content) == ("3000000", b"")
    assert len(host.get("/api/large").content) == 3_000_000


def test_requests_sent_ahead_are_answered_in_order(host: Host) -> None:
    """A client may send its next request before the answer to the last one."""
    one = b"GET /api/items/12 HTTP/1.1\r\nHost: a\r\n"
    two = b"GET /api/items/first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answers = exchange(host, one + b"\r\n" + two)
    assert answers.count(b"HTTP/1.1 200") == 2
    assert answers.index(b"a number") < answers.index(b"the first")


def test_an_expectation_is_answered_before_the_body(host: Host) -> None:
    """`Expect: 100-continue` is answered at once, so a client that waits for it sends its body."""
    with socket.create_connection(host.address, 20) as client:
        head = b"POST /api/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n"
        client.sendall(head + b"Expect: 100-continue\r\n\r\n")
        assert client.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"hi")
        assert b'"body": "hi"' in read_all(client)


@pytest.mark.parametrize("path", ["fails", "exits", "exits-sync", "forges", "returns-none"])
def test_a_failing_function_is_a_bare_500(host: Host, path: str) -> None:
    """An exception is answered with 500 and no body, and the host goes on."""
    answer = host.get(f"/api/{path}")
    assert (answer.status_code, answer.content) == (500, b"")
    assert "x-forged" not in answer.headers
    assert host.get("/api/echo").status_code == 200


def test_an_answer_may_come_through_an_output_parameter(host: Host) -> None:
    """An http output with a name of its own is the answer."""
    answer = host.get("/api/out")
    assert (answer.status_code, answer.text) == (202, "by parameter")


def test_a_function_runs_in_its_package(host: Host) -> None:
    """The app's folder is where it runs and where imports look first."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    seen = host.get("/api/where", headers={"traceparent": trace}).json()
    assert seen["cwd"] == seen["first"] == str(host.app)
    assert seen["function"] == "where"
    assert seen["trace"] == trace
    assert seen["thread"].startswith("ThreadPoolExecutor")


@pytest.mark.parametrize("path", ["slow-sync", "slow-async"])
def test_calls_run_side_by_side(host: Host, path: str) -> None:
    """Calls that wait for each other all end: `def` in threads, `async def` on the loop."""
    clients = [socket.create_connection(host.address, 20) for _ in range(3)]
    for client in clients:
        client.sendall(f"GET /api/{path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode())
    for client in clients:
        assert read_all(client).endswith(b"met")
        client.close()


def test_a_disabled_function_is_not_found(host: Host) -> None:
    """A setting turns a function off for all but the holder of the master key."""
    assert host.get("/api/off").status_code == 404
    assert host.get("/api/off-too").status_code == 404
    assert host.get("/api/off", headers={"x-functions-key": "master-key"}).text == "on"


def test_the_root_shows_a_home_page(host: Host) -> None:
    """The root is answered with a page while no function has it."""
    answer = host.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_a_bad_header_is_a_bad_request(host: Host) -> None:
    """A header that is not UTF-8 is answered with 400."""
    text = b"GET /api/echo HTTP/1.1\r\nHost: a\r\nX-A: \xff\r\nConnection: close\r\n\r\n"
    assert exchange(host, text).startswith(b"HTTP/1.1 400 ")


def test_an_empty_prefix_and_no_home_page(start_host: StartHost) -> None:
    """host.json takes the prefix away, a setting the home page."""
    source = '@app.route("health")\ndef health(req: func.HttpRequest) -> str: return "well"'
    off = {"AzureWebJobsDisableHomepage": "true"}
    host = start_host(source, host_json=NO_PREFIX, settings=off)
    assert host.get("/health").text == "well"
    assert host.get("/api/health").status_code == 404
    root = host.get("/")
    assert (root.status_code, root.content) == (204, b"")


def test_a_function_may_have_the_root(start_host: StartHost) -> None:
    """With an empty prefix and no home page, a function with an empty route answers the root."""
    source = '@app.route("")\ndef root(req: func.HttpRequest) -> str: return "mine"'
    assert start_host(source, host_json=NO_PREFIX).get("/").text.startswith("<!doctype")
    off = {"AzureWebJobsDisableHomepage": "true"}
    assert start_host(source, host_json=NO_PREFIX, settings=off).get("/").text == "mine"


def test_an_asgi_app_runs(start_host: StartHost) -> None:
    """A function app made of an ASGI application answers below its prefix."""
    source = """
import azure.functions as func

async def web(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        return await send({"type": "lifespan.startup.complete"})
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 201, "headers": [(b"x-a", b"1")]})
    await send({"type": "http.response.body", "body": scope["path"].encode() + b" " + body})

app = func.AsgiFunctionApp(web, http_auth_level=func.AuthLevel.ANONYMOUS)
"""
    host = start_host(files={"function_app.py": source}, host_json=NO_PREFIX)
    answer = host.call("POST", "/a/b", data="hi")
    assert (answer.status_code, answer.text) == (201, "/a/b hi")
    assert answer.headers["x-a"] == "1"


def read_all(client: socket.socket) -> bytes:
    data = b""
    while more := client.recv(65536):
        data += more
    return data


def exchange(host: Host, request: bytes) -> bytes:
    with socket.create_connection(host.address, 20) as client:
        try:
            client.sendall(request)
            return read_all(client)
        except ConnectionError:
            return b""
