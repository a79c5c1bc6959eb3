"""What a swap leaves behind on Azure: stale keys, instances of before, a ping that was refused."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.lab import Lab

OpenLab = Callable[..., Lab]
KEY = b'{"properties": {"name": "default", "value": "users"}}'


@pytest.mark.parametrize("stale", [False, True])
def test_keys_that_differ_are_warned_of_once(open_lab: OpenLab, *, stale: bool) -> None:
    """Users would get 401; no stop, no write; it ends once both slots have one key."""
    lab = open_lab("1.4.0")
    lab.cloud.behaviour.keyed = True
    lab.cloud.world.assumed.use({"slot-name-follows": not stale})
    before = lab.cloud.site.production.keys.function
    lab.release("1.5.0")
    lab.idle()
    host = lab.cloud.host(PRODUCTION)
    assert host
    assert (host.keys.function != before) is stale
    lab.release("1.4.0")
    lab.passes(3)
    assert lab.told.count("VerifyFailed KeyDiffers") == 1
    assert "az functionapp keys set" in lab.row().message
    assert before not in b"".join(event.line() for event in lab.lines).decode()
    for rest in ("", f"/slots/{STAGING}"):
        where = f"{rest}/host/default/functionKeys/default"
        assert lab.cloud.post("person", where, KEY, "PUT") == 201
    lab.release("1.5.0")
    assert (lab.told[-1], lab.row().reason) == ("VerifyPassed KeyDiffers", "")


def test_a_swap_is_closed_once_every_instance_serves_it(open_lab: OpenLab) -> None:
    """While one still answers with the old content, the intent stays open."""
    lab = open_lab("1.4.0")
    lab.cloud.world.assumed.use({"one-instance": False})
    lab.release("1.5.0")
    (flipped,) = lab.seen("swap-flipped")
    (closed,) = (event.time for event in lab.events if event.event == "Converged")
    assert (closed - datetime.fromisoformat(flipped["time"])).total_seconds() >= 30


def test_a_refused_ping_stops_the_swap_and_names_its_causes(open_lab: OpenLab) -> None:
    """A redirect is a wrong status: one ping, 417, and words that lead to a mend."""
    lab = open_lab("1.4.0")
    lab.cloud.world.assumed.use({"ping-ignores-https-only": False})
    for slot in (PRODUCTION, STAGING):
        site = lab.cloud.site
        lab.cloud.world.store.put(site.with_slots(replace(site.slots[slot], https_only=True)))
    lab.want("1.5.0")
    lab.run()
    event = next(event for event in lab.events if event.event == "SwapFailed")
    assert (event.reason, lab.serves()) == ("PingRefused", "1.4.0")
    for cause in ("within 90 s", "httpsOnly=false", "10.* and 100.*"):
        assert cause in event.message
