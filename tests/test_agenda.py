"""The agenda: when each app is due, what is taken, and who waits for whom. All times are given."""

import math
import statistics
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from gitslot.agenda import Agenda, Entry, again_s, unread_s
from gitslot.state.decision import Converged, Stalled, Stop, Waiting
from gitslot.state.policy import Policy
from gitslot.state.reasons import Wait, retry

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
POLICY = Policy()
STALLED = Stalled("UnknownVersion", {"message": "no such version"}, retry())
RUNS = Waiting("SwapRunning", {}, Wait(), poll_s=1.0)


def holds(seconds: float) -> Waiting:
    """Return a stop that ends by itself in so many seconds."""
    return Waiting("ForeignSwap", {"message": "held"}, Wait(NOW + timedelta(seconds=seconds)))


@pytest.mark.parametrize(
    ("stop", "stopped_s", "again"),
    [
        *((RUNS, 0.0, 1.0), (RUNS, 7200.0, 1.0), (Converged(), 0.0, 60.0)),
        *((STALLED, 0.0, 60.0), (STALLED, 3599.0, 60.0), (STALLED, 3600.0, 300.0)),
        *((holds(20), 0.0, 20.0), (holds(600), 0.0, 60.0), (holds(-5), 0.0, 1.0)),
    ],
)
def test_a_stop_says_when_its_app_is_due_again(stop: Stop, stopped_s: float, again: float) -> None:
    """A step under way at its poll time; a minute, and five after an hour; a hold when it ends."""
    assert again_s(stop, stopped_s, NOW, POLICY) == again


@pytest.mark.parametrize(("apps", "most"), [(1, 1), (50, 50), (400, 220)])
def test_settings_of_many_apps_are_read_little_by_little(apps: int, most: int) -> None:
    """Up to 50 apps right after a start; of more, no hour has more than half of ARM's 800 calls."""
    found = [unread_s(f"app-{number}", apps, POLICY) for number in range(apps)]
    for first, again_after in found:
        assert sum(0 <= other - first < 3600 for other, _ in found) <= most
        assert again_after == max(3600, apps * 18)


def agenda(*names: str, threads: int = 4) -> Agenda:
    made = Agenda(POLICY, threads)
    made.keep(names, 0.0)
    return made


def run(made: Agenda, stop: Stop, now: float, took_s: float = 0.1, **how: float) -> str | None:
    """Run one pass that is due at *now*; return whose."""
    name = made.take(now)
    if name:
        made.end(name, stop, now + took_s, NOW, **how)  # type: ignore[arg-type]  # hangs
    return name


def hour(
    made: Agenda, took_s: float = 0.2, news_s: float = math.inf, hangs: str = ""
) -> dict[str, list[float]]:
    """Return when each app was looked at in an hour; all are recalled each *news_s*."""
    now, fired, news = 0.0, 0.0, news_s
    running: list[tuple[float, str]] = []
    begun: dict[str, list[float]] = {name: [] for name in made.entries}
    while now < 3600.0:
        if now >= fired:
            made.advance(now)
            fired += 10.0
        if now >= news:
            made.recall(made.entries, now)
            news += news_s
        while (name := made.take(now)) is not None:
            begun[name].append(now)
            running.append((now + (83.0 if name == hangs else took_s), name))
        assert len(running) <= made.threads
        now = min([fired, news, *(at for at, _ in running), now + (made.next_s(now) or 1.0)])
        for each in [each for each in running if each[0] <= now]:
            running.remove(each)
            made.end(each[1], Converged(), now, NOW, hangs=each[1] == hangs)
    return begun


def test_an_app_is_due_a_minute_after_its_last_pass_began() -> None:
    """However long that took."""
    made = agenda("a")
    assert run(made, Converged(), 0.0, took_s=7.0) == "a"
    assert made.take(59.9) is None
    assert made.next_s(59.0) == pytest.approx(1.0)
    assert made.take(60.0) == "a"


def test_who_is_due_for_longest_comes_first_and_no_app_twice_at_once() -> None:
    """A pass that runs keeps no other app from being taken."""
    made = agenda("a", "b")
    run(made, RUNS, 0.0)
    run(made, Converged(), 0.0)
    made.recall(["b"], 0.5)
    assert [made.take(2.0), made.take(2.0), made.take(2.0)] == ["b", "a", None]


def test_what_is_recalled_while_its_pass_runs_is_due_when_that_ends() -> None:
    """News that came after its look is not missed."""
    made = agenda("a")
    made.take(0.0)
    made.recall(["a"], 5.0)
    assert made.take(6.0) is None
    made.end("a", Converged(), 9.0, NOW)
    assert made.take(9.0) == "a"


def test_after_an_hour_at_a_stop_it_is_every_five_minutes_until_there_is_news() -> None:
    """A new commit, a retry or a push begins the hour anew."""
    made, now, looks = agenda("a"), 0.0, []
    while now < 3 * 3600:
        if run(made, STALLED, now):
            looks.append(now)
        now += made.next_s(now) or 1.0
    assert sum(at < 3600 for at in looks) == 60
    assert sum(3600 <= at < 7200 for at in looks) in (12, 13)
    made.recall(["a"], now)
    run(made, STALLED, now)
    assert made.next_s(now) == pytest.approx(60.0)


