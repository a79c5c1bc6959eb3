"""The webhook: a signed push wakes the worker, and nothing of its body is used."""

import asyncio
import hashlib
import hmac
import importlib
import json
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import azure.functions as func
import pytest

from gitslot.errors import SettingsError

SECRET = "canary-secret"


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModuleType]:
    """Give the function app, whose rounds do nothing: woken or not is all that counts."""
    for name, value in {
        "GITSLOT_REPO": str(tmp_path / "nowhere"),
        "GITSLOT_STORAGE": "https://127.0.0.1:1/account",
        "GITSLOT_ARM": "https://127.0.0.1:1",
        "GITSLOT_WEBHOOK_SECRET": SECRET,
        "IDENTITY_ENDPOINT": "http://127.0.0.1:1/token",
        "IDENTITY_HEADER": "x",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(logging.getLogger("gitslot"), "handlers", [])
    monkeypatch.setattr(logging.getLogger("gitslot"), "propagate", True)
    sys.modules.pop("controller.function_app", None)
    module = importlib.import_module("controller.function_app")
    monkeypatch.setattr(module._rounds, "go", lambda _: {})
    yield module
    for thread in threading.enumerate():
        if thread.name == "reconcile":
            thread.join(60)
    sys.modules.pop("controller.function_app", None)


def test_a_controller_that_cannot_start_prints_why(
    app: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As one line of JSON: what is logged while an app is imported goes nowhere on Azure."""
    monkeypatch.delenv("GITSLOT_REPO")
    sys.modules.pop("controller.function_app", None)
    with pytest.raises(SettingsError):
        importlib.import_module("controller.function_app")
    told = json.loads(capsys.readouterr().out)
    assert told["level"] == "ERROR" and "GITSLOT_REPO" in told["message"]


def sign(body: bytes, secret: str = SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def push(app: ModuleType, body: bytes, signature: str | None) -> int:
    headers = {} if signature is None else {"X-Hub-Signature-256": signature}
    request = func.HttpRequest("POST", "https://x/api/reconcile", body=body, headers=headers)
    function = app.push.build().get_user_function()
    answer: func.HttpResponse = asyncio.run(function(request))
    assert SECRET.encode() not in answer.get_body()
    return int(answer.status_code)


BODY = json.dumps({"ref": "refs/heads/evil", "repository": {"url": "https://evil"}}).encode()


def test_a_signed_push_is_accepted(app: ModuleType) -> None:
    """202 at once."""
    assert push(app, BODY, sign(BODY)) == 202


def test_a_push_that_is_not_the_hosts_is_refused(app: ModuleType) -> None:
    """Nothing is woken."""
    assert [push(app, BODY, sign(BODY, "other")), push(app, BODY, None)] == [401, 401]
    assert not [each for each in threading.enumerate() if each.name == "reconcile"]


def test_without_a_secret_there_is_no_webhook(
    monkeypatch: pytest.MonkeyPatch, app: ModuleType
) -> None:
    """An unsigned wake-up is not offered."""
    monkeypatch.delenv("GITSLOT_WEBHOOK_SECRET")
    sys.modules.pop("controller.function_app", None)
    bare = importlib.import_module("controller.function_app")
    assert push(bare, BODY, sign(BODY, "")) == 404


def test_the_page_asks_for_a_key_and_says_that_storage_is_silent(app: ModuleType) -> None:
    """Only the webhook, which has a secret of its own, is open."""
    functions = {each.get_function_name(): each for each in app.app.get_functions()}
    levels = {
        name: binding.auth_level
        for name, each in functions.items()
        for binding in each.get_bindings()
        if hasattr(binding, "auth_level")
    }
    assert levels == {
        "push": func.AuthLevel.ANONYMOUS,
        "page": func.AuthLevel.FUNCTION,
    }
    request = func.HttpRequest(
        "GET", "https://x/", body=b"", headers={}, route_params={"path": "api/status"}
    )
    answer: func.HttpResponse = app.page.build().get_user_function()(request)
    assert (answer.status_code, answer.headers["Referrer-Policy"]) == (503, "no-referrer")
