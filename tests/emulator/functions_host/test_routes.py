"""Route templates, by ASP.NET's rules."""

from typing import Any

import pytest

from emulator.functions_host.errors import HostError
from emulator.functions_host.functions import HttpFunction
from emulator.functions_host.routes import Router

GUID = "0af76519-16cd-43dd-8448-eb211c80319c"


def function(route: str, *methods: str, name: str = "f") -> HttpFunction:
    given: dict[str, Any] = {"name": name, "id": name, "route": route, "level": "anonymous"}
    given |= {"parameter": "req", "output": "$return", "disabled": False}
    return HttpFunction(methods=frozenset(methods), **given)


@pytest.mark.parametrize(
    ("route", "path", "values"),
    [
        ("a/b", "/A/b/", {}),
        ("{a}", "/x", {"a": "x"}),
        ("{a}", "/", None),
        ("{a}", "/x/y", None),
        ("a/{b}/c", "/a/x/c", {"b": "x"}),
        ("{a}-{b}.txt", "/x-y-z.txt", {"a": "x", "b": "y-z"}),
        ("v{a}", "/v2", {"a": "2"}),
        ("v{a}", "/v", None),
        ("a/{b=first}", "/a", {"b": "first"}),
        ("a/{b=first}", "/a/x", {"b": "x"}),
        ("a/{b:int?}", "/a", {}),
        ("a/{b:int?}", "/a/x", None),
        ("{**rest}", "/a/b/", {"rest": "a/b/"}),
        ("a.b", "/aXb", None),
        ("{n:int}", "/-12", {"n": "-12"}),
        ("{n:int}", "/2147483648", None),
        ("{n:long}", "/2147483648", {"n": "2147483648"}),
        ("{n:int}", "/٣", None),
        ("{n:alpha}", "/abC", {"n": "abC"}),
        ("{n:alpha}", "/ab1", None),
        ("{n:bool}", "/True", {"n": "True"}),
        ("{n:bool}", "/1", None),
        ("{n:guid}", f"/{GUID}", {"n": GUID}),
        ("{n:guid}", "/x", None),
        ("{n:double}", "/1.5e3", {"n": "1.5e3"}),
        ("{n:length(2)}", "/ab", {"n": "ab"}),
        ("{n:length(2,3)}", "/abcd", None),
        ("{n:minlength(2)}", "/a", None),
        ("{n:maxlength(2)}", "/abc", None),
        ("{n:int:min(3)}", "/2", None),
        ("{n:max(3)}", "/4", None),
        ("{n:range(1,9)}", "/9", {"n": "9"}),
        ("{n:range(1,9)}", "/x", None),
    ],
)
def test_a_template_fits_or_not(route: str, path: str, values: dict[str, str] | None) -> None:
    """A path fits its template with the values of its parameters, or not at all."""
    found = Router([function(route)], "").find("GET", path)
    assert (found[1] if found else None) == values


def test_the_more_exact_template_wins_whatever_came_first() -> None:
    """Literal, then mixed, constrained, plain and last catch-all."""
    routes = ["{*all}", "{plain}", "{number:int}", "v{mixed}", "literal"]
    router = Router([function(route, name=route) for route in routes], "")
    for path, route in zip(("/x/y", "/x", "/12", "/v1", "/literal"), routes, strict=True):
        found = router.find("GET", path)
        assert found is not None
        assert found[0].name == route


def test_methods_share_a_route() -> None:
    """Two functions may have one route for different methods."""
    router = Router([function("a", "GET", name="get"), function("a", "PUT", name="put")], "api")
    for method in ("GET", "PUT"):
        found = router.find(method, "/api/a")
        assert found is not None
        assert found[0].name == method.lower()
    assert router.find("POST", "/api/a") is None


@pytest.mark.parametrize(
    "routes",
    [
        *(["a", "A"], ["a/{b}", "a/{c}"], ["{a:int}", "{b:int}"], ["admin"], ["runtime/x"]),
        *(["a/{b"], ["a/b}"], ["a/{b?}/c"], ["a/{*b}/c"], ["{a}/{A}"], ["{a:int(}"]),
        *(["{a:min(x)}"], ["{a:nosuch}"], ["{}"]),
    ],
)
def test_what_cannot_be_served_is_refused(routes: list[str]) -> None:
    """A route that conflicts or cannot be read is refused by its function's name."""
    with pytest.raises(HostError, match="function 'f"):
        Router([function(route, name=f"f{n}") for n, route in enumerate(routes)], "")