@pytest.mark.parametrize(("every_s", "soon", "later"), [(60.0, 10.0, 40.0), (10.0, 4.0, 6.0)])
def test_a_timer_takes_what_is_due_before_the_next_one_but_for_what_comes_later(
    every_s: float, soon: float, later: float
) -> None:
    """A look may come early by half the time between two calls, and is then not late."""
    made = agenda()
    made.advance(60.0 - every_s)
    for name, began in (("soon", soon), ("later", later)):
        made.keep([*made.entries, name], began)
        assert run(made, Converged(), began) == name
    made.advance(60.0)
    assert [made.take(60.0), made.take(60.0)] == ["soon", None]


class Counted(Entry):
    """An entry that counts what is asked of any."""

    asked_of = 0

    def __getattribute__(self, name: str) -> object:
        Counted.asked_of += 1
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("apps", "took_s", "news_s", "rest_s"),
    [
        *((40, 0.2, math.inf, 60.0), (200, 0.8, math.inf, 60.0)),
        *((200, 8.0, math.inf, 300.0), (40, 0.2, 25.0, 25.0)),
    ],
)
def test_no_app_starves_and_a_large_fleet_leaves_two_thirds_of_the_time(
    apps: int, took_s: float, news_s: float, rest_s: float
) -> None:
    """Each minute; where a pass over all takes long, three times that; and whenever news come."""
    made = agenda(*(f"app-{n:03}" for n in range(apps)), threads=16)
    for begun in hour(made, took_s, news_s).values():
        gaps = [later - sooner for sooner, later in pairwise(begun)]
        assert 0.85 * rest_s <= statistics.median(gaps) <= 1.2 * rest_s
        assert max(gaps) <= 1.2 * rest_s + apps * took_s / 16


def test_the_operations_of_a_pass_over_all_apps_grow_with_their_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who is due is not looked for among all of them."""
    monkeypatch.setattr("gitslot.agenda.Entry", Counted)
    counted = {}
    for apps in (100, 1000):
        made = agenda(*(f"app-{n:04}" for n in range(apps)), threads=16)
        Counted.asked_of = 0
        while (name := made.take(0.0)) is not None:
            assert made.is_at_work(0.0)
            made.end(name, Converged(), 0.0, NOW)
            made.next_s(0.0)
        assert all(each.due == 60.0 for each in made.entries.values())
        counted[apps] = Counted.asked_of
    assert counted[1000] <= 10.5 * counted[100]


def test_apps_at_a_stop_are_asked_for_news_by_turns() -> None:
    """Of very many, fifty in each survey; none is left out."""
    names = [f"app-{n:03}" for n in range(120)]
    made = agenda(*names)
    for _ in names:
        run(made, STALLED, 0.0)
    asked = [made.at_a_stop() for _ in range(3)]
    assert [len(each) for each in asked] == [50] * 3
    assert {name for each in asked for name in each} == set(names)


def test_hanging_apps_get_half_of_the_threads() -> None:
    """Those whose last look timed out, and those whose pass has run for as long."""
    made = agenda(*"abcdefgh")
    for _ in range(3):
        run(made, Converged(), 0.0, hangs=True)
    made.take(1.0)  # "d", which has not ended 20 s later
    for _ in range(4):
        run(made, Converged(), 1.0)
    made.recall("abc", 20.0)
    assert [made.take(20.0), made.take(20.0)] == ["a", None]
    made.recall("efgh", 20.0)
    assert [made.take(20.0), made.take(20.0), made.take(20.0)] == ["e", "f", None]


def test_one_hanging_app_of_twenty_delays_no_other() -> None:
    """Each other one is looked at within a second of its time, through an hour."""
    made = agenda("hangs", *(f"app-{n:02}" for n in range(19)), threads=POLICY.threads)
    begun = hour(made, hangs="hangs")
    del begun["hangs"]
    assert all(b - a <= 61.0 for each in begun.values() for a, b in pairwise(each))


def test_a_round_goes_on_while_a_step_soon_ends_and_rests_when_all_have_stopped() -> None:
    """A stop that ends by itself in a while keeps no round going."""
    made = agenda("a")
    assert made.is_at_work(0.0)
    made.take(0.0)
    assert made.is_at_work(0.0)
    made.end("a", RUNS, 0.1, NOW)
    assert made.is_at_work(0.2)
    for stop in (Converged(), STALLED, holds(20)):
        made.recall(["a"], 10.0)
        run(made, stop, 10.0)
        assert not made.is_at_work(10.2)


def test_an_app_that_left_is_taken_off_once_its_pass_has_ended() -> None:
    """And one that came is due at once."""
    made = agenda("gone", "runs")
    assert made.take(0.0) == "gone"
    made.keep(["new"], 1.0)
    assert list(made.entries) == ["gone", "new"]
    made.end("gone", Converged(), 2.0, NOW)
    made.keep(["new"], 2.0)
    assert list(made.entries) == ["new"]
    assert made.take(2.0) == "new"
