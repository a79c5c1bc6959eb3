"""ARM refuses who has no role; the controller's role is enough for it, and no larger."""

from dataclasses import replace
from typing import Any

import pytest

from emulator.arm.routes import find
from emulator.login.rights import BUILT_IN, CONTRIBUTOR, OWNER, READER, Assignment, Rights, Role
from gitslot.errors import NotFound
from gitslot.state.decision import Converged
from reliability.cloud import ROLE
from reliability.scenarios import Scene, bump, first_install, settled, want

SITE = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/app"


@pytest.mark.parametrize(
    ("method", "path", "action", "scope"),
    [
        ("GET", SITE, "Microsoft.Web/sites/read", SITE),
        ("PUT", f"{SITE}/slots/b", "Microsoft.Web/sites/slots/write", f"{SITE}/slots/b"),
        ("POST", f"{SITE}/config/appsettings/list", "Microsoft.Web/sites/config/list/action", SITE),
        ("PUT", f"{SITE}/config/appsettings", "Microsoft.Web/sites/config/write", SITE),
        ("GET", f"{SITE}/config/slotConfigNames", "Microsoft.Web/sites/config/read", SITE),
        ("POST", f"{SITE}/slotsswap", "Microsoft.Web/sites/slotsswap/action", SITE),
        ("DELETE", SITE, "Microsoft.Web/sites/delete", SITE),
    ],
)
def test_a_call_needs_the_action_that_its_path_names(
    method: str, path: str, action: str, scope: str
) -> None:
    """As `az provider operation show` lists them; the scope ends with the resource."""
    found = find(method, path)
    assert found is not None
    assert (found[0].action, found[1]["scope"]) == (action, scope)


def test_roles_are_patterns_that_hold_below_their_scope() -> None:
    """`*` stands for any text, an exception takes away, case does not count, and time passes."""
    rights = Rights(delay_s=60.0)
    rights.assignments["a"] = Assignment("a", "me", CONTRIBUTOR, "/subscriptions/s", created=0.0)
    wanted = "microsoft.web/SITES/read"
    assert not rights.allow("me", wanted, SITE, now=59.0)
    assert rights.allow("me", wanted, SITE, now=60.0)
    assert not rights.allow("me", "Microsoft.Authorization/roleAssignments/write", SITE, now=60.0)
    assert not rights.allow("you", wanted, SITE, now=60.0)
    assert not rights.allow("me", wanted, "/subscriptions/other", now=60.0)
    assert BUILT_IN[OWNER].allows("Microsoft.Authorization/roleAssignments/write")


def test_a_role_on_one_app_is_listed_or_not() -> None:
    """A controller finds its app by a role there alone; where lists need more, it says so."""
    scene = settled()
    azure: Any = scene.controller.start().azure
    world = scene.cloud.world
    site = SITE.replace("/subscriptions/s/resourceGroups/g", world.scope)
    world.store.rights.assignments["controller"] = replace(
        world.store.rights.assignments["controller"], scope=site
    )
    assert azure.locate("app", None, None).name == "app"
    world.assumed.use({"listed-by-role": False})
    with pytest.raises(NotFound, match="no function app `app` is visible"):
        azure.locate("app", None, None)


def released_and_back(role: Role) -> str:
    """Play a release, a revert and a reset with *role*; return what was not as it should be."""
    for begin in (bump, first_install, half_prepared):
        scene = begin()
        scene.cloud.behaviour.keyed = True
        rights = scene.cloud.world.store.rights
        rights.roles[ROLE.id] = role
        stop = scene.controller.settle(passes=40)
        if not isinstance(stop, Converged) or scene.cloud.serves() != scene.wants:
            return f"{begin.__name__}: {stop}"
        if begin is half_prepared and "PingRefused" not in scene.reasons():
            return "the failure of the swap was not read"
    return ""


def half_prepared() -> Scene:
    """A swap of ours fails, and leaves the slots prepared: they are reset."""
    scene = want(settled(), "1.5.0")
    scene.cloud.plant("swap-ping")
    return scene


def test_the_role_is_enough() -> None:
    """A release, a first install and a reset work with infra/role.json alone."""
    assert released_and_back(ROLE) == ""


@pytest.mark.parametrize("action", ROLE.actions)
def test_the_role_is_no_larger(action: str) -> None:
    """Without any one of its actions something of that does not work."""
    less = replace(ROLE, actions=tuple(each for each in ROLE.actions if each != action))
    assert released_and_back(less)


@pytest.mark.parametrize("blobs", ["", "models", "code", "gitslot"])
def test_each_role_on_blobs_is_needed(blobs: str) -> None:
    """The controller that may not read models or code, or only read its journal, releases none."""
    scene = want(settled(), "1.5.0", code="c2")
    rights, held = scene.cloud.world.store.rights, f"{scene.controller.name} {blobs}"
    if blobs == "gitslot":
        rights.assignments[held] = replace(rights.assignments[held], role=READER)
    elif blobs:
        del rights.assignments[held]
    assert isinstance(scene.controller.settle(passes=9), Converged) == (not blobs)
