"""Every check of `gitslot doctor`: fine where all is well, and what it says where it is not."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from gitslot.edges.git.signed_changes import Rule
from gitslot.edges.git.ssh_signatures import Signer
from gitslot.errors import AzureError, NotFound
from gitslot.report.doctor import checks
from gitslot.report.doctor.facts import (
    AppFacts,
    Check,
    ConfigFacts,
    Finding,
    Function,
    Grade,
    Ground,
    Note,
    Sticky,
    examine,
)
from gitslot.report.doctor.gather import read
from gitslot.state.remembered import LastSwap, Memory
from gitslot.state.seen import Answer, Health
from gitslot.state.slot_settings import PACKAGE_SETTING
from gitslot.state.wanted import PRODUCTION, STAGING, Desired, Doubt, Refusal, Revision
from tests.report.doctor.facts import GOOD, GROUND, SECRET, STORE, at, at_site, set_to, slot
from tests.report.looks import COMMIT, memory, release

NO = Doubt("NotAllowed", "the client does not have authorization")
BAD = Doubt("BadThing", "line 2")
DOWN = Doubt("AzureUnavailable", "ARM did not answer")
GONE = Doubt("NotFound", "no such slot")
SILENT = Health(Answer.SILENT, detail="its host is not known")
READER = "/subscriptions/x/reader"
SIGNED = replace(GROUND.settings, vouch=Rule(()))


def found(check: str, facts: AppFacts | Ground) -> Finding:
    """Return what the check of that name finds."""
    results = checks.of_app(facts) if isinstance(facts, AppFacts) else checks.of_ground(facts)
    (finding,) = [each for each in results if each.check == check]
    return finding


def settings(**changes: Any) -> Ground:
    return replace(GROUND, settings=replace(GROUND.settings, **changes))


def saying(name: str, **health: Any) -> AppFacts:
    """Return a good app whose slot *name* answers so."""
    return at(name, health=Health(**health))


def long_names() -> AppFacts:
    return replace(GOOD, name="a-function-app-with-a-very-long-name")


def reading(named: str | None, **site: Any) -> AppFacts:
    """Return an app whose staging reads its package from the registry, as that identity."""
    url = f"{STORE}/code/3/app.zip"
    values = {PACKAGE_SETTING: url, "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID": named}
    return set_to(STAGING, at_site(STAGING, **site), **values)


# check, facts that break it, how it ends, words of what it found, words of a fix
BROKEN: list[tuple[str, AppFacts | Ground, Grade, str, str]] = [
    ("settings", replace(GROUND, flaw="GITSLOT_ON_REWRITE must be"), Grade.WRONG, "must be", "set"),
    ("schedule", settings(schedule="* * * * *"), Grade.WRONG, "six fields", "0 * * * * *"),
    ("schedule", settings(schedule="0 99 * * * *"), Grade.WRONG, "six fields", "0 * * * * *"),
    ("schedule", settings(schedule="0 0 * * * *"), Grade.WARNING, "longer than 5", "0 * * * * *"),
    ("schedule", settings(schedule="* * * * * *"), Grade.WARNING, "every second", "0 * * * * *"),
    ("schedule", settings(schedule="00:01:00"), Grade.WARNING, "time span", "0 * * * * *"),
    ("git", replace(GROUND, newest=BAD, desired=BAD), Grade.WRONG, "BadThing: line 2", "GIT_TOKEN"),
    ("file", replace(GROUND, newest=BAD, desired=BAD), Grade.UNKNOWN, "Git could not", ""),
    ("suspended", settings(suspend="sam"), Grade.WARNING, "GITSLOT_SUSPEND", "remove"),
    (
        "git",
        replace(GROUND, newest=Doubt("RefGone", "gone")),
        Grade.WRONG,
        "RefGone",
        "GITSLOT_REF",
    ),
    (
        "file",
        replace(GROUND, desired=Doubt("UnknownKey", "line 2")),
        Grade.WRONG,
        "line 2",
        "valid",
    ),
    (
        "file",
        replace(
            GROUND,
            desired=Desired(
                Revision("a" * 40), {"churn": Doubt("UnknownKey", "churn.yaml: line 2")}
            ),
        ),
        *(Grade.WRONG, "churn.yaml: line 2", "valid"),
    ),
    (
        "signatures",
        replace(GROUND, settings=SIGNED, untrusted={"az": Doubt("CommitUnsigned", "9f3c2ab")}),
        *(Grade.WRONG, "CommitUnsigned", "GITSLOT_TRUSTED_COMMIT"),
    ),
    (
        "signatures",
        replace(GROUND, flaw="GITSLOT_ALLOWED_SIGNERS cannot be read"),
        *(Grade.WRONG, "cannot be read", "docs/run/signatures.md"),
    ),
    (
        "storage",
        replace(GROUND, containers={"models": True, "code": False}),
        *(Grade.WRONG, "no container `code`", "az storage container create"),
    ),
    ("storage", replace(GROUND, containers={"models": DOWN}), Grade.WRONG, "cannot be", "firewall"),
    ("clock", replace(GROUND, skew_s=-90.0), Grade.WRONG, "90 s behind", "synchronisation"),
    ("clock", replace(GROUND, skew_s=6.0), Grade.WARNING, "6 s ahead of", "synchronisation"),
    ("clock", replace(GROUND, skew_s=None), Grade.UNKNOWN, "did not report its time", ""),
    (
        "lease",
        replace(GROUND, lease=NO),
        Grade.WRONG,
        "you cannot",
        "Storage Blob Data Contributor",
    ),
    ("lease", replace(GROUND, lease=Doubt("NotTried", "no")), Grade.UNKNOWN, "no", ""),
    ("app", replace(GOOD, place=DOWN, slots=()), Grade.WRONG, "ARM did not answer", "az login"),
    ("plan", at_site(PRODUCTION, tier="FlexConsumption"), Grade.WRONG, "no slots", "Elastic"),
    ("plan", at_site(PRODUCTION, tier="PremiumV3"), Grade.WARNING, "alwaysOn", "--always-on true"),
    ("plan", at_site(PRODUCTION, tier="Novel"), Grade.UNKNOWN, "Novel", ""),
    (
        "slots",
        at(STAGING, site=GONE, health=SILENT),
        *(Grade.WRONG, "no slot `staging`", "slot create -g group"),
    ),
    ("slots", at(STAGING, site=DOWN, health=SILENT), Grade.UNKNOWN, "staging could not be", ""),
    ("running", at_site(STAGING, state="Stopped"), Grade.WRONG, "Stopped", "start -g group"),
    ("https", at_site(STAGING, https_only=False), Grade.WARNING, "plain http", "httpsOnly=true"),
    ("identity", at_site(STAGING, identity=""), Grade.WRONG, "no managed identity", "[system]"),
    (
        "identity",
        at_site(PRODUCTION, users=frozenset({"/subscriptions/x/shared"})),
        *(Grade.WRONG, "staging lacks 1", "--identities /subscriptions/x/shared"),
    ),
    (
        "package",
        reading(READER),
        *(Grade.WRONG, "lacks the identity that", f"--identities {READER}"),
    ),
    (
        "package",
        reading(None, identity="UserAssigned", users=frozenset({READER})),
        *(Grade.WRONG, "has none", f"WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID={READER}"),
    ),
    ("package", at(STAGING, settings=NO), Grade.UNKNOWN, "authorization", "config/list/action"),
    (
        "operation",
        at_site(STAGING, prepared="Production"),
        Grade.WRONG,
        "prepared",
        "--action reset",
    ),
    ("operation", at_site(STAGING, operation="1"), Grade.WARNING, "in progress", "wait"),
    ("rights", at(STAGING, settings=NO), Grade.WRONG, "authorization", "infra/role.json"),
    ("rights", replace(GOOD, sticky=DOWN), Grade.UNKNOWN, "did not answer", "infra/role.json"),
    ("names", long_names(), Grade.WRONG, "same host id", "AzureFunctionsWebHost__hostid"),
    (
        "names",
        replace(GOOD, name="an-app-with-a-name-of-28-chr"),
        *(Grade.WARNING, "is cut to", "within 32"),
    ),
    (
        "warm-up",
        set_to(STAGING, WEBSITE_SWAP_WARMUP_PING_PATH=None),
        *(Grade.WRONG, "staging lacks", "--settings WEBSITE_SWAP_WARMUP_PING_PATH=/api/health"),
    ),
    (
        "warm-up",
        set_to(PRODUCTION, WEBSITE_SWAP_WARMUP_PING_STATUSES="200,500"),
        *(Grade.WRONG, "production lacks", "WEBSITE_SWAP_WARMUP_PING_STATUSES=200"),
    ),
    (
        "binding",
        set_to(STAGING, WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG=None),
        *(Grade.WRONG, "staging lacks", "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG=1"),
    ),
    ("warm-up", at(STAGING, settings=DOWN), Grade.UNKNOWN, "could not be read", ""),
    (
        "sticky",
        replace(GOOD, sticky=Sticky(("MODEL_VERSION", "ONLY_HERE"))),
        *(Grade.WRONG, "MODEL_VERSION", "config/slotConfigNames"),
    ),
    (
        "runtime",
        set_to(STAGING, FUNCTIONS_EXTENSION_VERSION="~3"),
        *(Grade.WRONG, "differs", "--slot staging --settings 'FUNCTIONS_EXTENSION_VERSION=~4'"),
    ),
    (
        "apart",
        set_to(STAGING, GITSLOT_REPO="https://git.example"),
        *(Grade.WRONG, "GITSLOT_", "an app of its own"),
    ),
    ("release", set_to(PRODUCTION, MODEL_VERSION=None), Grade.WARNING, "lacks MODEL_V", "nothing"),
    ("release", set_to(PRODUCTION, MODEL_VERSION="1.5.0"), Grade.WARNING, "not pinned", "nothing"),
    ("allowed", replace(GOOD, listed=False), Grade.WRONG, "GITSLOT_APPS", "add az-fct-python-ml"),
    (
        "auto-swap",
        at(STAGING, config=ConfigFacts(auto_swap="production")),
        *(Grade.WRONG, "staging swaps by itself", "auto-swap"),
    ),
    (
        "traffic",
        at(PRODUCTION, config=ConfigFacts(routed={"staging": 25.0})),
        *(Grade.WRONG, "25 % of production's users", "az webapp traffic-routing clear"),
    ),
    (
        "code",
        set_to(STAGING, WEBSITE_RUN_FROM_PACKAGE="1"),
        Grade.WRONG,
        "staging from a zip",
        "URL",
    ),
    (
        "code",
        set_to(STAGING, set_to(PRODUCTION, **{PACKAGE_SETTING: "1"}), **{PACKAGE_SETTING: None}),
        *(Grade.WARNING, "no commit can change or restore it", "URL"),
    ),
    (
        "code",
        set_to(STAGING, **{PACKAGE_SETTING: f"https://a.example/x.zip?sig={SECRET}"}),
        *(Grade.WARNING, "has a signature", "query"),
    ),
    ("journal", replace(GOOD, memory=Doubt("JournalUnavailable", "no")), Grade.WRONG, "no", "role"),
    ("journal", replace(GOOD, memory=Memory()), Grade.WARNING, "already serves", "gitslot retry"),
    (
        "journal",
        replace(GOOD, memory=replace(memory("1.5.0"), stop=("Stalled", "UnknownVersion", "x"))),
        *(Grade.WARNING, "Stalled: UnknownVersion", "gitslot retry"),
    ),
    (
        "versions",
        replace(GOOD, wanted={PRODUCTION: Refusal("UnknownVersion", "iris 9 is not registered")}),
        *(Grade.WRONG, "iris 9 is not registered", "gitslot models"),
    ),
    ("versions", replace(GOOD, wanted={PRODUCTION: DOWN}), Grade.UNKNOWN, "registry", ""),
    ("versions", replace(GOOD, wanted={}), Grade.UNKNOWN, "not known", ""),
    (
        "triggers",
        at(STAGING, functions=(Function("clean", "timerTrigger"),)),
        *(Grade.WRONG, "clean (timerTrigger) fires", "AzureWebJobs.clean.Disabled=true"),
    ),
    (
        "triggers",
        set_to(STAGING, **{"AzureWebJobs.clean.Disabled": "true"}),
        *(Grade.WRONG, "a swap moves to production", "--slot-settings AzureWebJobs.clean"),
    ),
    (
        "triggers",
        set_to(STAGING, AzureWebJobs_clean_Disabled="1"),
        *(Grade.WRONG, "a swap moves to production", "--slot-settings AzureWebJobs_clean_Disabled"),
    ),
    (
        "triggers",
        at(STAGING, functions=(Function("clean-up", "queueTrigger"),)),
        *(Grade.WRONG, "clean-up (queueTrigger) fires", "rename clean-up"),
    ),
    ("triggers", at(STAGING, functions=GONE), Grade.UNKNOWN, "0 are switched off", ""),
    ("health", saying(STAGING, answer=Answer.SILENT), Grade.WRONG, "does not answer", "restart"),
    ("health", saying(STAGING, answer=Answer.BLOCKED), Grade.WRONG, "closed to you", "anonymous"),
    (
        "health",
        saying(STAGING, answer=Answer.BLOCKED, detail="HTTP 403"),
        *(Grade.WARNING, "closed to you (HTTP 403)", "network"),
    ),
    ("health", saying(STAGING, answer=Answer.FOREIGN), Grade.WRONG, "contract", "serving_app"),
    (
        "health",
        saying(STAGING, answer=Answer.UNHEALTHY, reason="LoadFailed"),
        *(Grade.WRONG, "503 LoadFailed", "gitslot logs"),
    ),
    (
        "blobs",
        saying(STAGING, answer=Answer.UNHEALTHY, reason="RegistryUnavailable"),
        *(Grade.WRONG, "cannot read the registry", "--assignee-object-id p-1"),
    ),
    (
        "blobs",
        saying(STAGING, answer=Answer.UNHEALTHY, reason="IdentityUnavailable"),
        *(Grade.WRONG, "no token", "identity assign"),
    ),
    (
        "blobs",
        saying(STAGING, answer=Answer.UNHEALTHY, reason="NoModel"),
        Grade.UNKNOWN,
        "no model",
        "",
    ),
    (
        "blobs",
        set_to(STAGING, MODEL_STORE="https://b.example"),
        Grade.WARNING,
        "another",
        "nothing",
    ),
    (
        "same code",
        set_to(
            PRODUCTION,
            saying(STAGING, answer=Answer.UNHEALTHY, code="build-2"),
            **{PACKAGE_SETTING: "1"},
        ),
        *(Grade.WRONG, "different code", "zip-deploy"),
    ),
    (
        "same code",
        saying(STAGING, answer=Answer.UNHEALTHY, code="build-2"),
        *(Grade.WARNING, "other code", "nothing"),
    ),
    ("same code", saying(STAGING, answer=Answer.SILENT), Grade.UNKNOWN, "not both slots", ""),
]


def test_an_app_that_is_set_up_is_fine_in_every_check() -> None:
    """No false alarm, and every check says in words what it saw."""
    results = (*checks.of_ground(GROUND), *checks.of_app(GOOD))
    assert {each.check: each.found for each in results if each.grade is not Grade.OK} == {}
    assert all(each.found and not each.fixes for each in results)
    assert len({each.check for each in results}) == len(results) >= 15


def test_every_check_is_shown_broken() -> None:
    """A check that nothing ever fails proves nothing."""
    names = {*(each.name for each in checks.OF_GROUND), *(each.name for each in checks.OF_APP)}
    assert names == {check for check, *_ in BROKEN}


@pytest.mark.parametrize(
    ("check", "facts", "grade", "words", "fix"),
    BROKEN,
    ids=[f"{check}: {words}" for check, _, _, words, _ in BROKEN],
)
def test_what_is_broken_is_named_with_its_fix(
    check: str, facts: AppFacts | Ground, grade: Grade, words: str, fix: str
) -> None:
    """The grade, what was found, the line that fixes it; never a setting's value."""
    finding = found(check, facts)
    assert finding.grade is grade, finding
    assert words in finding.found
    assert fix in " ".join(finding.fixes)
    assert SECRET not in repr(finding)
    assert finding.fixes


