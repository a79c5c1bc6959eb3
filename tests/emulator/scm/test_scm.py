"""Kudu: packages are uploaded to a slot's SCM host, run there, and move with the content."""

import base64
import io
import re
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError
from azure.mgmt.web.models import CsmPublishingCredentialsPoliciesEntity

from tests.emulator.app_under_test import App
from tests.emulator.apps import probe
from tests.platform import Platform, start_platform, until

IN_PROGRESS = "There is a deployment currently in progress. Please try again when it completes."
# DeployResult of projectkudu/kudu, in its order.
KEYS = [
    *("id", "status", "status_text", "author_email", "author", "deployer", "message", "progress"),
    *("received_time", "start_time", "end_time", "last_success_end_time", "complete", "active"),
    *("is_temp", "is_readonly", "url", "log_url", "site_name", "provisioningState"),
]
ACTIONS = {
    "functions-action": "/api/zipdeploy?isAsync=true&deployer=GITHUB_ZIP_DEPLOY_FUNCTIONS_V1",
    "webapps-deploy": "/api/publish?async=true&deployer=GITHUB_ONE_DEPLOY&type=zip&restart=true",
}


@dataclass(frozen=True, slots=True)
class Kudu:
    """One slot's Kudu, asked as its app's owner."""

    app: App
    slot: str

    @property
    def url(self) -> str:
        return f"https://{self.app.hosts(self.slot)['Repository']}"

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        url, ca = f"{self.url}{path}", self.app.platform.ca
        if "auth" not in more:
            more["headers"] = {**self.app.platform.bearer(), **more.get("headers", {})}
        return requests.request(method, url, timeout=60, verify=ca, **more)

    def deploy(self, data: Any, query: str = "", **more: Any) -> requests.Response:
        return self.ask("POST", f"/api/zipdeploy{query}", data=data, **more)

    def latest(self) -> requests.Response:
        return self.ask("GET", "/api/deployments/latest")


@pytest.fixture(scope="module")
def shared(platform: Platform) -> Iterator[App]:
    """Create one app for the tests of this module; nothing runs in it but what they upload."""
    settings = {
        "WEBSITE_RUN_FROM_PACKAGE": "1",
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        "WEBSITE_SWAP_WARMUP_PING_PATH": "/api/health",
        "WEBSITE_SWAP_WARMUP_PING_STATUSES": "200",
    }
    platform.create_app("uploads", settings)
    yield App(platform, "uploads")
    platform.web.web_apps.delete(platform.group, "uploads")


@pytest.fixture
def staging(shared: App) -> Iterator[Kudu]:
    """Return staging's Kudu on a platform that makes nobody wait."""
    yield Kudu(shared, "staging")
    shared.platform.faults()
    shared.platform.admin_put("/transitions", {"mode": "timed"})


@pytest.fixture
def held(staging: Kudu) -> Callable[[], None]:
    """Hold deployments from now on; what is returned lets the first of them go on."""
    platform = staging.app.platform
    platform.admin_put("/transitions", {"mode": "manual"})

    def let_go() -> None:
        platform.admin_put("/transitions", {"mode": "timed"})

    return let_go


def test_upload_runs_in_the_slot_and_moves_with_the_swap(shared: App) -> None:
    """The slot runs the uploaded files; after the swap production does, and knows of the upload."""
    production, staging = Kudu(shared, "production"), Kudu(shared, "staging")
    assert production.deploy(probe("one")).status_code == 200
    done = staging.deploy(probe("two"), "?author=ada&authorEmail=a@b.c&deployer=me&message=second")
    assert (done.status_code, done.text) == (200, "")
    shared.wait_serves("production", "one")
    shared.wait_serves("staging", "two")
    before = staging.latest().json()
    assert list(before) == KEYS
    assert (before["status"], before["active"], before["complete"]) == (4, True, True)
    assert (before["author"], before["deployer"], before["message"]) == ("ada", "me", "second")
    assert before["provisioningState"] == "Succeeded"
    assert before["site_name"] == "uploads"
    assert before["log_url"] == f"{staging.url}/api/deployments/latest/log"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", before["end_time"])
    shared.swap()
    shared.wait_serves("production", "two")
    shared.wait_serves("staging", "one")
    assert production.latest().json()["id"] == before["id"]
    assert staging.latest().json()["message"] == "Created via a push deployment"
    restarted = len(shared.history("process-started"))
    shared.web.restart(shared.group, "uploads")
    until(lambda: len(shared.history("process-started")) > restarted, "production restarts")
    assert shared.serves("production") == "two"


