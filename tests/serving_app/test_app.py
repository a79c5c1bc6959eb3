"""The packaged app over HTTP: what clients, the controller and the platform's ping see."""

import gzip
import json
from pathlib import Path

import pytest

from gitslot.convert.version import Built
from gitslot.registry.function_apps import ours
from gitslot.registry.package import build_id
from gitslot.registry.registry import Registry
from serving_app.limits import BODY
from tests.platform import Platform, until
from tests.serving_app.conftest import FUNCTION_KEY, Slot, StartSlot
from tests.training.versions import built

ROW = [5.1, 3.5, 1.4, 0.2]
HEALTH_KEYS = {"status", "reason", "model", "version", "digest", "deploy", "code", "uptime_s"} | {
    "contract",
    "build",
}


def iris(version: str = "1.5.0", **more: str) -> dict[str, str]:
    """Return the settings of a slot of iris *version*."""
    return {"MODEL_NAME": "iris", "MODEL_VERSION": version, **more}


def test_rows_are_answered_by_labels(slot: Slot) -> None:
    """A JSON array of rows is answered by a JSON array of labels."""
    answer = slot.predict([ROW, [6.7, 3.0, 5.2, 2.3]])
    assert (answer.status_code, answer.json()) == (200, ["setosa", "virginica"])
    assert answer.headers["content-type"].startswith("application/json")


def test_health_says_what_is_served(slot: Slot, served: Built) -> None:
    """Health is 200 with exactly these keys, the manifest's digest and the package's build."""
    answer = slot.health()
    body = answer.json()
    assert (answer.status_code, set(body)) == (200, HEALTH_KEYS)
    assert body.pop("uptime_s") >= 0
    expected = {"status": "ok", "reason": "", "model": "iris", "version": "1.5.0"}
    expected |= {"digest": served.manifest.digest, "deploy": "run-1"}
    assert body.pop("build") in ("source", "onnx")
    assert body == {
        **expected,
        "contract": 2,
        "code": build_id(ours("serving_app").sources("onnx")),
    }


def test_every_answer_carries_the_three_headers(slot: Slot, served: Built) -> None:
    """Good or bad, every answer says which version, digest and deploy gave it."""
    expected = ("1.5.0", served.manifest.digest, "run-1")
    for answer in (slot.health(), slot.predict([ROW]), slot.predict(b"x"), slot.predict([])):
        assert _headers(answer.headers) == expected
    bad = slot.predict([ROW, [*ROW[:2], "1.4", 0.2]])
    assert (bad.status_code, bad.json()["row"], bad.json()["column"]) == (400, 1, 2)


def test_bodies_that_people_send_are_answered(slot: Slot, served: Built) -> None:
    """Rows by name in another order, a byte order mark, gzip, and V2 tensors give one answer."""
    names = [column.name for column in served.manifest.columns]
    rows = [ROW, [6.7, 3.0, 5.2, 2.3]]
    turned = [dict(reversed(list(zip(names, row, strict=True)))) for row in rows]
    body = json.dumps(rows).encode()
    packed = {"content-encoding": "gzip"}
    for answer in (
        slot.predict(turned),
        slot.predict(b"\xef\xbb\xbf" + body),
        slot.predict(gzip.compress(body), headers=packed),
    ):
        assert (answer.status_code, answer.json()) == (200, ["setosa", "virginica"])
    tensor = {"name": "rows", "datatype": "FP64", "shape": [2, 4], "data": rows}
    url = f"{slot.url}/v2/models/iris"
    answer = slot.session.post(f"{url}/infer", json={"inputs": [tensor]}, timeout=30)
    assert answer.json()["outputs"][0]["data"] == ["setosa", "virginica"]
    assert _headers(answer.headers)[0] == "1.5.0"
    assert slot.session.get(f"{url}/versions/1.5.0/ready", timeout=30).status_code == 200
    assert slot.session.get(f"{slot.url}/v2/health/ready", timeout=30).json() == {"ready": True}


def test_the_model_describes_itself(slot: Slot, served: Built) -> None:
    """One GET says columns, classes and an example; another is OpenAPI; both name the version."""
    about = slot.session.get(f"{slot.url}/api/model", timeout=30).json()
    assert (about["version"], about["digest"]) == ("1.5.0", served.manifest.digest)
    assert about["classes"] == list(served.manifest.classes)
    assert slot.predict([about["example"]]).status_code == 200
    document = slot.session.get(f"{slot.url}/api/openapi.json", timeout=30).json()
    assert document["info"] == {"title": "iris", "version": "1.5.0"}
    assert slot.predict([ROW], "?probs=1").status_code == 400


