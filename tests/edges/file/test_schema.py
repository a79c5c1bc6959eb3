"""The published schema of desired_state.yaml agrees with what the controller accepts."""

import re
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft202012Validator

from gitslot.edges.file import keys, schema
from gitslot.edges.file.read import read
from gitslot.errors import DesiredError

ONE = "app: my-app\nmodel: iris\nslots:\n  production: 1.4.0\n"
PAGE = Path(__file__).parents[3] / "docs/use/file.md"
FULL = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)[1]


def accepts_schema(text: str) -> bool:
    return Draft202012Validator(schema.schema()).is_valid(yaml.safe_load(text))


def accepts_controller(text: str) -> bool:
    try:
        read(text.encode())
    except DesiredError:
        return False
    return True


def test_is_a_schema() -> None:
    """The published schema is a JSON schema."""
    Draft202012Validator.check_schema(schema.schema())


@pytest.mark.parametrize("text", [ONE, FULL, ONE.replace("1.4.0", f"1.4.0@sha256:{'a' * 64}")])
def test_accepts_what_the_controller_accepts(text: str) -> None:
    """A file in the documented form is fine for an editor and for the controller."""
    assert accepts_schema(text)
    assert accepts_controller(text)


def test_the_page_shows_every_key() -> None:
    """Its example has each key once, of the file and of a slot."""
    found = yaml.safe_load(FULL)
    assert set(found) == set(keys.NAMES)
    assert set(found["slots"]["production"]) == {key.name for key in keys.SLOT_KEYS}


@pytest.mark.parametrize(
    "text",
    [
        ONE.replace("model: iris\n", ""),
        ONE.replace("production", "prod"),
        ONE + "speed: fast\n",
        ONE + "soak: 25h\n",
        ONE + "soak: 10\n",
        ONE + "drift: ignore\n",
        ONE.replace("1.4.0", "1.4.0@sha256:12"),
        ONE.replace("1.4.0", "v 1"),
        ONE.replace("my-app", "-app"),
        FULL.replace("model: churn", "model: {}"),
        "apps: {a: {model: m, slots: {production: v1}}}\n",
        ONE + "  canary_1: 1.5.0\n",
        ONE + f"  {'a' * 60}: 1.5.0\n",
        ONE + "  canary: {version: 1.5.0, cod: x}\n",
    ],
)
def test_refuses_what_the_controller_refuses(text: str) -> None:
    """An editor marks what the controller would freeze on."""
    assert not accepts_schema(text)
    assert not accepts_controller(text)


def test_advises_quotes_where_another_tool_would_read_a_number() -> None:
    """The controller reads 1.10 as text; the schema has it quoted, for everybody else."""
    number = ONE.replace("1.4.0", "1.10")
    assert accepts_controller(number)
    assert not accepts_schema(number)
    assert accepts_schema(ONE.replace("1.4.0", "'1.10'"))
