"""infra/ fits together, as far as that can be seen without Azure: Bicep itself is not to be had."""

import json
import re
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from azure.mgmt.web.models import (
    AppServicePlan,
    AppServicePlanProperties,
    Site,
    SiteConfig,
    SiteProperties,
    SkuDescription,
)
from pycep import BicepParser

from emulator.login.rights import BUILT_IN
from gitslot.record.event import Event
from gitslot.report.snapshot import LOOKED
from gitslot.state.reasons import REASONS
from tests.infra.page import ROOT, calls, option
from tests.infra.settings import NOT_OURS, ours

INFRA = ROOT / "infra"
FILES = sorted(INFRA.glob("*.bicep"))
APPS = ("iris7421", "iris7421-gitslot")
# What access.bicep and the page call the same.
SCOPES = {each: each for each in ("models", "code")} | {
    **{"journal": "gitslot", "registry": "iris7421registry"},
    **{"servingHost": "iris7421serving", "controllingHost": "iris7421control"},
}
PRINCIPALS = {
    "iris7421-serving-object": "servingPrincipal",
    "iris7421-controlling-object": "controllingPrincipal",
    "ad": "publisher",
}
_REFERENCE = re.compile(r"\b([a-zA-Z]\w*)\.(outputs|properties|id|name)\b(?:\.(\w+))?")


