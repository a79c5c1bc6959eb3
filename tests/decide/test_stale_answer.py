"""A process of before a swap may still answer."""

from dataclasses import replace

from gitslot.decide.decide import decide
from gitslot.state.decision import Converged
from gitslot.state.policy import Policy
from tests.report.looks import NOW, app, live, memory


def test_production_that_is_set_to_another_release_is_not_in_sync() -> None:
    """Health alone shows the wanted release; ARM, read in the same look, shows that it is old."""
    look, remembered = live("1.5.0", "1.4.0", "1.4.0"), memory("1.5.0", "1.4.0")
    answered = look.having(replace(look.production, health=look.staging.health))
    assert answered.production.health.release == look.staging.health.release
    decision = decide(app("1.4.0"), answered, remembered, NOW, Policy())
    assert not isinstance(decision, Converged)
    unread = answered.having(replace(answered.production, arm=None))
    assert isinstance(decide(app("1.4.0"), unread, remembered, NOW, Policy()), Converged)
