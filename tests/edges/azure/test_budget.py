"""What ARM still takes is counted here, so that it need not refuse."""

from collections.abc import Callable
from typing import Any

import pytest

from gitslot.edges.azure.budget import SIZES, Budget

SITE = "https://arm.example/subscriptions/S/resourceGroups/g/providers/Microsoft.Web/sites/app"
LIST, PUT = f"{SITE}/config/appsettings/list?v", f"{SITE}/slots/staging/config/appsettings?v"
LEFT = "x-ms-ratelimit-remaining-subscription-"
CALLS = {  # the call, and its bucket
    "get": ("GET", f"{SITE}?v", "reads"),
    "list": ("POST", LIST, "resource-requests"),
}


def taken(budget: Budget, method: str, url: str) -> int:
    """Return how many calls go out at one moment."""
    return next(n for n in range(2_000) if budget.wait_s(method, url) > 0)


@pytest.mark.parametrize(("method", "url", "kind"), CALLS.values(), ids=CALLS)
def test_a_bucket_is_used_up_and_fills_again(method: str, url: str, kind: str) -> None:
    """Of each subscription by itself; a write is counted and never held back."""
    now, (size, back) = [1000.0], SIZES[kind]
    budget = Budget(lambda: now[0])
    assert taken(budget, method, url) == size
    assert budget.wait_s(method, url) == pytest.approx(1 / back)
    assert budget.wait_s(method, url.replace("/S/", "/other/")) == 0
    assert budget.wait_s("PUT", PUT) == 0
    now[0] += 11 / back
    assert taken(budget, method, url) == 11 - (kind == "resource-requests")


def spend(calls: int) -> Callable[[Budget], object]:
    """Return what sends so many calls about settings."""
    return lambda budget: [budget.wait_s("POST", LIST) for _ in range(calls)]


def told(status: int, **headers: str) -> Callable[[Budget], None]:
    """Return what hears such an answer to a GET."""
    named: dict[str, Any] = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda budget: budget.note("GET", SITE, status, named)


@pytest.mark.parametrize(
    ("happens", "spare_s", "wait_s"),
    [
        (spend(399), 0.0, 0.0),
        (spend(409), 45.0, 0.0),  # ten over the half, at 800 an hour
        (told(200, **{f"{LEFT}reads": "100"}), 26 / 25, 0.0),  # another process took the rest
        (told(200, **{f"{LEFT}reads": "11999"}), 0.0, 0.0),
        (told(200, **{f"{LEFT}reads": "many"}), 0.0, 0.0),
        (told(200, **{f"{LEFT}reads": "\u00b2"}), 0.0, 0.0),  # a digit, and no number
        (told(429), 35.04, 30.04),
        (told(429, Retry_After="60"), 65.04, 60.04),
        (told(429, Retry_After="86400"), 305.04, 300.04),
    ],
)
def test_answers_and_other_calls_leave_less(
    happens: Callable[[Budget], object], spare_s: float, wait_s: float
) -> None:
    """Half of each bucket is for writes; after a 429 no app's reads go out before it is over."""
    budget = Budget(lambda: 7.0)
    happens(budget)
    assert budget.spare_s("s") == pytest.approx(spare_s)
    assert budget.wait_s("GET", f"{SITE}-of-another") == pytest.approx(wait_s)