@pytest.mark.parametrize(
    "text", ["0 * * * * *", "*/30 * * * * *", "0 */5 * * * *", "9,45 * * * * *"]
)
def test_usual_schedules_are_fine(text: str) -> None:
    """At least every five minutes, and no more than the timer can."""
    assert found("schedule", settings(schedule=text)).grade is Grade.OK


def test_a_schedule_of_each_second_is_fine_on_a_laptop() -> None:
    """The local platform is in a hurry."""
    assert found("schedule", settings(schedule="* * * * * *", local=True)).grade is Grade.OK


def test_signed_commits_are_fine_with_a_signer() -> None:
    """It says how many may sign."""
    finding = found("signatures", settings(vouch=Rule((Signer("sam", b""),))))
    assert (finding.grade, "one of 1 signers" in finding.found) == (Grade.OK, True)


def test_other_code_in_staging_is_fine_where_a_rollback_needs_it() -> None:
    """What the last swap replaced keeps its own code."""
    facts = at(STAGING, health=replace(slot(STAGING, "1.4.0").health, code="build-2"))
    swapped = LastSwap(release("1.5.0"), release("1.4.0"), COMMIT)
    facts = replace(facts, memory=replace(memory("1.5.0", "1.4.0"), last_swap=swapped))
    assert found("same code", facts).grade is Grade.OK


