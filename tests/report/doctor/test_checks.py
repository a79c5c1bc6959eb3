"""Every check of `gitslot doctor`: fine where all is well, and what it says where it is not."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

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
    Kept,
    Note,
    Sticky,
    examine,
)
from gitslot.report.doctor.gather import read
from gitslot.state.code import Needs
from gitslot.state.remembered import LastSwap, Memory
from gitslot.state.seen import Answer, Health
from gitslot.state.slot_settings import PACKAGE_SETTING
from gitslot.state.wanted import (
    PRODUCTION,
    STAGING,
    Desired,
    Doubt,
    Refusal,
    Resolved,
    Revision,
)
from tests.report.doctor.facts import GOOD, GROUND, SECRET, STORE, at, at_site, set_to, slot
from tests.report.looks import memory, release

NO = Doubt("NotAllowed", "the client does not have authorization")
BAD = Doubt("BadThing", "line 2")
DOWN = Doubt("AzureUnavailable", "ARM did not answer")
GONE = Doubt("NotFound", "no such slot")
SILENT = Health(Answer.SILENT, detail="its host is not known")
TORN = Desired(Revision("a" * 40), {"churn": Doubt("UnknownKey", "churn.yaml: line 2")})
READER = "/subscriptions/x/reader"
WRONG, WARNING, UNKNOWN = Grade.WRONG, Grade.WARNING, Grade.UNKNOWN
HOST = {"AzureFunctionsWebHost__HostId": "one"}
SHARE = {"WEBSITE_CONTENTSHARE": f"{GOOD.name}-staging"}
SHARED = set_to(STAGING, set_to(PRODUCTION, **SHARE), **SHARE)
SIGNED = replace(GROUND.settings, vouch=Rule(()))


def found(check: str, facts: AppFacts | Ground) -> Finding:
    """Return what the check of that name finds."""
    results = checks.of_app(facts) if isinstance(facts, AppFacts) else checks.of_ground(facts)
    (finding,) = [each for each in results if each.check == check]
    return finding


def ground(**changes: Any) -> Ground:
    return replace(GROUND, **changes)


def settings(**changes: Any) -> Ground:
    return ground(settings=replace(GROUND.settings, **changes))


def good(**changes: Any) -> AppFacts:
    return replace(GOOD, **changes)


def needing(mebibytes: int) -> AppFacts:
    """Return a good app that wants a model whose process holds so much."""
    needs = Needs(memory=mebibytes * 2**20)
    return good(wanted={PRODUCTION: Resolved(release("1.5.0"), needs=needs)})


def having(**config: str) -> AppFacts:
    """Return a good app whose staging is so configured."""
    return at(STAGING, config=ConfigFacts(alike=config))


def saying(answer: Answer, **health: Any) -> AppFacts:
    """Return a good app whose staging answers so."""
    return at(STAGING, health=Health(answer, **health))


def unhealthy(**health: Any) -> AppFacts:
    return saying(Answer.UNHEALTHY, **health)


def reading(named: str | None, **site: Any) -> AppFacts:
    """Return an app whose staging reads its package from the registry, as that identity."""
    url = f"{STORE}/code/3/app.zip"
    values = {PACKAGE_SETTING: url, "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID": named}
    return set_to(STAGING, at_site(STAGING, **site), **values)


class Case(NamedTuple):
    """What a check finds in facts that break it: the grade, words of it, words of a fix."""

    check: str
    facts: AppFacts | Ground
    grade: Grade
    words: str
    fix: str


BROKEN = [
    Case("settings", ground(flaw="GITSLOT_ON_REWRITE must be"), WRONG, "must be", "set"),
    Case("schedule", settings(schedule="* * * * *"), WRONG, "six fields", "*/10 * * * * *"),
    Case("schedule", settings(schedule="0 99 * * * *"), WRONG, "six fields", "*/10 * * * * *"),
    Case("schedule", settings(schedule="0 0 * * * *"), WARNING, "longer than 5", "*/10 * * * * *"),
    Case("schedule", settings(schedule="* * * * * *"), WARNING, "every second", "*/10 * * * * *"),
    Case("schedule", settings(schedule="00:01:00"), WARNING, "time span", "*/10 * * * * *"),
    Case("git", ground(newest=BAD, desired=BAD), WRONG, "BadThing: line 2", "GIT_TOKEN"),
    Case("file", ground(newest=BAD, desired=BAD), UNKNOWN, "Git could not", ""),
    Case("suspended", settings(suspend="sam"), WARNING, "GITSLOT_SUSPEND", "remove"),
    Case("suspended", settings(observe=True), WARNING, "only recorded", "infra/role.json"),
    Case("git", ground(newest=Doubt("RefGone", "gone")), WRONG, "RefGone", "GITSLOT_REF"),
    Case("file", ground(desired=Doubt("UnknownKey", "line 2")), WRONG, "line 2", "valid"),
    Case("file", ground(desired=TORN), WRONG, "churn.yaml: line 2", "valid"),
    Case(
        "signatures",
        ground(settings=SIGNED, untrusted={"az": Doubt("CommitUnsigned", "9f3c2ab")}),
        *(WRONG, "CommitUnsigned", "GITSLOT_TRUSTED_COMMIT"),
    ),
    Case(
        "signatures",
        ground(flaw="GITSLOT_ALLOWED_SIGNERS cannot be read"),
        *(WRONG, "cannot be read", "docs/run/signatures.md"),
    ),
    Case(
        "storage",
        ground(containers={"models": True, "code": False}),
        *(WRONG, "no container `code`", "az storage container create"),
    ),
    Case("looks", ground(amiss=(("it does not look", "az x"),)), WRONG, "does not look", "az x"),
    Case("kept", ground(kept=DOWN), UNKNOWN, "not read", "Reader"),
    Case(
        "kept",
        ground(kept=Kept("group", "account", soft=True, policies=("code",))),
        *(WARNING, "`models` can be overwritten", "immutability-policy create"),
    ),
    Case(
        "kept",
        ground(kept=Kept("group", "account", soft=False, policies=("models", "code"))),
        *(WARNING, "gone at once", "az storage account blob-service-properties update"),
    ),
    Case("storage", ground(containers={"models": DOWN}), WRONG, "cannot be", "firewall"),
    Case("clock", ground(skew_s=-90.0), WRONG, "90 s behind", "synchronisation"),
    Case("clock", ground(skew_s=6.0), WARNING, "6 s ahead of", "synchronisation"),
    Case("clock", ground(skew_s=None), UNKNOWN, "did not report its time", ""),
    Case("lease", ground(lease=NO), WRONG, "you cannot", "Storage Blob Data Contributor"),
    Case("lease", ground(lease=Doubt("NotTried", "no")), UNKNOWN, "no", ""),
    Case("affinity", at_site(STAGING, affinity=True), WARNING, "staging ties", "--slot staging"),
    Case(
        "passwords",
        at(STAGING, passwords=True),
        WARNING,
        "staging takes",
        "parent sites/az-fct-python-ml/slots/staging",
    ),
    Case("passwords", at(PRODUCTION, passwords=NO), UNKNOWN, "could not be read", "Reader"),
    Case(
        "ping",
        at(STAGING, config=ConfigFacts(admitted=frozenset({"10.0.0.0/8"}))),
        *(WARNING, "keeps out 100.64.0.0/10: swaps", "--ip-address 100.64.0.0/10"),
    ),
    Case("secrets", at(STAGING, references={"T": "SecretNotFound"}), WRONG, "staging's T", "Vault"),
    Case("app", good(place=DOWN, slots=()), WRONG, "ARM did not answer", "az login"),
    Case("plan", at_site(PRODUCTION, tier="FlexConsumption"), WRONG, "no slots", "Elastic"),
    Case("plan", at_site(PRODUCTION, tier="PremiumV3"), WARNING, "alwaysOn", "--always-on true"),
    Case("plan", at_site(PRODUCTION, tier="Novel"), UNKNOWN, "Novel", ""),
    Case("memory", good(sku=DOWN), UNKNOWN, "the plan: ", "Reader"),
    Case("memory", good(wanted={}), UNKNOWN, "not measured", "register"),
    Case("memory", good(sku="P9v9"), UNKNOWN, "P9v9", ""),
    Case("memory", needing(1500), WARNING, "1500 MiB in each of 2 slots, 84%", "plan update"),
    Case("memory", needing(2000), WRONG, "2000 MiB in each of 2 slots, 112%", "plan update"),
    Case(
        "slots",
        at(STAGING, site=GONE, health=SILENT),
        *(WRONG, "no slot `staging`", "slot create -g group"),
    ),
    Case("slots", at(STAGING, site=DOWN, health=SILENT), UNKNOWN, "staging could not be", ""),
    Case("running", at_site(STAGING, state="Stopped"), WRONG, "Stopped", "start -g group"),
    Case("https", at_site(STAGING, https_only=False), WARNING, "plain http", "httpsOnly=true"),
    Case("identity", at_site(STAGING, identity=""), WRONG, "no managed identity", "[system]"),
    Case(
        "identity",
        at_site(PRODUCTION, users=frozenset({"/subscriptions/x/shared"})),
        *(WRONG, "staging lacks 1", "--identities /subscriptions/x/shared"),
    ),
    Case("package", reading(READER), WRONG, "lacks the identity that", f"--identities {READER}"),
    Case(
        "package",
        reading(None, identity="UserAssigned", users=frozenset({READER})),
        *(WRONG, "has none", f"WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID={READER}"),
    ),
    Case("package", at(STAGING, settings=NO), UNKNOWN, "authorization", "config/list/action"),
    Case("operation", at_site(STAGING, prepared="Production"), WRONG, "prepared", "--action reset"),
    Case("operation", at_site(STAGING, operation="1"), WARNING, "in progress", "wait"),
    Case("rights", at(STAGING, settings=NO), WRONG, "authorization", "infra/role.json"),
    Case("rights", good(sticky=DOWN), UNKNOWN, "did not answer", "infra/role.json"),
    Case(
        "names",
        good(name="a-function-app-with-a-very-long-name"),
        *(WRONG, "same host id", "AzureFunctionsWebHost__hostid"),
    ),
    Case("names", set_to(STAGING, **HOST), WARNING, "a swap moves", "--slot-settings"),
    Case("content", SHARED, WRONG, "overwrites production", f"SHARE={GOOD.name}-staging-2"),
    Case("alike", having(linuxFxVersion=""), WRONG, "another linuxFx", "siteConfig.linuxFxVersion"),
    Case("alike", having(ftpsState="x"), WARNING, "another ftps", "siteConfig.ftpsState=Disabled"),
    Case("plan", good(burst=1), WARNING, "never grows", "--max-burst 3"),
    Case("names", good(name="an-app-with-a-name-of-28-chr"), WARNING, "is cut to", "within 32"),
    Case(
        "warm-up",
        set_to(STAGING, WEBSITE_SWAP_WARMUP_PING_PATH=None),
        *(WRONG, "staging lacks", "--settings WEBSITE_SWAP_WARMUP_PING_PATH=/api/health"),
    ),
    Case(
        "warm-up",
        set_to(PRODUCTION, WEBSITE_SWAP_WARMUP_PING_STATUSES="200,500"),
        *(WRONG, "production lacks", "WEBSITE_SWAP_WARMUP_PING_STATUSES=200"),
    ),
    Case(
        "binding",
        set_to(STAGING, WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG=None),
        *(WRONG, "staging lacks", "WEBSITE_ADD_SITENAME_BINDINGS_IN_APPHOST_CONFIG=1"),
    ),
    Case("warm-up", at(STAGING, settings=DOWN), UNKNOWN, "could not be read", ""),
    Case(
        "sticky",
        good(sticky=Sticky(("MODEL_VERSION", "ONLY_HERE"))),
        *(WRONG, "MODEL_VERSION", "config/slotConfigNames"),
    ),
    Case(
        "runtime",
        set_to(STAGING, FUNCTIONS_EXTENSION_VERSION="~3"),
        *(WRONG, "differs", "--slot staging --settings 'FUNCTIONS_EXTENSION_VERSION=~4'"),
    ),
    Case(
        "apart",
        set_to(STAGING, GITSLOT_REPO="https://git.example"),
        *(WRONG, "GITSLOT_", "an app of its own"),
    ),
    Case("release", set_to(PRODUCTION, MODEL_VERSION=None), WARNING, "lacks MODEL_V", "nothing"),
    Case("release", set_to(PRODUCTION, MODEL_VERSION="1.5.0"), WARNING, "not pinned", "nothing"),
    Case("file", settings(allowed_apps=frozenset({"odd"})), WARNING, "lists odd", "correct"),
    Case(
        "auto-swap",
        at(STAGING, config=ConfigFacts(auto_swap="production")),
        *(WRONG, "staging swaps by itself", "auto-swap"),
    ),
    Case(
        "traffic",
        at(PRODUCTION, config=ConfigFacts(routed={"staging": 25.0})),
        *(WRONG, "25 % of production's users", "az webapp traffic-routing clear"),
    ),
    Case("code", set_to(STAGING, WEBSITE_RUN_FROM_PACKAGE="1"), WRONG, "staging from a zip", "URL"),
    Case(
        "code",
        set_to(STAGING, set_to(PRODUCTION, **{PACKAGE_SETTING: "1"}), **{PACKAGE_SETTING: None}),
        *(WARNING, "no commit can change or restore it", "URL"),
    ),
    Case(
        "code",
        set_to(STAGING, **{PACKAGE_SETTING: f"https://a.example/x.zip?sig={SECRET}"}),
        *(WARNING, "has a signature", "query"),
    ),
    Case(
        "code",
        set_to(STAGING, **{PACKAGE_SETTING: "https://a.example/x.zip"}),
        *(WARNING, "staging's code is unverified", "register a package"),
    ),
    Case("journal", good(memory=Doubt("JournalUnavailable", "no")), WRONG, "no", "role"),
    Case("journal", good(memory=Memory()), WARNING, "already serves", "gitslot retry"),
    Case(
        "journal",
        good(memory=replace(memory("1.5.0"), stop=("Stalled", "UnknownVersion", "x"))),
        *(WARNING, "Stalled: UnknownVersion", "gitslot retry"),
    ),
    Case(
        "versions",
        good(wanted={PRODUCTION: Refusal("UnknownVersion", "iris 9 is not registered")}),
        *(WRONG, "iris 9 is not registered", "gitslot models"),
    ),
    Case("versions", good(wanted={PRODUCTION: DOWN}), UNKNOWN, "registry", ""),
    Case("versions", good(wanted={}), UNKNOWN, "not known", ""),
    Case(
        "triggers",
        at(STAGING, functions=(Function("clean", "timerTrigger"),)),
        *(WRONG, "clean (timerTrigger) fires", "AzureWebJobs.clean.Disabled=true"),
    ),
    Case(
        "triggers",
        set_to(STAGING, **{"AzureWebJobs.clean.Disabled": "true"}),
        *(WRONG, "a swap moves to production", "--slot-settings AzureWebJobs.clean"),
    ),
    Case(
        "triggers",
        set_to(STAGING, AzureWebJobs_clean_Disabled="1"),
        *(WRONG, "a swap moves to production", "--slot-settings AzureWebJobs_clean_Disabled"),
    ),
    Case(
        "triggers",
        at(STAGING, functions=(Function("clean-up", "queueTrigger"),)),
        *(WRONG, "clean-up (queueTrigger) fires", "rename clean-up"),
    ),
    Case("triggers", at(STAGING, functions=GONE), UNKNOWN, "0 are switched off", ""),
    Case("health", saying(Answer.SILENT), WRONG, "does not answer", "restart"),
    Case("health", saying(Answer.BLOCKED), WRONG, "closed to you", "anonymous"),
    Case(
        "health",
        saying(Answer.BLOCKED, detail="HTTP 403"),
        *(WARNING, "closed to you (HTTP 403)", "network"),
    ),
    Case("health", saying(Answer.FOREIGN), WRONG, "contract", "serving_app"),
    Case("health", unhealthy(reason="LoadFailed"), WRONG, "503 LoadFailed", "gitslot logs"),
    Case(
        "blobs",
        unhealthy(reason="RegistryUnavailable"),
        *(WRONG, "cannot read the registry", "--assignee-object-id p-1"),
    ),
    Case("blobs", unhealthy(reason="IdentityUnavailable"), WRONG, "no token", "identity assign"),
    Case("blobs", unhealthy(reason="NoModel"), UNKNOWN, "no model", ""),
    Case("blobs", set_to(STAGING, MODEL_STORE="https://b.example"), WARNING, "another", "nothing"),
    Case(
        "same code",
        set_to(
            PRODUCTION,
            unhealthy(code="build-2"),
            **{PACKAGE_SETTING: "1"},
        ),
        WRONG,
        "different code",
        "zip-deploy",
    ),
    Case("same code", unhealthy(code="build-2"), WARNING, "other code", "nothing"),
    Case("same code", saying(Answer.SILENT), UNKNOWN, "not both slots", ""),
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
    assert names == {case.check for case in BROKEN}


@pytest.mark.parametrize(
    ("check", "facts", "grade", "words", "fix"),
    BROKEN,
    ids=[f"{case.check}: {case.words}" for case in BROKEN],
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
    swapped = LastSwap(release("1.5.0"), release("1.4.0"))
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
    assert fine == {"journal", "versions"}


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