def test_a_body_over_the_cap_is_refused(slot: Slot) -> None:
    """A body of 1 MiB is read, one byte more is 413."""
    line = b"[5.1, 3.5, 1.4, 0.2], "
    body = b"[" + line * (BODY // len(line) - 1) + b"[5.1, 3.5, 1.4, 0.2]"
    body += b" " * (BODY - len(body) - 1) + b"]"
    assert (slot.predict(body).status_code, slot.predict(body + b" ").status_code) == (200, 413)


def test_predict_asks_for_the_key_unless_told_otherwise(start_slot: StartSlot) -> None:
    """Without a setting predict wants the slot's key, and health never does."""
    keyed = start_slot(**iris())
    assert (keyed.health().status_code, keyed.predict([ROW]).status_code) == (200, 401)
    answer = keyed.predict([ROW], headers={"x-functions-key": FUNCTION_KEY})
    assert (answer.status_code, answer.json()) == (200, ["setosa"])


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "NoModel"),
        (iris("0.0.1"), "UnknownVersion"),
        (iris(f"1.5.0@sha256:{'0' * 64}"), "DigestMismatch"),
        (iris(MODEL_STORE="http://127.0.0.1:1/x"), "SettingsInvalid"),
        (iris(MODEL_STORE="https://127.0.0.1:9/gitslot"), "RegistryUnavailable"),
        (iris(AZURE_CLIENT_ID="@Microsoft.KeyVault(SecretUri=x)"), "SettingsInvalid"),
        (iris(IDENTITY_HEADER="stranger"), "IdentityUnavailable"),
    ],
)
def test_nothing_is_served_and_the_reason_is_named(
    start_slot: StartSlot, settings: dict[str, str], reason: str
) -> None:
    """Without a proved model health and predict are 503, with the reason and no version."""
    slot = start_slot(MODEL_PREDICT_AUTH="anonymous", MODEL_DEPLOY="run-2", **settings)
    health, predict = slot.health(), slot.predict([ROW])
    assert (health.status_code, predict.status_code) == (503, 503)
    body = health.json()
    assert (set(body), body["status"], body["reason"]) == (HEALTH_KEYS, "unavailable", reason)
    assert (body["digest"], body["deploy"], predict.json()["reason"]) == ("", "run-2", reason)
    assert _headers(health.headers) == _headers(predict.headers) == ("none", "none", "run-2")


def test_a_version_that_appears_late_is_served(start_slot: StartSlot, registry: Registry) -> None:
    """An app that came up before its version keeps trying, then serves it; Azure hears of both."""
    insights = {"APPLICATIONINSIGHTS_CONNECTION_STRING": "x"}
    slot = start_slot(**iris("1.6.0", MODEL_PREDICT_AUTH="anonymous", **insights))
    assert slot.health().json()["reason"] == "UnknownVersion"
    version = built(version="1.6.0")
    registry.register(*version.files)
    until(lambda: slot.health().status_code == 200, "the late version is served")
    assert slot.predict([ROW]).headers["x-model-version"] == "1.6.0"
    exported = map(json.loads, (slot.home / "insights").read_bytes().splitlines())
    printed = [e["message"] for e in exported if e["category"] == "Host.Function.Console"]
    assert [json.loads(line)["event"] for line in printed] == ["ModelRefused", "ModelServed"]


def test_no_secret_is_logged(start_slot: StartSlot, platform: Platform) -> None:
    """Neither token nor identity header shows in the log, whatever goes wrong."""
    slot = start_slot(**iris("0.0.2"))
    until(lambda: "UnknownVersion" in slot.log(), "the reason is logged")
    assert platform.environment["IDENTITY_HEADER"] not in slot.log()
    assert "eyJ" not in slot.log()


def test_nothing_is_reported_to_anybody(slot: Slot) -> None:
    """ONNX Runtime keeps no store of what it would report of the models it serves."""
    assert slot.predict([ROW]).status_code == 200
    assert not (slot.home / ".cache").exists()


def _headers(headers: object) -> tuple[str, ...]:
    assert isinstance(headers, dict) or hasattr(headers, "get")
    return tuple(headers.get(f"x-model-{name}") for name in ("version", "digest", "deploy"))


def test_the_source_tree_says_so(app: Path) -> None:
    """The packaged app knows its build; the source tree has none to lie about."""
    assert (app / "build.json").is_file()
    assert not (Path(__file__).parents[2] / "serving_app" / "build.json").exists()