def test_a_package_that_the_slot_may_read_is_fine() -> None:
    """As itself, or as the identity that it has; one with a signature needs none."""
    shared = {"identity": "UserAssigned", "users": frozenset({READER})}
    for facts in (
        reading(None),
        reading("SystemAssigned"),
        reading(READER.upper(), **shared),
        set_to(STAGING, reading(None, **shared), **{PACKAGE_SETTING: f"{STORE}/x.zip?sig=x"}),
    ):
        assert found("package", facts).grade is Grade.OK


@pytest.mark.parametrize("switch", ["AzureWebJobs.clean.Disabled", "AzureWebJobs_clean_Disabled"])
def test_a_trigger_that_only_staging_keeps_off_is_fine(switch: str) -> None:
    """Switched off there, and the switch stays there; in either spelling that Azure knows."""
    facts = at(STAGING, functions=(Function("clean", "timerTrigger", disabled=True),))
    facts = set_to(STAGING, facts, **{switch: "true"})
    facts = replace(facts, sticky=Sticky((switch,)))
    assert found("triggers", facts).grade is Grade.OK


def test_the_line_that_unsticks_keeps_every_other_name() -> None:
    """Also those of connections, and whatever a name holds, a shell reads it as one word."""
    facts = replace(GOOD, sticky=Sticky(("MODEL_NAME", "it's; rm"), ("DB",), None))
    (line,) = found("sticky", facts).fixes
    body = shlex.split(line)[-1]
    assert body == (
        '{"properties": {"appSettingNames": ["it\'s; rm"], '
        '"connectionStringNames": ["DB"], "azureStorageConfigNames": null}}'
    )


