"""docs/run/azure.md is run as it stands, with the real `az`, up to a production that answers."""

import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from emulator.arm.coverage import USED_BY
from tests.cli.test_printed_lines import printed
from tests.clients.azure_cli import log_in, shell_environment
from tests.infra.page import FIRST_LOOK, GONE, NEWER, ROOT, Line, lines, set_up
from tests.platform import Platform, start_platform, until
from tests.processes import run
from tests.story.stage import make_repository

pytestmark = [pytest.mark.clients, pytest.mark.long]

SOMEBODY = "33333333-3333-4333-8333-333333333333"
# What az says of words that it does not know.
UNREAD = (
    r"unrecognized arg|are required|invalid choice|misspelled|Invalid scope|not in '"
    r"|expected .* argument"
)
FIRST_TICK_S = 240.0  # the controller looks each minute, and polls a swap as on Azure


def test_the_page_leads_to_a_production_that_answers(
    tmp_path: Path, elsewhere: dict[str, set[str]]
) -> None:
    """
    Whoever pastes the lines of the page in order ends with a controller that reconciles, in which
    doctor finds nothing wrong, and later with a newer one.
    """
    checkout = make_repository(tmp_path / "models")
    checkout.git("commit", "-q", "--allow-empty", "-m", "begin")
    checkout.git("clone", "-q", "--bare", ".", str(tmp_path / "origin"))
    checkout.git("remote", "add", "origin", str(tmp_path / "origin"))
    checkout.git("push", "-q", "-u", "origin", "main")
    with start_platform(tmp_path / "platform", roles=True, account="iris7421registry") as platform:
        env = _environment(tmp_path, platform)
        log_in(env, platform)
        page = Page(tmp_path, platform, env)
        page.run(set_up())
        assert set(platform.slots()) == {
            ("iris7421", "production"),
            ("iris7421", "staging"),
            ("iris7421-gitslot", "production"),
        }
        url = platform.slots()["iris7421", "production"]["https"]

        def serves() -> bool:
            answer = requests.get(f"{url}/api/health", verify=platform.ca, timeout=10)
            return answer.headers.get("x-model-version") == "1.0.0"

        until(serves, "production serves the first model", FIRST_TICK_S)
        until(lambda: platform.history("swap-finished"), "the swap has ended")
        (swap,) = platform.history("swap-started")
        assert swap["caller"] == "iris7421-controlling"

        for app, slot in platform.slots():
            web, names = platform.web.web_apps, (platform.group, app)
            found = web.get(*names) if slot == "production" else web.get_slot(*names, slot)
            reader = found.as_dict()["properties"]["keyVaultReferenceIdentity"]
            owner = "controlling" if app.endswith("-gitslot") else "serving"
            assert reader.endswith(f"/iris7421-{owner}")

        look = [line for line in lines() if line.section == FIRST_LOOK]
        until(lambda: _is_synced(page, look), "the controller's snapshot shows the swap's end")
        said = page.run(look)
        assert "Healthy  Synced" in said and " wrong" not in said and "KeyDiffers" not in said

        def starts() -> int:
            of_process = platform.history("process-started")
            return sum(entry["site"] == "iris7421-gitslot" for entry in of_process)

        web, names = platform.web.web_apps, (platform.group, "iris7421")
        one, two = web.list_host_keys(*names), web.list_host_keys_slot(*names, "staging")
        assert one.function_keys == two.function_keys
        before = starts()
        page.run([line for line in lines() if line.section == NEWER], version="9.9.9")
        until(lambda: starts() > before, "the newer controller runs")
        code = platform.web.web_apps.list_application_settings(platform.group, "iris7421-gitslot")
        assert "9.9.9" in (code.properties or {})["WEBSITE_RUN_FROM_PACKAGE"]
        assert synchronised(platform) == 2
        _azd_after(tmp_path, env, platform)
        page.run([line for line in lines() if line.section == GONE])
        assert platform.slots() == {}
        elsewhere["az"] |= set(platform.admin_get("/requests")["by_client"]["az"])
        assert elsewhere["az"] <= USED_BY["az"]
        assert platform.admin_get("/coverage") == []


def test_az_understands_the_marked_lines(tmp_path: Path) -> None:
    """A line that needs Azure itself fails here for want of Azure, not for a word misspelt."""
    with start_platform(tmp_path / "platform") as platform:
        env = _environment(tmp_path, platform)
        log_in(env, platform)
        variables = [
            *_variables(_given(tmp_path, platform)),
            f"SERVING_OBJECT={SOMEBODY}",
            f"CONTROLLING_OBJECT={SOMEBODY}",
        ]
        marked = [line.text for line in lines() if line.only_on_azure]
        marked += printed("az")
        for text in marked:
            # Who is signed in is asked of another service, which the emulator does not play.
            line = re.sub(r'"\$\(az ad [^)]*\)"', SOMEBODY, text)
            done = run("bash", "-c", "\n".join([*variables, line]), cwd=ROOT, env=env)
            assert done.returncode == 0 or "ERROR" in done.stderr, text
            assert not re.search(UNREAD, done.stderr), f"{text}: {done.stderr[-2000:]}"
        assert len(marked) >= 4


