"""Settings that Azure keeps per slot without marking them: neither copied nor compared."""

from collections.abc import Callable

from gitslot.state.slot_settings import CONTENT_SHARE, HOST_ID, SLOT_OWNED
from gitslot.state.wanted import PRODUCTION, STAGING
from reliability.lab import Lab, why

ODD = {name.lower() if name == HOST_ID else name for name in SLOT_OWNED}


def test_each_slot_keeps_what_it_owns(open_lab: Callable[..., Lab]) -> None:
    """
    Two releases: one deploy each, nobody's value is in both slots, and nothing is drift. A slot
    that has production's share stops the app by name, before any write, until it is mended.
    """
    lab = open_lab("1.4.0")
    for slot in (PRODUCTION, STAGING):
        lab.change(slot, **dict.fromkeys(ODD, slot))
    for version in ("1.5.0", "1.6.0"):
        lab.release(version)
        here, there = lab.settings(), lab.settings(STAGING)
        assert all({here[name], there[name]} == {PRODUCTION, STAGING} for name in ODD)
    assert (lab.serves(), lab.deploys, lab.posts) == ("1.6.0", [STAGING, STAGING], 2)
    lab.create("canary")
    for slot, share in ((PRODUCTION, "one"), (STAGING, "one"), ("canary", "two")):
        lab.change(slot, **{CONTENT_SHARE: share})
    lab.forget()
    lab.want("1.7.0", slots="  canary: 1.5.0\n")
    assert why(lab.run()) == "Stalled ContentShared"
    assert (lab.deploys, lab.posts) == ([], 0)
    lab.change(STAGING, **{CONTENT_SHARE: "two"})  # the swap moves it to production
    assert why(lab.run()) == "Stalled ContentShared"
    assert (lab.serves(), lab.serves("canary"), lab.deploys) == ("1.7.0", "1.6.0", [STAGING])
