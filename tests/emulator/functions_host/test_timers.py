"""When timers fire, what they are told, and what stops them."""

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.emulator.functions_host.conftest import MASTER, StartHost

TELLING = """
import json, logging

@app.timer_trigger(schedule="{schedule}", arg_name="timer", run_on_startup={startup})
async def tick(timer: func.TimerRequest) -> None:
    logging.info("told %s", json.dumps(
        {{"past_due": timer.past_due, "status": timer.schedule_status,
          "schedule": timer.schedule}}))
"""
TOLD = r"Function\.tick\.User [0-9a-f-]{36} told (.*)"
FAR = "0 0 3 1 1 *"  # once a year


def timer(schedule: str, *, startup: bool = False) -> str:
    return TELLING.format(schedule=schedule, startup=startup)


def test_a_timer_fires_on_its_schedule(start_host: StartHost) -> None:
    """A six-field schedule fires at its seconds, taken from a setting, again and again."""
    host = start_host(timer("%TICK%"), settings={"TICK": "*/1 * * * * *"})
    told = json.loads(host.wait_for(TOLD, count=3)[1])
    assert told == {"past_due": False, "status": {}, "schedule": {"AdjustForDST": True}}
    fired = re.findall(r"Timer fired at (\S+)\.\d+\+00:00'", host.log())
    assert len(set(fired)) == len(fired), "a second fires once"


def test_a_time_span_fires_too(start_host: StartHost) -> None:
    """A schedule may be a time span, as on App Service plans."""
    host = start_host(timer("00:00:01"))
    host.wait_for(TOLD, count=2)


def test_run_on_startup_fires_at_once(start_host: StartHost) -> None:
    """A timer marked so fires at every start, and is told when it fires next."""
    host = start_host(timer(FAR, startup=True))
    told = json.loads(host.wait_for(TOLD)[1])
    assert told["past_due"] is False
    assert told["status"]["Last"] == "0001-01-01T00:00:00+00:00"
    assert told["status"]["Next"].endswith("-01-01T03:00:00+00:00")


def test_a_timer_never_overlaps_itself(start_host: StartHost) -> None:
    """A run that outlasts its next times is followed by one immediate run, not by many."""
    host = start_host(
        """
        import logging, time
        runs = []

        @app.timer_trigger(schedule="*/2 * * * * *", arg_name="timer")
        def tick(timer: func.TimerRequest) -> None:
            runs.append(1)
            logging.info("begin %s", time.time())
            if len(runs) == 1:
                time.sleep(2.5)
            logging.info("end %s", time.time())
        """
    )
    host.wait_for(r"end [\d.]+", count=3)
    lines = [line for line in host.log().splitlines() if ".User" in line]
    steps = [line.split()[-2] for line in lines[:6]]
    assert steps == ["begin", "end"] * 3
    times = [float(line.split()[-1]) for line in lines[:6]]
    assert times[2] - times[1] < 1.2, "the overdue run follows at once"
    assert times[4] - times[3] > 0.2, "the missed times in between are not made up for"


def test_an_exception_does_not_stop_a_schedule(start_host: StartHost) -> None:
    """A run that fails is logged with its id, and the next one comes."""
    host = start_host(
        """
        @app.timer_trigger(schedule="*/1 * * * * *", arg_name="timer")
        async def tick(timer: func.TimerRequest) -> None:
            raise RuntimeError("not now")
        """
    )
    host.wait_for(r"Error Function\.tick [0-9a-f-]{36} Executed .*\(Failed, .*\n  RuntimeError", 2)


def test_an_overdue_timer_fires_once_at_start(start_host: StartHost) -> None:
    """A time missed while the host was down is made up for by one run that is told so."""
    host = start_host(timer("0 */5 * * * *"))
    host.wait_for("next runs")
    kept = host.timers / "tick.json"
    assert host.stop() == 0
    last = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    kept.write_text(json.dumps(status(last, last + timedelta(minutes=5))))

    again = start_host(timer("0 */5 * * * *"))
    told = json.loads(again.wait_for(TOLD)[1])
    assert told["past_due"] is True
    assert told["status"]["Last"] == last.isoformat()
    again.wait_for(r"Executed 'Functions\.tick' \(Succeeded")
    again.stop()
    assert datetime.fromisoformat(json.loads(kept.read_text())["Next"]) > datetime.now(UTC)


def test_a_changed_schedule_is_not_overdue(start_host: StartHost) -> None:
    """What was kept of another schedule counts for nothing."""
    first = start_host(timer(FAR))
    first.wait_for("next runs")
    first.stop()
    last = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    kept = first.timers / "tick.json"
    kept.write_text(json.dumps(status(last, last + timedelta(minutes=7))))
    again = start_host(timer(FAR))
    again.wait_for("next runs")
    again.stop()
    assert "told" not in again.log()


def test_a_disabled_timer_never_fires(start_host: StartHost) -> None:
    """A setting keeps a timer from firing, on startup too; others go on."""
    source = timer("*/1 * * * * *", startup=True)
    other = source.replace("tick", "tock").replace("told", "heard")
    host = start_host(source + other, settings={"AzureWebJobs.tick.Disabled": "true"})
    host.wait_for("heard", count=3)
    assert "told" not in host.log()


def test_a_timer_can_be_fired_by_hand(start_host: StartHost) -> None:
    """The holder of the master key calls a timer's function beside its schedule."""
    host = start_host(timer(FAR))
    assert host.call("POST", "/admin/functions/tick").status_code == 401
    keyed = {"x-functions-key": MASTER}
    assert host.call("POST", "/admin/functions/tick", headers=keyed, json={}).status_code == 202
    assert host.call("POST", "/admin/functions/none", headers=keyed, json={}).status_code == 404
    host.wait_for(TOLD)


def test_a_stop_waits_for_a_run(start_host: StartHost) -> None:
    """A timer's run that is under way when the host is told to stop comes to its end."""
    host = start_host(
        """
        import asyncio, logging

        @app.timer_trigger(schedule="0 0 3 1 1 *", arg_name="timer", run_on_startup=True)
        async def tick(timer: func.TimerRequest) -> None:
            logging.info("begun")
            await asyncio.sleep(1)
            logging.info("done")
        """
    )
    host.wait_for("begun")
    assert host.stop() == 0
    assert "done" in host.log()


def status(last: datetime, following: datetime) -> dict[str, Any]:
    moments = {"Last": last, "Next": following, "LastUpdated": last}
    return {name: moment.isoformat() for name, moment in moments.items()}