def _azd_after(folder: Path, env: dict[str, str], platform: Platform) -> None:
    """Run what azd runs after provisioning; azd itself is played by `echo`."""
    code = folder / "dist" / "code"
    serving, control = (
        next(code.glob(f"{app}-*/*.zip")).relative_to(code) for app in ("serving-app", "controller")
    )
    before = synchronised(platform)
    azd = folder / "bin" / "azd"
    azd.parent.mkdir()
    azd.symlink_to("/bin/echo")
    done = run(
        str(ROOT / "infra" / "after.sh"),
        cwd=folder,
        env={
            **env,
            "PATH": f"{azd.parent}{os.pathsep}{env['PATH']}",
            "GITSLOT_STORAGE": platform.storage,
            "GITSLOT_GROUP": platform.group,
            "GITSLOT_APP": "iris7421",
            "GITSLOT_CONTROLLER": "iris7421-gitslot",
            "GITSLOT_SERVING_PACKAGE": str(serving),
            "GITSLOT_CONTROLLER_PACKAGE": str(control),
        },
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("env set GITSLOT_INSTALL false\n")
    assert len(platform.history("restart")) == 3
    assert synchronised(platform) == before + 1


def synchronised(platform: Platform) -> int:
    """Return how often somebody had triggers synchronised."""
    return int(platform.admin_get("/requests")["by_operation"]["sync-triggers"])


def _environment(folder: Path, platform: Platform) -> dict[str, str]:
    """Return a shell's environment in which programs of ours are the emulator's user, too."""
    found = shell_environment(folder, platform)
    return {**found, "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential"}


@dataclass(frozen=True, slots=True)
class Page:
    """
    Lines of the page as scripts for *platform*.

    Changed are only names that a person would fill in or that skipped lines would have set, and the
    packages, which are thin here: their libraries are the platform's.
    """

    folder: Path
    platform: Platform
    env: Mapping[str, str]

    def run(self, chosen: Iterable[Line], version: str = "") -> str:
        """Run *chosen* and return what they print; packages that they make are of *version*."""
        tools = f"{shlex.quote(str(Path(sys.executable).parent))}/"
        out = shlex.quote(str(self.folder / "dist"))
        thin = f" -m gitslot.registry.package --thin --out {out}" + (
            f" --version {version}" if version else ""
        )
        script = ["make() { :; }", *_variables(_given(self.folder, self.platform))]
        for line in chosen:
            if not (line.only_on_azure or set(line.sets) & set(_given(self.folder, self.platform))):
                text = line.text.replace(".venv/bin/", tools)
                text = text.replace(" -m gitslot.registry.package", thin)
                shown = f'echo "$({text} | xargs)" | tee /dev/stderr | grep -qxF "{line.prints}"'
                script.append(shown if line.prints else text)
        bash = ("bash", "-eu", "-o", "pipefail", "-c", "\n".join(script))
        done = run(*bash, cwd=ROOT, env=self.env)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout


def _is_synced(page: Page, look: list[Line]) -> bool:
    """Return whether `gitslot status`, as the lines *look* call it, ends with 0."""
    try:
        page.run(e for e in look if e.text.startswith("export ") or "gitslot status" in e.text)
    except AssertionError:
        return False
    return True


def _variables(given: Mapping[str, str]) -> list[str]:
    """Return the lines that set *given*, and the page's own variables that ask nobody."""
    return [f"{name}={shlex.quote(value)}" for name, value in given.items()] + [
        line.text
        for line in lines()
        if line.sets and "$(" not in line.text and not set(line.sets) & set(given)
    ]


def _given(folder: Path, platform: Platform) -> dict[str, str]:
    """Return the variables that a person fills in, or that lines would set which are skipped."""
    group = f"/subscriptions/{platform.subscription}/resourceGroups/{platform.group}"
    return {
        "REPO": str(folder / "origin"),
        "CHECKOUT": str(folder / "models"),
        "GROUP": platform.group,
        "STORE": platform.storage,
        "ARM": platform.arm,
        "PACKAGES": str(folder / "dist" / "code"),
        "GROUP_ID": group,
        "LOGS": f"{group}/providers/Microsoft.OperationalInsights/workspaces/x",
        "INSIGHTS": "InstrumentationKey=x;IngestionEndpoint=https://localhost:1/",
    }
