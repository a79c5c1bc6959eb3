"""`gitslot doctor` and `gitslot adopt` on real slots: what they see, and that nothing changes."""

import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from gitslot.edges.file.read import read
from tests.platform import Platform, until
from tests.story.stage import Stage, set_stage
from tests.story.typed import gitslot

PASSWORD = "canary-database-password"
OTHER = "az-fct-older"


@pytest.fixture(scope="module")
def stage(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Set one stage for all of this file: what a test changes it puts back."""
    with set_stage(platform, tmp_path_factory.mktemp("checkup")) as found:
        found.change("production", DB_PASSWORD=PASSWORD)
        yield found


def sent(stage: Stage, line: str) -> int:
    """Send what the line `az rest` says, as az does; return the status."""
    words = dict(pairwise(shlex.split(line)))
    url, headers = stage.platform.arm + words["--url"], {"Content-Type": "application/json"}
    method, body = words["--method"], words["--body"]
    return stage.platform.ask(method, url, data=body, headers=headers).status_code


def test_a_set_up_app_is_fine_and_three_broken_things_are_named_with_their_fix(
    settled: Stage,
) -> None:
    """Nothing wrong at first; then each broken thing by its check, and fine again once mended."""
    stage, apps, group = settled, settled.platform.web.web_apps, settled.platform.group
    settings = {
        "FUNCTIONS_EXTENSION_VERSION": "~4",
        **{k: v for k, v in stage.settings("production").items() if k.startswith("WEBSITE_SWAP")},
        "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG": "1",
    }
    stage.change("staging", **settings)
    until(lambda: stage.serves("staging") != "", "staging is up again")
    before = stage.writes()

    fine = gitslot(stage, "doctor", "-o", "json")
    assert fine.code == 0, fine.out
    unknown = {check for check, result in fine.results.items() if result == "not known"}
    assert unknown <= {"blobs"}  # staging has no model yet
    assert {r for check, r in fine.results.items() if check not in unknown} == {"ok"}

    assert stage.writes() == before

    stage.change("staging", WEBSITE_SWAP_WARMUP_PING_STATUSES=None)
    stage.hand.stick("MODEL_VERSION", "ONLY_HERE")
    apps.stop_slot(group, stage.app, "staging")
    mine = stage.writes()

    broken = gitslot(stage, "doctor", stage.app, "-o", "json")
    assert broken.code == 1
    wrong = {check for check, result in broken.results.items() if result == "wrong"}
    assert wrong == {"warm-up", "sticky", "running"}
    where = f"-g {group} -n {stage.app} --slot staging"
    assert broken.fixes("warm-up") == [
        f"az functionapp config appsettings set {where} --settings "
        "WEBSITE_SWAP_WARMUP_PING_STATUSES=200"
    ]
    assert broken.fixes("running") == [f"az functionapp start {where}"]
    (unstick,) = broken.fixes("sticky")
    assert "config/slotConfigNames" in unstick
    assert '"appSettingNames": ["ONLY_HERE"]' in unstick

    table = gitslot(stage, "doctor")
    assert table.code == 1
    assert "staging is Stopped" in table.out and "no slot swaps" not in table.out
    assert f"az functionapp start {where}" in table.out
    assert stage.writes() == mine
    for said in (fine.out, broken.out, table.out, table.err):
        assert PASSWORD not in said

    assert sent(stage, unstick) == 200
    apps.start_slot(group, stage.app, "staging")
    stage.change("staging", **settings)
    until(lambda: stage.serves("staging") != "", "staging is up again")
    mended = gitslot(stage, "doctor", "-v")
    assert (mended.code, "every slot runs" in mended.out) == (0, True)


def test_one_thing_that_cannot_be_asked_hides_no_other(settled: Stage) -> None:
    """Without Git and with signers that cannot be read, the app is still examined."""
    changes = {
        "GITSLOT_REPO": "/nowhere",
        "GITSLOT_VERIFY_COMMITS": "range",
        "GITSLOT_ALLOWED_SIGNERS": "/nowhere/signers",
    }
    done = gitslot(settled, "doctor", settled.app, "-o", "json", **changes)
    assert done.code == 1
    results = done.results
    assert (results["settings"], results["git"], results["signatures"]) == ("wrong",) * 3
    assert (results["file"], results["versions"]) == ("not known", "ok")
    assert (results["storage"], results["running"]) == ("ok", "ok")


def test_a_controllers_own_guards_are_examined_when_it_is_named(settled: Stage) -> None:
    """
    Its schedule, its list of apps, that it watches what this environment names, and that it can
    read its package.
    """
    stage = settled
    theirs = {
        **{k: v for k, v in stage.environment.items() if k.startswith("GITSLOT_")},
        "GITSLOT_SCHEDULE": "* * * * *",
        "GITSLOT_APPS": "another-app",
        "GITSLOT_REF": "release",
        "GITSLOT_GIT_TOKEN": PASSWORD,
        "WEBSITE_RUN_FROM_PACKAGE": f"{stage.platform.storage}/code/controller.zip",
        "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID": "/subscriptions/x/nobody",
    }
    stage.platform.create_app("the-controller", theirs, slots=())
    done = gitslot(stage, "doctor", "--controller", "the-controller", "-o", "json")
    assert done.code == 1
    wrong = {check for check, result in done.results.items() if result == "wrong"}
    assert {"settings", "schedule"} <= wrong
    assert "GITSLOT_APPS lists another-app, for which there is no file" in done.out
    assert "GITSLOT_REF is not what the-controller has" in done.out
    own = {e["check"]: e["result"] for e in done.data if e["app"] == "the-controller"}
    assert own == {"running": "ok", "identity": "ok", "package": "wrong"}
    assert PASSWORD not in done.out + done.err
    assert gitslot(stage, "doctor", "--controller", "nobody").code == 2
    stage.platform.web.web_apps.delete(stage.platform.group, "the-controller")


def test_adopting_a_served_release_gives_a_file_that_asks_for_nothing_else(settled: Stage) -> None:
    """The file parses to what production serves; Azure's history has nothing new."""
    before = settled.requests()
    path = settled.repository.path / "adopted.yaml"
    done = gitslot(settled, "adopt", settled.app, "adopted.yaml", "-o", "json")
    app = read(path.read_bytes())
    assert (app.name, app.model, app.suspend) == (settled.app, "iris", None)
    assert {slot: str(wanted) for slot, wanted in app.slots.items()} == {"production": "1.4.0"}
    assert done.code == 0, done.out
    assert settled.requests() == before

    refused = gitslot(settled, "adopt", settled.app, "adopted.yaml")
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert gitslot(settled, "adopt", settled.app, "adopted.yaml", "--overwrite").code == 0


def test_adopting_an_app_without_our_settings_says_what_is_missing_and_writes_nothing(
    settled: Stage,
) -> None:
    """The file parses, stands aside until a person has decided; every gap has its fix."""
    stage = settled
    package = stage.settings("production")["WEBSITE_RUN_FROM_PACKAGE"]
    stage.platform.create_app(
        OTHER, {"WEBSITE_RUN_FROM_PACKAGE": package, "DB_PASSWORD": PASSWORD}, slots=()
    )
    until(lambda: stage.platform.slots()[OTHER, "production"]["state"] == "Running", "it runs")
    before = stage.requests()
    done = gitslot(stage, "adopt", OTHER, "-")
    assert stage.requests() == before
    assert done.code == 1
    app = read(done.out.encode())
    assert (app.name, app.suspend is not None) == (OTHER, True)
    assert done.out.count("decide:") == 3
    for gap in ("no slot `staging`", "WEBSITE_SWAP_WARMUP_PING_PATH", "lacks MODEL_NAME"):
        assert gap in done.err
    assert f"az functionapp deployment slot create -g {stage.platform.group} -n {OTHER}" in done.err
    assert PASSWORD not in done.out + done.err


def test_an_app_that_nobody_can_see_is_one_line(settled: Stage, tmp_path: Path) -> None:
    """Exit code 2, and no file."""
    done = gitslot(settled, "adopt", "nobody", str(tmp_path / "f.yaml"))
    assert (done.code, done.out) == (2, "")
    assert "no function app `nobody`" in done.err
    assert not (tmp_path / "f.yaml").exists()