def _parsed(path: Path) -> Any:
    return BicepParser().parse(text=path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def trees() -> dict[str, Any]:
    return {path.name: _parsed(path) for path in FILES}


def test_every_module_gets_what_it_asks_for(trees: dict[str, Any]) -> None:
    """A module is given each parameter without a default, and none that it does not have."""
    seen = 0
    for name, tree in trees.items():
        for module in tree.get("modules", {}).values():
            target = trees[module["detail"]["path"]]
            config = module["config"]
            given = set(config.get("config", config)["params"])  # a condition is around it
            asked = target["parameters"]
            needed = {key for key, value in asked.items() if value["default"] is None}
            assert needed <= given <= set(asked), f"{name}: {module['detail']['path']}"
            seen += 1
    assert seen == 7


def test_every_name_is_declared(trees: dict[str, Any]) -> None:
    """What is referred to is there: symbols in the same file, outputs in the module's."""
    for path in FILES:
        tree = trees[path.name]
        modules = tree.get("modules", {})
        declared = {*modules, *tree.get("resources", {}), *tree.get("variables", {})}
        declared |= {*tree.get("parameters", {}), "least", "rule"}
        code = re.sub(r"^\s*(//|@).*$", "", path.read_text(encoding="utf-8"), flags=re.M)
        for symbol, kind, member in _REFERENCE.findall(code):
            assert symbol in declared, f"{path.name}: {symbol}"
            if kind == "outputs":
                outputs = trees[modules[symbol]["detail"]["path"]]["outputs"]
                assert member in outputs, f"{path.name}: {symbol}.outputs.{member}"


def test_no_parameter_or_variable_is_left_over() -> None:
    """Each parameter and variable is used."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"^(?:param|var) (\w+)", text, re.M):
            assert len(re.findall(rf"\b{name}\b", text)) > 1, f"{path.name}: {name}"


def test_nothing_holds_or_reads_a_secret() -> None:
    """No key is listed, no account takes one, nothing is public."""
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"list(Keys|AccountSas|ServiceSas|Secrets)|AccountKey=", text), path
    storage = (INFRA / "storage.bicep").read_text(encoding="utf-8")
    accounts = storage.count("'Microsoft.Storage/storageAccounts@")
    assert storage.count("allowSharedKeyAccess: false") == accounts == 2
    assert storage.count("allowBlobPublicAccess: false") == accounts
    assert "httpsOnly: true" in (INFRA / "app.bicep").read_text(encoding="utf-8")


def assert_same(template: dict[str, Any], pasted: dict[str, Any], names: set[str]) -> None:
    """Compare keys, and the values that *template* has as literals: *names* are its symbols."""
    assert set(template) == set(pasted)
    for key, value in template.items():
        if isinstance(value, dict) and not value.keys() & {"operator", "function"}:
            assert_same(value, pasted[key], names)
        elif isinstance(value, (str, bool, int)) and value not in names and "${" not in str(value):
            assert value == pasted[key], key


@pytest.mark.parametrize("file", ["infra/alerts.bicep", "docs/run/watch.md", "docs/run/azure.md"])
def test_queries_ask_for_what_the_log_writes(file: str) -> None:
    """Each field, event and reason that a query names is written by the controller."""
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.search(r"\be\.event\b", line)]
    written = {entry.name.rstrip("_") for entry in fields(Event)} | {"level"}
    assert lines and set(re.findall(r"\be\.(\w+)", "\n".join(lines))) <= written
    asked = [part for line in lines for part in re.split(r"\bwhere e\.|\band e\.", line)[1:]]
    named = {name for part in asked for name in re.findall(r'"(\w+)"', part)}
    assert named <= {"Stalled", "Frozen", LOOKED, *REASONS}


def test_both_ways_make_the_same_apps(trees: dict[str, Any]) -> None:
    """Site, plan and settings are those of the page; each setting is known."""
    tree, main = trees["app.bicep"], trees["gitslot.bicep"]
    names = {*tree["parameters"], *tree["variables"], *main["parameters"]}
    site = tree["variables"]["site"]["value"]
    common = tree["variables"]["all"]["value"]["function"]["parameters"]["arg_1"]
    for module, app in (("servingApp", "iris7421"), ("controllerApp", "iris7421-gitslot")):
        mine = [call for call in calls() if option(call, "-n") == app]
        (pasted,) = [json.loads(option(call, "-p")) for call in mine if option(call, "-p")]
        assert_same(site, pasted["properties"], names)
        assert pasted["kind"] == tree["resources"]["app"]["config"]["kind"]
        settings = {**common, **main["modules"][module]["config"]["params"]["settings"]}
        pairs = [call[call.index("--settings") + 1 :] for call in mine if "--settings" in call]
        assert_same(settings, dict(pair.split("=", 1) for call in pairs for pair in call), names)
        assert set(settings) <= ours() | NOT_OURS
        for pair in (word for call in mine if "--set" in call for word in call if "=" in word):
            value: Any = site
            for key in pair.split("=")[0].split("."):
                value = value[key]
            assert value in names or str(value).lower() == pair.split("=")[1].lower(), pair
    plan = main["resources"]["plan"]["config"]
    (call,) = [call for call in calls() if call[1:3] == ("plan", "create")]
    assert option(call, "--sku") == plan["sku"]["name"]
    assert option(call, "--max-burst") == str(plan["properties"]["maximumElasticWorkerCount"])
    closed = {option(call, "--parent") for call in calls() if "properties.allow=false" in call}
    assert closed == {f"sites/{each}" for each in (*APPS, "iris7421/slots/staging")}
    assert {"noBasic", "noBasicOnSlots"} <= set(tree["resources"])


def test_both_ways_give_the_same_roles(trees: dict[str, Any]) -> None:
    """The same roles at the same scopes to the same principals, and the same custom one."""
    tree = trees["access.bicep"]
    template = set()
    for resource in tree["resources"].values():
        given, principals = resource["config"], None
        if "config" in given:  # a loop or a condition is around it
            principals = given.get("loop_type", {}).get("detail", {}).get("array_name")
            given = given["config"]
        if "scope" in given:
            role = tree["variables"][given["properties"]["roleDefinitionId"]]["value"]["function"]
            guid = role["parameters"]["resource_name_1"]
            for principal in principals or [given["properties"]["principalId"]]:
                template.add((BUILT_IN[guid].name, SCOPES[given["scope"]], principal))
    pasted = [call for call in calls() if call[:3] == ("role", "assignment", "create")]
    rows = {
        (option(call, "--role"), option(call, "--scope").rsplit("/", 1)[-1], PRINCIPALS[who])
        for call in pasted
        if (who := option(call, "--assignee-object-id"))
    }
    custom = ("gitslot controller (iris7421-gitslot)", "iris7421", "controllingPrincipal")
    assert rows == {*template, custom}
    assert "loadJsonContent('role.json')" in (INFRA / "role.bicep").read_text(encoding="utf-8")


def test_azd_fills_every_parameter() -> None:
    """The parameters file has what main.bicep cannot do without, and nothing else."""
    asked = _parsed(INFRA / "main.bicep")["parameters"]
    given = json.loads((INFRA / "main.parameters.json").read_text(encoding="utf-8"))["parameters"]
    needed = {key for key, value in asked.items() if value["default"] is None}
    assert needed <= set(given) <= set(asked)


def test_azd_runs_scripts_that_are_there() -> None:
    """azure.yaml points to the template and to shell scripts without a syntax error."""
    azd = yaml.safe_load((ROOT / "azure.yaml").read_text(encoding="utf-8"))
    assert (ROOT / azd["infra"]["path"] / f"{azd['infra']['module']}.bicep").exists()
    for hook in azd["hooks"].values():
        subprocess.run(["sh", "-n", str(ROOT / hook["run"])], check=True)
        assert (ROOT / hook["run"]).stat().st_mode & 0o100
    assert "services" not in azd


def test_apps_have_only_fields_that_microsofts_models_have(trees: dict[str, Any]) -> None:
    """A misspelt property, which Azure would ignore without a word, is seen here."""
    site = trees["app.bicep"]["variables"]["site"]["value"]
    app = trees["app.bicep"]["resources"]["app"]["config"]
    plan = trees["gitslot.bicep"]["resources"]["plan"]["config"]
    for given, model in (
        (app, Site),
        (site, SiteProperties),
        (site["siteConfig"], SiteConfig),
        (plan, AppServicePlan),
        (plan["properties"], AppServicePlanProperties),
        (plan["sku"], SkuDescription),
    ):
        fields = {field._rest_name for field in model({})._attr_to_rest_field.values()}
        assert set(given) - fields == set(), model.__name__
