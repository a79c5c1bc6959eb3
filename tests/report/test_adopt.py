"""The file that `gitslot adopt` writes: what is live, marked where a person must decide."""

from dataclasses import replace

import pytest

from gitslot.errors import DesiredError
from gitslot.report.adopt import Adoption, adopt
from gitslot.report.doctor.facts import AppFacts
from gitslot.state.seen import Answer, Health
from gitslot.state.wanted import PRODUCTION, App, Doubt, Refusal, Resolved
from tests.report.doctor.facts import GOOD, REF, SECRET, at, set_to, slot
from tests.report.looks import release

DAY = "2026-11-23"
CANARY = replace(
    GOOD,
    slots=(*GOOD.slots, slot("canary", "1.6.0")),
    wanted={**GOOD.wanted, "canary": Resolved(release("1.6.0"))},
)


def only(made: Adoption) -> App:
    return made.app


def served(facts: AppFacts, **more: bool) -> dict[str, str]:
    """Return what the file for *facts* asks for, slot by slot."""
    return {name: str(wanted) for name, wanted in only(adopt(facts, DAY, **more)).slots.items()}


def test_the_file_asks_for_what_production_serves_and_no_more() -> None:
    """Staging stays the working slot; what it serves now is a comment."""
    made = adopt(GOOD, DAY)
    app = only(made)
    assert (app.name, app.model, app.suspend, made.decided) == (GOOD.name, "iris", None, True)
    assert served(GOOD) == {PRODUCTION: "1.5.0"}
    assert '# staging: "1.4.0"' in made.text
    assert "decide" not in made.text and SECRET not in made.text


def test_further_slots_are_named_only_when_asked_for() -> None:
    """Else the file says that they are there."""
    assert served(CANARY) == {PRODUCTION: "1.5.0"}
    assert served(CANARY, every_slot=True) == {PRODUCTION: "1.5.0", "canary": "1.6.0"}
    assert "not looked after: blue" in adopt(replace(GOOD, others=("blue",)), DAY).text


def test_an_ambiguous_app_is_named_by_its_place() -> None:
    """The controller then finds the one that was meant."""
    app = only(adopt(GOOD, DAY, group=True))
    assert (app.resource_group, app.subscription) == (REF.resource_group, REF.subscription)


def test_an_unknown_version_is_said_where_it_stands() -> None:
    """The file is true and the registry does not know it: a person decides."""
    unknown = Refusal("UnknownVersion", "iris 1.5.0 is not registered")
    text = adopt(replace(GOOD, wanted={PRODUCTION: unknown}), DAY).text
    (line,) = [line for line in text.splitlines() if line.startswith("  production")]
    assert "decide: UnknownVersion, iris 1.5.0 is not registered" in line


def test_a_production_that_only_its_settings_name_is_marked() -> None:
    """What is set and not served is written down as that."""
    facts = at(PRODUCTION, health=Health(Answer.SILENT))
    assert served(facts) == {PRODUCTION: "1.5.0"}
    assert "does not serve it" in adopt(facts, DAY).text


@pytest.mark.parametrize("version", ["", "not a version", "1.0\n  staging: 9", '1"'])
def test_without_a_usable_version_the_file_stands_aside(version: str) -> None:
    """It parses, suspends the app, and says what is to be decided; nothing from outside gets in."""
    facts = at(PRODUCTION, health=Health(Answer.FOREIGN, detail="HTTP 404\n  evil: 1"))
    facts = set_to(PRODUCTION, facts, MODEL_VERSION=version or None)
    made = adopt(facts, DAY)
    app = only(made)
    assert (made.decided, app.suspend is not None, list(app.slots)) == (False, True, [PRODUCTION])
    assert made.text.count("decide:") == 3


def test_versions_that_others_would_read_as_numbers_are_quoted() -> None:
    """`7` and `1.10` stay what they are in every tool."""
    for version in ("7", "1.10", "1e3", "0x1f"):
        health = Health(Answer.SERVING, "7", version, "0" * 64)
        text = adopt(at(PRODUCTION, health=health), DAY).text
        assert f'production: "{version}"' in text and 'model: "7"' in text


def test_an_app_that_cannot_be_found_is_no_file() -> None:
    """The reason is ARM's."""
    with pytest.raises(DesiredError, match="nobody"):
        adopt(AppFacts("nobody", Doubt("AppNotFound", "no app `nobody`")), DAY)
