"""Who may call what."""

import json

import pytest

from tests.emulator.functions_host.conftest import FUNCTION, MASTER, Host, StartHost

SOURCE = """
@app.route("open")
async def open(req: func.HttpRequest) -> str:
    return "open"

@app.route("keyed", auth_level=func.AuthLevel.FUNCTION)
async def keyed(req: func.HttpRequest) -> str:
    return "keyed"

@app.route("inner", auth_level=func.AuthLevel.ADMIN)
async def inner(req: func.HttpRequest) -> str:
    return "inner"
"""


@pytest.fixture(scope="module")
def host(start_shared_host: StartHost) -> Host:
    return start_shared_host(SOURCE)


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        *(("open", None, 200), ("open", "wrong", 200)),
        *(("keyed", None, 401), ("keyed", "", 401), ("keyed", "wrong", 401)),
        *(("keyed", FUNCTION, 200), ("keyed", MASTER, 200)),
        *(("inner", None, 401), ("inner", FUNCTION, 401), ("inner", MASTER, 200)),
    ],
)
def test_a_key_opens_its_level_and_those_below(
    host: Host, path: str, key: str | None, status: int
) -> None:
    """Keys count alike as header and as query; a refusal is a 401 without a body."""
    by_header = host.get(f"/api/{path}", headers={} if key is None else {"X-Functions-Key": key})
    by_query = host.get(f"/api/{path}", params={} if key is None else {"code": key})
    for answer in (by_header, by_query):
        assert (answer.status_code, answer.text) == (status, path if status == 200 else "")


def test_the_header_comes_before_the_query(host: Host) -> None:
    """A wrong key in the header is not mended by a right one in the query."""
    answer = host.get(f"/api/keyed?code={FUNCTION}", headers={"x-functions-key": "wrong"})
    assert answer.status_code == 401


def test_an_unknown_key_tells_nothing_of_what_exists(host: Host) -> None:
    """A path that no route fits is 404 with and without a key."""
    assert host.get("/api/no-such").status_code == 404
    assert host.get(f"/api/no-such?code={MASTER}").status_code == 404


def test_callers_from_outside_need_the_master_key_for_the_status(host: Host) -> None:
    """A request that came through the front end must show the master key; a ping need not."""
    outside = {"X-ARR-LOG-ID": "1"}
    assert host.get("/admin/host/status", headers=outside).status_code == 401
    for key, status in ((FUNCTION, 401), (MASTER, 200)):
        answer = host.get("/admin/host/status", headers={**outside, "x-functions-key": key})
        assert answer.status_code == status
    assert host.get("/admin/host/ping", headers=outside).status_code == 200


def test_a_renewed_key_counts_at_once(start_host: StartHost) -> None:
    """New keys in the file open, the old ones no longer; half a file changes nothing."""
    host = start_host(SOURCE)
    host.keys.write_text('{"masterKey": "ne')
    assert host.get(f"/api/keyed?code={FUNCTION}").status_code == 200
    host.keys.write_text(json.dumps({"masterKey": "m2", "functionKeys": {"a": "f2", "b": "f3"}}))
    assert host.get(f"/api/keyed?code={FUNCTION}").status_code == 401
    assert host.get(f"/api/inner?code={MASTER}").status_code == 401
    assert host.get("/api/keyed?code=f2").status_code == 200
    assert host.get("/api/keyed?code=f3").status_code == 200
    assert host.get("/api/inner?code=m2").status_code == 200