@pytest.mark.parametrize("upload", ACTIONS.values(), ids=ACTIONS)
def test_githubs_actions_deploy_by_role(staging: Kudu, upload: str) -> None:
    """Their calls (lib/ of releases/v1 and v3), with a token: app, policy, profile, upload, end."""
    app, slot = staging.app, "/slots/staging"
    named = "$filter=resourceType EQ 'Microsoft.Web/Sites' AND name EQ 'uploads'"
    all_ = f"/subscriptions/{app.platform.subscription}/resources"
    found = app.platform.ask("GET", all_, query=f"{named}&api-version=2024-11-01")
    (site,) = found.json()["value"]
    assert "linux" in site["kind"] and site["id"].split("/")[4] == app.group
    given = app.ask("POST", f"{slot}/config/publishingcredentials/list").json()["properties"]
    assert given["scmUri"].partition("@")[2] == staging.url.removeprefix("https://")
    policy = app.ask("GET", f"{slot}/basicPublishingCredentialsPolicies/scm").json()
    assert policy["properties"]["allow"] is False and "sku" in app.site("staging")["properties"]
    assert app.ask("POST", f"{slot}/config/appsettings/list").json()["properties"]
    assert 'publishMethod="MSDeploy"' in app.ask("POST", f"{slot}/publishxml").text
    assert staging.ask("GET", "/api/settings").status_code == 200
    begun = staging.ask("POST", upload, data=probe("acted"))
    where = begun.headers["Location"].removeprefix(staging.url)
    until(lambda: staging.ask("GET", where).status_code == 200, "the deployment ends")
    done = staging.ask("GET", where).json()
    assert (begun.status_code, done["status"]) == (202, 4)
    assert staging.ask("GET", f"/api/deployments/{done['id']}").status_code == 200
    assert staging.ask("GET", f"/api/vfs/site/deployments/{done['id']}/manifest").status_code == 404


def test_asynchronous_upload_is_followed_to_its_end(
    staging: Kudu, held: Callable[[], None]
) -> None:
    """202 with where to ask and when; there 202 while it is pending, then 200; ARM says so too."""
    begun = staging.deploy(probe("later"), "?isAsync=true&Deployer=az_cli_functions")
    assert (begun.status_code, begun.text) == (202, "")
    where = begun.headers["Location"]
    assert where.startswith(f"{staging.url}/api/deployments/latest?deployer=az_cli_functions&time=")
    assert begun.headers["Retry-After"] == "1"
    pending = staging.ask("GET", where.removeprefix(staging.url))
    assert pending.status_code == 202
    assert list(pending.json()) == KEYS
    assert (pending.json()["status"], pending.json()["complete"]) == (1, False)
    assert pending.json()["provisioningState"] == "InProgress"
    id_ = pending.json()["id"]
    assert begun.headers["scm-deployment-id"] == id_
    assert staging.ask("GET", f"/api/deployments/{id_}").status_code == 200
    held()
    until(lambda: staging.latest().status_code == 200, "the deployment ends")
    assert staging.ask("GET", f"/api/deployments/{id_}").json()["deployer"] == "az_cli_functions"
    staging.app.wait_serves("staging", "later")
    log = staging.ask("GET", f"/api/deployments/{id_}/log").json()
    assert [*log[0]] == ["log_time", "id", "message", "type", "details_url"]
    assert log[-1]["message"] == "Deployment successful."
    listed = staging.ask("GET", "/api/deployments").json()
    assert listed[0]["id"] == id_
    assert [one["active"] for one in listed].count(True) == 1
    seen = staging.app.web.get_deployment_slot(staging.app.group, "uploads", id_, "staging")
    assert (seen.properties.status, seen.properties.deployer) == (4, "az_cli_functions")
    started, finished = staging.app.history("deployment-started", "deployment-finished")[-2:]
    assert started["id"] == finished["id"] == id_
    assert started["caller"] == "laptop"


