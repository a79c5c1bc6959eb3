"""ARM passes OneDeploy on to a slot's Kudu, tells how it went, and counts Kudu's calls too."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceNotFoundError

from tests.emulator.app_under_test import App, refused
from tests.emulator.apps import probe
from tests.platform import Platform, until

NAME = "onedeploy"
ONE_DEPLOY = "/slots/staging/extensions/onedeploy"


@pytest.fixture(scope="module")
def shared(platform: Platform) -> Iterator[App]:
    """Create one app that runs what is deployed to it."""
    platform.create_app(NAME, {"WEBSITE_RUN_FROM_PACKAGE": "1"})
    yield App(platform, NAME)
    platform.web.web_apps.delete(platform.group, NAME)


@pytest.fixture
def app(shared: App) -> Iterator[App]:
    """Return it on a platform that makes nobody wait."""
    yield shared
    shared.platform.admin_put("/transitions", {"mode": "timed"})


@pytest.fixture
def held(app: App) -> Callable[[], None]:
    """Hold everything from now on; what is returned lets it go on."""
    app.platform.admin_put("/transitions", {"mode": "manual"})
    return lambda: app.platform.admin_put("/transitions", {"mode": "timed"})


def deploy(app: App, url: Any, **properties: Any) -> requests.Response:
    body = {"properties": {"type": "zip", "packageUri": url, **properties}}
    return app.ask("PUT", ONE_DEPLOY, json=body)


def status(app: App, deployment: str) -> Any:
    """Return what the platform says of a deployment, by the SDK."""
    asked = app.web.begin_get_slot_site_deployment_status_slot(
        app.group, NAME, "staging", deployment, polling_interval=1
    )
    return asked.result().properties


def test_a_package_is_deployed_from_its_url(app: App, held: Callable[[], None]) -> None:
    """
    202 whatever was asked for, with where to ask: 202 there until it has ended, then 200. How it
    goes is told from the build to the runtime; another one meanwhile is 409.
    """
    begun = deploy(app, app.platform.upload(probe("by-arm")))
    assert begun.status_code == 202
    assert begun.json()["type"] == "Microsoft.Web/sites/slots/extensions"
    assert begun.json()["properties"]["provisioningState"] == "InProgress"
    assert begun.headers["Retry-After"] == "1"
    where, id_ = begun.headers["Location"], begun.headers["scm-deployment-id"]
    assert f"/sites/{NAME}/slots/staging/deployments/latest?" in where
    pending = app.platform.ask("GET", where)
    assert (pending.status_code, pending.json()["properties"]["id"]) == (202, id_)
    assert app.platform.ask("GET", pending.headers["Location"]).status_code == 202
    assert status(app, id_).status == "BuildInProgress"
    again = deploy(app, app.platform.upload(probe("too-early")))
    assert (again.status_code, again.json()["Code"]) == (409, "Conflict")
    assert again.json()["Message"].startswith("There is a deployment currently in progress.")
    advance = f"{app.platform.admin}/transitions/advance"
    requests.post(advance, json={"site": NAME, "what": "deployment"}, timeout=30)
    until(lambda: app.platform.ask("GET", where).status_code == 200, "the deployment ends")
    told = status(app, id_)
    assert (told.status, told.number_of_instances_in_progress) == ("RuntimeStarting", 1)
    held()
    until(lambda: status(app, id_).status == "RuntimeSuccessful", "the runtime is up")
    app.wait_serves("staging", "by-arm")
    (listed,) = app.web.list_slot_site_deployment_statuses_slot(app.group, NAME, "staging")
    assert (listed.properties.deployment_id, listed.properties.errors) == (id_, None)
    assert app.ask("GET", ONE_DEPLOY).json()["value"][0]["properties"]["id"] == id_
    started = app.history("deployment-started")[-1]
    assert (started["id"], started["caller"]) == (id_, "laptop")


def test_a_failed_deployment_is_told_as_one(app: App) -> None:
    """BuildFailed with the reason; an older deployment is not known any more."""
    first = deploy(app, app.platform.upload(probe("older"))).headers["scm-deployment-id"]
    until(lambda: status(app, first).status == "RuntimeSuccessful", "the first one runs")
    url = app.platform.upload(probe("older")) + ".none"
    second = deploy(app, url).headers["scm-deployment-id"]
    until(lambda: status(app, second).status == "BuildFailed", "the second one fails")
    (error,) = status(app, second).errors
    assert error.message == "package answers 404"
    with pytest.raises(ResourceNotFoundError):
        status(app, first)
    assert app.serves("staging") == "older"


def test_what_cannot_be_deployed_is_refused(app: App, held: Callable[[], None]) -> None:
    """400 by name for a bad request; 409 while the package comes by URL, and while a swap runs."""
    url = app.platform.upload(probe("never"))
    assert deploy(app, url, type="war").status_code == 400
    assert deploy(app, url, type=None).json()["Message"] == "type='' not recognized"
    assert deploy(app, None).json()["Message"] == "Invalid Url in the JSON request"
    assert app.ask("PUT", ONE_DEPLOY, json={"properties": 1}).status_code == 400
    empty = refused(lambda: app.web.create_one_deploy_operation(app.group, NAME))
    assert empty.status_code == 400  # the SDK sends no body
    swap = app.begin_swap()
    busy = deploy(app, url)
    assert (busy.status_code, busy.json()["Code"]) == (409, "Conflict")
    assert "another operation is in progress" in busy.json()["Message"]
    held()
    swap.result()
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": url})
    assert deploy(app, url).json()["Message"].startswith("Run-From-Zip is set to a remote URL")
    app.set("staging", {"WEBSITE_RUN_FROM_PACKAGE": "1"})


def test_slots_of_one_share_and_one_host_id_disturb_each_other(platform: Platform) -> None:
    """Each slot is born with a share of its own; with one, both run what either is sent."""
    account, share = "WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE"
    name = "an-app-whose-name-is-cut-to-32-chars"
    platform.create_app(name, {"WEBSITE_RUN_FROM_PACKAGE": "1", account: "a"})
    app = App(platform, name)
    assert app.settings("staging")[share] != app.settings("production")[share]
    assert platform.slots()[name, "staging"]["collisions"] == {"host id": ["production"]}
    app.set("staging", {share.lower(): app.settings("production")[share], share: None})
    assert platform.slots()[name, "staging"]["collisions"].keys() == {"content share", "host id"}
    app.one_deploy("staging", platform.upload(probe("for-both")))
    app.wait_serves("staging", "for-both")
    app.wait_serves("production", "for-both")
    assert refused(app.swap).status_code == 417
    app.web.delete(app.group, name)


def test_calls_of_kudu_are_counted(app: App) -> None:
    """By operation, by caller and by client as ARM's are; unknown paths apart."""
    platform, agent = app.platform, {"User-Agent": "AZURECLI/2.91 python-requests"}
    kudu = f"https://{app.hosts('staging')['Repository']}"
    before = platform.admin_get("/requests")
    for path in ("/api/deployments/latest", "/api/vfs/", "/"):
        for own in ({}, {"Authorization": "Bearer none"}):
            platform.ask("GET", f"{kudu}{path}", headers={**agent, **own})
    now = platform.admin_get("/requests")
    assert now["total"] == before["total"] + 1
    assert now["by_client"]["az"] == {"kudu-deployment": 1}
    known = before["by_operation"].get("kudu-deployment", 0)
    assert now["by_operation"]["kudu-deployment"] == known + 1
    assert now["by_caller"]["laptop"] == before["by_caller"]["laptop"] + 1
    missing = {"method": "GET", "path": "SCM/api/vfs/", "count": 1}
    assert missing in platform.admin_get("/coverage")
