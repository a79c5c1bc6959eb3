"""
What `gitslot doctor` and `gitslot adopt` check, from cheap to dear. Pure: facts in, findings out.

`facts` has the values, `ground` the checks of what all apps share, `site`, `wiring` and `serving`
those of one app. Nothing here asks anybody anything.
"""

from gitslot.report.doctor import ground, serving, site, wiring
from gitslot.report.doctor.facts import AppFacts, Finding, Grade, Ground, examine

OF_GROUND = ground.CHECKS
OF_APP = (*site.CHECKS, *wiring.CHECKS, *serving.CHECKS)
_OF_CONTROLLER = (site.running, site.identity, site.package)
_WITHOUT_ARM = ("app", "allowed", "journal", "versions")


def of_ground(facts: Ground) -> tuple[Finding, ...]:
    """Return what the checks of the common ground find."""
    return examine(OF_GROUND, facts)


def of_controller(facts: AppFacts) -> tuple[Finding, ...]:
    """Return what is found of the controller's own app: whether it can start and name itself."""
    mine = [each for each in OF_APP if each.look in _OF_CONTROLLER]
    return examine(mine, facts, facts.name)


def of_app(facts: AppFacts) -> tuple[Finding, ...]:
    """Return what the checks of one app find; most are not known where ARM shows no app."""
    found = examine(OF_APP, facts, facts.name)
    if facts.there:
        return found
    unread = "the app could not be read"
    return tuple(
        each if each.check in _WITHOUT_ARM else Finding(each.check, each.app, Grade.UNKNOWN, unread)
        for each in found
    )