def test_one_deployment_at_a_time(staging: Kudu, held: Callable[[], None]) -> None:
    """A second one is 409 in Kudu's words while the first runs; another slot's is not."""
    app = staging.app
    assert staging.deploy(probe("first"), "?isAsync=true").status_code == 202
    for query in ("", "?isAsync=true"):
        refused = staging.deploy(probe("second"), query)
        assert (refused.status_code, refused.text) == (409, IN_PROGRESS)
    assert staging.ask("POST", "/api/publish?type=zip", data=probe("x")).status_code == 409
    assert staging.ask("POST", "/api/settings", json={"A": "1"}).status_code == 409
    assert Kudu(app, "production").deploy(probe("other"), "?isAsync=true").status_code == 202
    held()
    app.wait_serves("staging", "first")
    until(lambda: staging.latest().status_code == 200, "the deployment ends")
    assert staging.ask("POST", "/api/settings", json={"A": "1"}).status_code == 204


def test_uploads_at_the_same_moment(staging: Kudu) -> None:
    """Of several at once one is taken at a time; what was taken last is what runs."""
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda n: staging.deploy(probe(f"at-once-{n}")), range(3)))
    taken = [n for n, answer in enumerate(answers) if answer.status_code == 200]
    assert taken
    assert {answer.status_code for answer in answers} <= {200, 409}
    active = [one for one in staging.ask("GET", "/api/deployments").json() if one["active"]]
    assert active[0]["id"] in {answers[n].headers["scm-deployment-id"] for n in taken}
    until(
        lambda: staging.app.serves("staging") in {f"at-once-{n}" for n in taken}, "one of them runs"
    )


def test_package_by_url_forbids_uploads(staging: Kudu, probe_url: str) -> None:
    """409 in Kudu's words while WEBSITE_RUN_FROM_PACKAGE is a URL; the files stay what they are."""
    app = staging.app
    known = staging.ask("GET", "/api/deployments").json()
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": probe_url})
    refused = staging.deploy(probe("never"))
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": "1"})
    assert refused.status_code == 409
    assert refused.text.startswith("Run-From-Zip is set to a remote URL using WEBSITE_RUN_FROM_")
    assert staging.ask("GET", "/api/deployments").json() == known


