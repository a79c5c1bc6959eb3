"""
The checks of `gitslot doctor` and `gitslot adopt`, cheap ones first. Pure: facts in, findings out.

`facts` has the values; `ground` has the checks of what all apps share; `site`, `wiring` and
`serving` have those of one app. Nothing here calls the outside.
"""

from gitslot.report.doctor import ground, serving, site, wiring
from gitslot.report.doctor.facts import AppFacts, Finding, Grade, Ground, examine

OF_GROUND = ground.CHECKS
OF_APP = (*site.CHECKS, *wiring.CHECKS, *serving.CHECKS)
_OF_CONTROLLER = (site.running, site.identity, site.package)
_WITHOUT_ARM = ("app", "journal", "versions")


def of_ground(facts: Ground) -> tuple[Finding, ...]:
    """Return the findings about what all apps share."""
    return examine(OF_GROUND, facts)


def of_controller(facts: AppFacts) -> tuple[Finding, ...]:
    """Return the findings about the controller's own app: can it start and name itself?"""
    mine = [each for each in OF_APP if each.look in _OF_CONTROLLER]
    return examine(mine, facts, facts.name)


def of_app(facts: AppFacts) -> tuple[Finding, ...]:
    """Return the findings about one app; most are unknown if ARM shows no app."""
    found = examine(OF_APP, facts, facts.name)
    if facts.there:
        return found
    unread = "the app could not be read"
    return tuple(
        each if each.check in _WITHOUT_ARM else Finding(each.check, each.app, Grade.UNKNOWN, unread)
        for each in found
    )
