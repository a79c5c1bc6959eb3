"""The agenda: when each app is due, what is taken, and who waits for whom. All times are given."""

from datetime import UTC, datetime, timedelta

import pytest

from gitslot.agenda import Agenda, again_s, unread_s
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


def test_a_timer_takes_what_is_due_before_the_next_one_but_for_what_comes_later() -> None:
    """It fires once a minute; a look may come half a minute early, and is then not late."""
    made = agenda()
    for name, began in (("soon", 10.0), ("later", 40.0)):
        made.keep([*made.entries, name], began)
        assert run(made, Converged(), began) == name
    made.advance(60.0)
    assert [made.take(60.0), made.take(60.0)] == ["soon", None]


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
    names = [f"app-{n:02}" for n in range(20)]
    made = agenda(*names, threads=POLICY.threads)
    running: list[tuple[float, str]] = []
    now, late = 0.0, 0.0
    while now < 3600.0:
        while (name := made.take(now)) is not None:
            late = max(late, now - made.entries[name].due if name != names[0] else 0.0)
            running.append((now + (83.0 if name == names[0] else 0.2), name))
        ends = min((at for at, _ in running), default=now + 60.0)
        now = min(ends, now + (made.next_s(now) or 60.0))
        for at, name in [each for each in running if each[0] <= now]:
            running.remove((at, name))
            made.end(name, Converged(), now, NOW, hangs=name == names[0])
    assert late <= 1.0


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