def bad(change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """Return a zip whose only entry *change* has made bad."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("entry", (2026, 1, 1, 0, 0, 0))
        change(entry)
        archive.writestr(entry, "target")
    return buffer.getvalue()


def named(name: str) -> Callable[[zipfile.ZipInfo], None]:
    def change(entry: zipfile.ZipInfo) -> None:
        entry.filename = name

    return change


def linked(entry: zipfile.ZipInfo) -> None:
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16


def bomb() -> bytes:
    """Return a zip of some bytes that says of itself to be 3 GB."""
    data = bytearray(bad(lambda _: None))
    at = data.rindex(b"PK\x01\x02")
    data[at + 24 : at + 28] = (3 << 30).to_bytes(4, "little")
    return bytes(data)


def corrupt() -> bytes:
    """Return a zip with a compressed entry that cannot be read."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("entry", "words " * 1000)
    data = bytearray(buffer.getvalue())
    data[40:50] = b"\xff" * 10
    return bytes(data)


BAD: Mapping[str, tuple[bytes, str]] = {
    "no zip": (b"words", "package is not a readable zip"),
    "nothing": (b"", "package is not a readable zip"),
    "corrupt": (corrupt(), "package is not a readable zip"),
    "upwards": (bad(named("../outside")), "package has a path outside itself"),
    "absolute": (bad(named("/outside")), "package has a path outside itself"),
    "backslash": (bad(named("a\\..\\..\\outside")), "package has a path outside itself"),
    "link": (bad(linked), "package has a link"),
    "bomb": (bomb(), "package is too large"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_package_is_refused(staging: Kudu, kind: str) -> None:
    """400 that says why; no deployment is recorded, nothing is written, the slot goes on."""
    data, reason = BAD[kind]
    known = staging.ask("GET", "/api/deployments").json()
    for query in ("", "?isAsync=true"):
        refused = staging.deploy(data, query)
        assert (refused.status_code, refused.text) == (400, reason)
    assert staging.ask("POST", "/api/zipdeploy/validate", data=data).status_code == 400
    assert staging.ask("GET", "/api/deployments").json() == known
    packages = staging.app.platform.state / "packages"
    assert not list(packages.glob("unpacking-*"))
    assert not (packages / "outside").exists()
    assert not (packages.parent / "outside").exists()


def test_chunked_body_and_put(staging: Kudu) -> None:
    """A body without a length arrives whole, and one that waits to be asked for; PUT is POST."""
    data = probe("chunked")

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(data), 500):
            yield data[at : at + 500]

    path = "/API/ZipDeploy/Validate"
    assert staging.ask("POST", path, headers={"Expect": "100-continue"}, data=data).ok
    assert staging.ask("PUT", "/API/ZipDeploy", data=pieces()).status_code == 200
    staging.app.wait_serves("staging", "chunked")


def test_publish(staging: Kudu) -> None:
    """OneDeploy takes a zip, at once or behind the scenes, and refuses other types."""
    app = staging.app
    assert staging.ask("POST", "/api/publish?type=zip", data=probe("p1")).status_code == 200
    app.wait_serves("staging", "p1")
    assert staging.latest().json()["deployer"] == "OneDeploy"
    for query, reason in (
        ("?type=war", "Artifact type 'war' not supported"),
        ("?type=x", "type='x' not recognized"),
        ("", "type='' not recognized"),
    ):
        refused = staging.ask("POST", f"/api/publish{query}", data=probe("never"))
        assert (refused.status_code, refused.text) == (400, reason)
    quiet = staging.ask("POST", "/api/publish?type=zip&restart=false", data=probe("p3"))
    assert quiet.status_code == 200
    assert app.serves("staging") == "p1"
    app.web.restart_slot(app.group, "uploads", "staging")
    app.wait_serves("staging", "p3")


def test_package_from_a_url(staging: Kudu) -> None:
    """``packageUri`` is fetched with the slot's identity; one that is not there fails by name."""
    url = staging.app.platform.upload(probe("fetched"))
    assert staging.ask("POST", "/api/publish?type=zip", json={"packageUri": url}).status_code == 200
    staging.app.wait_serves("staging", "fetched")
    begun = staging.ask("PUT", "/api/zipdeploy?isAsync=true", json={"packageUri": f"{url}.not"})
    assert begun.status_code == 202
    until(lambda: staging.latest().status_code == 200, "the deployment ends")
    failed = staging.latest().json()
    assert (failed["status"], failed["status_text"]) == (3, "package answers 404")
    assert (failed["provisioningState"], failed["active"]) == ("Failed", False)
    assert staging.ask("GET", "/api/deployments/latest/log").json()[-1]["type"] == 2
    assert staging.ask("PUT", "/api/zipdeploy", json={"packageUri": f"{url}.n"}).status_code == 500
    assert staging.ask("PUT", "/api/zipdeploy", json={"packageUri": "no"}).status_code == 400
    assert staging.app.serves("staging") == "fetched"


def test_unknown_is_404(staging: Kudu) -> None:
    """Files are not shown, nor what was never deployed."""
    for path in (
        "/api/vfs/site/wwwroot/",
        "/api/deployments/1",
        "/api/deployments/1/log",
        "/api/settings/NOWHERE",
        "/api/nothing",
    ):
        assert staging.ask("GET", path).status_code == 404, path
    with pytest.raises(ResourceNotFoundError):
        staging.app.web.get_deployment_slot(staging.app.group, "uploads", "1", "staging")


def test_settings(staging: Kudu) -> None:
    """App settings are there at once, before Kudu's defaults; Kudu's own are no app settings."""
    app = staging.app
    app.set("staging", {"SCM_DO_BUILD_DURING_DEPLOYMENT": "false", "SCM_TRACE_LEVEL": "4"})
    seen = staging.ask("GET", "/api/settings").json()
    assert {**seen, **app.settings("staging")} == seen
    assert seen["SCM_DO_BUILD_DURING_DEPLOYMENT"] == "false"
    assert (seen["SCM_TRACE_LEVEL"], seen["SCM_COMMAND_IDLE_TIMEOUT"]) == ("4", "60")
    assert staging.ask("GET", "/api/settings/scm_trace_level").text == "4"
    assert staging.ask("POST", "/api/settings", json={"OWN": "1", "TWO": "2"}).status_code == 204
    older = {"key": "OLD", "value": "3"}
    assert staging.ask("POST", "/api/settings", json=older).status_code == 204
    seen = staging.ask("GET", "/api/settings").json()
    assert (seen["OWN"], seen["TWO"], seen["OLD"]) == ("1", "2", "3")
    assert "OWN" not in app.settings("staging")
    assert staging.ask("DELETE", "/api/settings/OWN").status_code == 204
    assert "OWN" not in staging.ask("GET", "/api/settings").json()
    assert staging.ask("POST", "/api/settings", data=b"{").status_code == 400


def test_who_may(staging: Kudu) -> None:
    """401 with nothing in it, but for a token for ARM, or the slot's user where that is allowed."""
    app, group = staging.app, staging.app.group
    given = app.web.begin_list_publishing_credentials_slot(group, "uploads", "staging").result()
    user = str(given.properties.publishing_user_name)
    password = str(given.properties.publishing_password)
    elsewhere = app.platform.credential.get_token("https://storage.azure.com/.default").token
    own = Kudu(app, "production")

    def status(kudu: Kudu, **more: Any) -> int:
        answer = kudu.ask("GET", "/api/settings", **more)
        if answer.status_code == 401:
            assert answer.content == b""
            assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")
        return answer.status_code

    def allow(allowed: bool) -> None:
        body = CsmPublishingCredentialsPoliciesEntity({"properties": {"allow": allowed}})
        app.web.update_scm_allowed_slot(group, "uploads", "staging", body)

    basic = (user, password)
    assert status(staging) == 200
    assert status(staging, auth=basic) == 401  # off on a new app
    allow(True)
    assert status(staging, auth=basic) == 200
    assert status(staging, auth=(f"uploads__staging\\{user}", password)) == 200
    assert status(own, auth=basic) == 401
    for wrong in ((user, "wrong"), ("$uploads", password), (user, "")):
        assert status(staging, auth=wrong) == 401
    allow(False)
    assert status(staging, auth=basic) == 401
    encoded = base64.b64encode(b"no colon").decode()
    for header in ("", "Basic !", f"Basic {encoded}", "Bearer x", f"Bearer {elsewhere}"):
        assert status(staging, headers={"Authorization": header}) == 401, header
    refused = staging.deploy(probe("never") * 50, headers={"Authorization": "Bearer x"})
    assert refused.status_code == 401


def test_stopped_slot_takes_an_upload(staging: Kudu) -> None:
    """Kudu answers for a stopped slot; what was uploaded runs once the slot does."""
    app = staging.app
    app.web.stop_slot(app.group, "uploads", "staging")
    assert staging.deploy(probe("rested")).status_code == 200
    assert app.get("staging").status_code == 403
    app.web.start_slot(app.group, "uploads", "staging")
    app.wait_serves("staging", "rested")


def test_planted_fault(staging: Kudu) -> None:
    """What is planted for ``kudu`` is what its caller gets, once."""
    staging.app.platform.faults(
        {"operation": "kudu", "slot": "staging", "status": 502},
        {"operation": "kudu", "slot": "staging", "drop": True},
    )
    assert staging.deploy(probe("never")).status_code == 502
    with pytest.raises(requests.ConnectionError):
        staging.deploy(probe("never"))
    assert staging.ask("GET", "/api/settings").status_code == 200


def test_uploads_outlive_the_platform(tmp_path: Path) -> None:
    """
    After kill -9: same host, files, deployments and settings; what was under way has failed. A slot
    that nobody uploaded to has no latest deployment.
    """
    with start_platform(tmp_path / "state") as first:
        first.create_app("app", {"WEBSITE_RUN_FROM_PACKAGE": "1"}, slots=())
        kudu = Kudu(App(first, "app"), "production")
        assert kudu.latest().status_code == 404
        assert kudu.ask("GET", "/api/deployments").json() == []
        assert kudu.deploy(probe("kept")).status_code == 200
        kudu.ask("POST", "/api/settings", json={"OWN": "1"})
        kept = kudu.ask("GET", "/api/deployments").json()
        first.admin_put("/transitions", {"mode": "manual"})
        assert kudu.deploy(probe("lost"), "?isAsync=true").status_code == 202
        host = kudu.url
        first.kill()
    with start_platform(tmp_path / "state") as second:
        app = App(second, "app")
        again = Kudu(app, "production")
        assert again.url == host
        app.wait_serves("production", "kept")
        lost, *others = again.ask("GET", "/api/deployments").json()
        assert others == kept
        assert (lost["status"], lost["complete"], lost["active"]) == (3, True, False)
        assert again.ask("GET", "/api/settings/OWN").text == "1"
        assert again.deploy(probe("next"), "?isAsync=true").status_code == 202
