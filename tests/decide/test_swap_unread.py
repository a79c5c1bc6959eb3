"""An open intent whose looks fail: it stops by name, stays open, and is judged once it can be."""

from collections.abc import Callable

from reliability.lab import LOOK, Lab, why

READS = ("site-get", "slot-get", "slotconfignames-get", "appsettings-list", "operationresults")
OLD, NEW = "1.4.0", "1.5.0"


def blind(lab: Lab) -> None:
    """Let the controller read nothing from now on."""
    for name in READS:
        lab.fault(name, status=403, code="AuthorizationFailed", times=None)
    for slot in ("production", "staging"):
        lab.silence(slot)


def unread(lab: Lab) -> Lab:
    """Send a swap, and let the controller read nothing from then on."""
    lab.before("arm.operationresults", lambda: blind(lab))
    lab.want(NEW)
    lab.run()
    assert lab.posts == 1
    return lab


def test_it_is_looked_at_ever_more_seldom_and_stops_by_name(
    open_lab: Callable[..., Lab],
) -> None:
    """At the swap's deadline; by then it is one look in five minutes."""
    lab = unread(open_lab(OLD, "1.3.0"))
    stop = lab.passes(45)
    assert why(stop) == "Stalled SwapUnread"
    assert lab.told[-1] == "Stalled SwapUnread"
    assert lab.calls("health.production") < 100
    assert lab.posts == 1


def test_the_swap_is_judged_once_the_slots_can_be_read(open_lab: Callable[..., Lab]) -> None:
    """By production's own health, however long that took."""
    lab = unread(open_lab(OLD, "1.3.0"))
    lab.passes(45)
    lab.mend()
    assert why(lab.settle()) == "Converged"
    assert (lab.serves(), lab.posts) == (NEW, 1)


def test_time_in_which_nothing_could_be_read_proves_nothing(open_lab: Callable[..., Lab]) -> None:
    """Markers count as resting anew from the first look that shows them again."""
    lab = open_lab(OLD, "1.3.0")
    lab.want(NEW)
    lab.before("arm.slotsswap", lambda: lab.silence("production"))
    lab.before("sleep", lambda: lab.cloud.at(30.0, lambda: blind(lab)), lambda: lab.swaps > 0)
    lab.run()
    lab.passes(15)
    assert (lab.swaps, lab.names[-1]) == (1, "SwapStarted")
    lab.mend()
    lab.silence("production")
    began = lab.seconds
    while "SwapFinished Switched" not in lab.told:
        lab.wait(1.0)
        lab.run()
    assert lab.seconds - began >= LOOK.settle_s


def test_a_swap_that_never_began_is_given_up_only_once_that_was_seen(
    open_lab: Callable[..., Lab],
) -> None:
    """Its deadline is long over, but nobody has seen the markers unmoved meanwhile."""
    lab = open_lab(OLD, "1.3.0")
    lab.fault("slotsswap", status=503)
    lab.before("arm.slotsswap", lambda: lab.cloud.at(5.0, lambda: blind(lab)))
    lab.want(NEW)
    lab.run()
    assert why(lab.passes(45)) == "Stalled SwapUnread"
    lab.mend()
    began = lab.seconds
    while "SwapFailed NotBegun" not in lab.told:
        lab.wait(30.0)
        lab.run()
    assert lab.seconds - began >= LOOK.busy_wait_s
    assert (why(lab.settle()), lab.swaps, lab.posts) == ("Converged", 1, 2)
