"""How long Azure takes, as data: seconds, each number with its source."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Latency:
    """Waits in seconds; a real process that takes longer than its wait still gets the time."""

    name: str
    call_s: float  # every ARM call, before its effect
    restart_s: float  # from a settings change or restart until the new process takes over
    swap_flip_s: float  # from the POST until production's content has changed
    swap_end_s: float  # from the POST until the operation answers 200
    retry_after_s: int  # in the header of an operation that runs
    # per warm-up request; learn.microsoft.com/azure/app-service/deploy-staging-slots
    ping_timeout_s: float = 90.0
    ping_pause_s: float = 1.0  # between warm-up requests: assumption
    deploy_s: float = 0.0  # from a package's arrival at Kudu until its files are the content
    start_limit_s: float = 230.0  # WEBSITES_CONTAINER_START_TIME_LIMIT, default on Linux


# The SDK's poller sleeps its default of 30 s if Retry-After is 0 or missing, which Azure never
# sends. So even the profile without waits has 1.
ZERO = Latency(
    "zero", 0.0, 0.0, 0.0, 0.0, 1, ping_timeout_s=20.0, ping_pause_s=0.05, start_limit_s=60.0
)

# swap_*: test_functionapp_slot_swap as recorded in Azure/azure-cli (2025-01, Windows S1): POST
# 17:39:23, slotSwapStatus 17:40:29.6, 200 at 17:40:42. retry_after_s: azure-pipelines-tasks#13003
# polls each 15 s. call_s: assumption, of the order that ARM calls take. restart_s: assumption; 30.5
# s is a third party's cold start of a Python app on Flex Consumption
# (yeongseon/azure-functions-practical-guide), and nothing is published for a settings change on
# Elastic Premium.
# deploy_s: received to end in what az printed of a zip deployment to a function app
# (Azure-Samples, 2020-07: 13.6 s).
RECORDED = Latency("recorded", 0.3, 30.0, 66.0, 79.0, 15, deploy_s=13.6)
# The quickest flip on record: test_webapp_slot_swap in Azure/azure-cli (2025-07).
QUICK = replace(RECORDED, name="quick", swap_flip_s=44.0, swap_end_s=57.0)

FACTOR = 40  # a swap in 2 s
FASTER = ("call_s", "restart_s", "swap_flip_s", "swap_end_s", "deploy_s")
FAST = replace(ZERO, name="fast", **{name: getattr(RECORDED, name) / FACTOR for name in FASTER})

PROFILES = {profile.name: profile for profile in (ZERO, RECORDED, QUICK, FAST)}


def parse(given: Any, current: Latency) -> Latency:
    """
    Return the profile that *given* names, or *current*, with the numbers that *given* replaces.

    Raises ValueError that names what is wrong.
    """
    if isinstance(given, str):
        given = {"name": given}
    if not isinstance(given, Mapping):
        raise ValueError("latency is a profile's name or an object")
    name = given.get("name", current.name)
    base = PROFILES.get(str(name), current)
    known = {field.name: field.type for field in fields(Latency)}
    for key, value in given.items():
        if key not in known:
            raise ValueError(f"no such wait: {key}; there are {', '.join(known)}")
        if key != "name" and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{key} is not a number")
        if key != "name" and value < 0:
            raise ValueError(f"{key} is negative")
    if "retry_after_s" in given:
        given = {**given, "retry_after_s": int(given["retry_after_s"])}
    if len(given) == 1 and "name" in given and name not in PROFILES:
        raise ValueError(f"no such profile: {name}; there are {', '.join(PROFILES)}")
    return replace(base, **given)
