"""infra/ fits together, as far as that can be seen without Azure: Bicep itself is not to be had."""

import json
import re
import subprocess
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

from tests.infra.page import ROOT, lines
from tests.infra.settings import NOT_OURS, ours

INFRA = ROOT / "infra"
FILES = sorted(INFRA.glob("*.bicep"))
_SETTING = re.compile(r"^\s+((?:GITSLOT|MODEL|WEBSITE|FUNCTIONS|AZURE|AzureWebJobs)\w+):", re.M)
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
            given = set(module["config"]["params"])
            asked = target["parameters"]
            needed = {key for key, value in asked.items() if value["default"] is None}
            assert needed <= given <= set(asked), f"{name}: {module['detail']['path']}"
            seen += 1
    assert seen == 6


def test_every_name_is_declared(trees: dict[str, Any]) -> None:
    """What is referred to is there: symbols in the same file, outputs in the module's."""
    for path in FILES:
        tree = trees[path.name]
        modules = tree.get("modules", {})
        declared = {*modules, *tree.get("resources", {}), *tree.get("variables", {})}
        declared |= {*tree.get("parameters", {}), "least"}
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


def test_bicep_and_page_set_the_same_settings() -> None:
    """Whichever way an app came about, it has the same settings, and each is known."""
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    template = set(_SETTING.findall(text))
    settings = [line.text for line in lines() if "appsettings set" in line.text]
    page = set(re.findall(r" ([A-Za-z_]+)=", " ".join(settings).replace('"', "")))
    assert template == page
    assert template <= ours() | NOT_OURS


def test_bicep_and_page_give_the_same_roles() -> None:
    """Both name the same built-in roles, and the same custom one."""
    page = " ".join(line.text for line in lines())
    roles = set(re.findall(r'--role "(Storage [^"]+)"', page))
    access = (INFRA / "access.bicep").read_text(encoding="utf-8")
    ids = re.findall(r"'([0-9a-f-]{36})'", access)
    assert len(roles) == len(ids) == len(set(ids)) == 3
    assert "loadJsonContent('role.json')" in (INFRA / "role.bicep").read_text(encoding="utf-8")
    assert "infra/role.json" in page


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
    page = next(line.text for line in lines() if line.text.startswith("site()"))
    words = page.split("echo '")[1].split("';")[0].replace("' '", " ")  # echo joins them
    pasted = json.loads(re.sub(r"'\$\w+'", "x", words))
    for given, model in (
        (app, Site),
        (site, SiteProperties),
        (site["siteConfig"], SiteConfig),
        (plan, AppServicePlan),
        (plan["properties"], AppServicePlanProperties),
        (plan["sku"], SkuDescription),
        (pasted, Site),
        (pasted["properties"], SiteProperties),
        (pasted["properties"]["siteConfig"], SiteConfig),
    ):
        fields = {field._rest_name for field in model({})._attr_to_rest_field.values()}
        assert set(given) - fields == set(), model.__name__