def test_a_check_that_fails_itself_hides_none_of_the_others() -> None:
    """It is not known, and the next one is asked."""

    def breaks(_: Ground) -> Iterator[Note]:
        raise RuntimeError(SECRET)
        yield

    def notes(_: Ground) -> Iterator[Note]:
        yield Note(Grade.OK, "fine")

    one, two = examine([Check("a", "", breaks), Check("b", "", notes)], GROUND)
    assert (one.grade, two.grade) == (Grade.UNKNOWN, Grade.OK)
    assert SECRET not in one.found


def test_an_app_that_cannot_be_read_is_one_thing_wrong_and_the_rest_not_known() -> None:
    """Nothing is called fine that nobody looked at."""
    facts = AppFacts("az-fct-python-ml", NO, memory=memory("1.5.0"), wanted=GOOD.wanted)
    results = {each.check: each.grade for each in checks.of_app(facts)}
    assert [check for check, grade in results.items() if grade is Grade.WRONG] == ["app"]
    fine = {check for check, grade in results.items() if grade is Grade.OK}
    assert fine == {"allowed", "journal", "versions"}


def test_a_question_that_fails_in_any_way_is_a_doubt_of_that_question_alone() -> None:
    """Also where the answer breaks our own code; and what broke it is not repeated."""

    def raises(error: Exception) -> Doubt:
        def ask() -> str:
            raise error

        found = read(ask)
        assert isinstance(found, Doubt)
        return found

    assert read(lambda: "an answer") == "an answer"
    assert raises(NotFound("gone", code="ResourceNotFound")).reason == "NotFound"
    assert raises(AzureError("no", reason="NotAllowed")) == Doubt("NotAllowed", "no")
    assert SECRET not in raises(RuntimeError(SECRET)).message
