"""The controller's own settings: everything missing at once, secrets never shown."""

import pytest

from gitslot.edges.settings import AZURE_POLICY, LOCAL_POLICY, PUBLIC_ARM, read
from gitslot.errors import SettingsError

ENOUGH = {
    "GITSLOT_REPO": "https://git.example/team/repo",
    "GITSLOT_STORAGE": "https://acc.blob.core.windows.net/",
}


def test_two_settings_are_enough() -> None:
    """Everything else has a default, and the default freezes on rewritten history."""
    settings = read(ENOUGH)
    assert (settings.ref, settings.file, settings.arm) == ("main", "desired_state.yaml", PUBLIC_ARM)
    assert (settings.on_rewrite, settings.policy) == ("freeze", AZURE_POLICY)
    assert settings.storage == "https://acc.blob.core.windows.net"


def test_the_local_profile_is_faster_and_follows() -> None:
    """Amending a commit is normal on a laptop; no other rule changes but the lock's clock."""
    settings = read(ENOUGH | {"GITSLOT_PROFILE": "local"})
    assert (settings.on_rewrite, settings.policy) == ("follow", LOCAL_POLICY)
    for name in ("settle_s", "swap_deadline_s", "hold_s", "deploy_lost_s", "pauses_s"):
        assert getattr(LOCAL_POLICY, name) == getattr(AZURE_POLICY, name)


def test_all_that_is_wrong_is_named_at_once() -> None:
    """Nobody mends settings one deployment at a time."""
    wrong = {"ARM": "http://arm", "PROFILE": "test", "ON_REWRITE": "maybe", "REF": "a b"}
    wrong |= {"FILE": "../x", "MODE": "watch"}
    with pytest.raises(SettingsError) as caught:
        read({f"GITSLOT_{name}": value for name, value in wrong.items()})
    for name in ("REPO", "STORAGE", "ARM", "PROFILE", "ON_REWRITE", "REF", "FILE", "MODE"):
        assert f"GITSLOT_{name} " in caught.value.message


@pytest.mark.parametrize(
    "repository",
    [
        "https://user:canary@git.example/x",
        "https://canary@git.example/x",
        "https://:canary@git.example/x",
        "http://git.example/canary",
        "ssh://git.example/canary",
        "git@git.example:canary",
        "file:///canary",
        "ext::sh -c canary://",
        "https://[canary",
        "https://git.example/x?token=canary",
        "https://",
    ],
)
def test_a_repository_that_is_no_plain_address_is_refused_without_saying_it(
    repository: str,
) -> None:
    """A password in it would end up in the log."""
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {"GITSLOT_REPO": repository})
    assert "GITSLOT_REPO" in caught.value.message and "canary" not in caught.value.message


@pytest.mark.parametrize("name", ["GITSLOT_STORAGE", "GITSLOT_ARM"])
@pytest.mark.parametrize(
    "address", ["http://acc", "https://acc/?sig=canary", "https://a:canary@acc", "https://[canary"]
)
def test_an_address_of_azure_holds_no_secret(name: str, address: str) -> None:
    """Tokens alone open it."""
    with pytest.raises(SettingsError, match=name) as caught:
        read(ENOUGH | {name: address})
    assert "canary" not in caught.value.message


def test_secrets_are_in_no_text_of_the_settings() -> None:
    """They are revealed where a header is built, and nowhere else."""
    secrets = {"GITSLOT_GIT_TOKEN": " canary-1 ", "GITSLOT_WEBHOOK_SECRET": "canary-2"}
    settings = read(ENOUGH | secrets | {"GITSLOT_ALERT_URL": "https://alerts.example/canary-3?x"})
    with pytest.raises(SettingsError, match="GITSLOT_ALERT_URL must be an https"):
        read(ENOUGH | {"GITSLOT_ALERT_URL": "http://canary"})
    assert [token.reveal() for token in settings.git_tokens] == ["canary-1"]
    for text in (repr(settings), str(settings), f"{settings.git_tokens}", repr(vars)):
        assert "canary" not in text


def test_guards_come_from_the_environment() -> None:
    """Never from the file that they guard."""
    settings = read(ENOUGH | {"GITSLOT_APPS": "a, b c", "GITSLOT_SUSPEND": " incident "})
    assert settings.allowed_apps == {"a", "b", "c"}
    assert settings.suspend == "incident"


@pytest.mark.parametrize(
    "name", ["GITSLOT_GIT_TOKEN", "GITSLOT_WEBHOOK_SECRET", "GITSLOT_STORAGE", "GITSLOT_SUSPEND"]
)
def test_a_reference_that_was_not_resolved_is_refused(name: str) -> None:
    """It would be sent as a token, or stand for a secret that anybody can guess."""
    value = "@Microsoft.KeyVault(SecretUri=https://vault.example/secrets/canary)"
    with pytest.raises(SettingsError) as caught:
        read(ENOUGH | {name: value})
    assert f"{name} is an unresolved Key Vault reference" in caught.value.message
    assert "Key Vault Secrets User" in caught.value.message
    assert "canary" not in caught.value.message


def test_a_pin_is_required_only_where_it_is_asked_for() -> None:
    """A word that is neither on nor off is refused."""
    assert not read(ENOUGH).policy.require_pin
    assert read(ENOUGH | {"GITSLOT_REQUIRE_PIN": "on"}).policy.require_pin
    with pytest.raises(SettingsError, match="GITSLOT_REQUIRE_PIN must be on or off"):
        read(ENOUGH | {"GITSLOT_REQUIRE_PIN": "yes"})


def test_two_tokens_and_two_secrets_may_be_good_at_once() -> None:
    """The new one is the first."""
    names = ("GITSLOT_GIT_TOKEN", "GITSLOT_WEBHOOK_SECRET")
    both = dict.fromkeys(names, "new") | {f"{name}_OLD": "old" for name in names}
    settings = read(ENOUGH | both)
    for found in (settings.git_tokens, settings.webhook_secrets):
        assert [secret.reveal() for secret in found] == ["new", "old"]
    alone = read(ENOUGH | {"GITSLOT_GIT_TOKEN_OLD": "old", "GITSLOT_GIT_TOKEN": " "})
    assert [token.reveal() for token in alone.git_tokens] == ["old"]


def test_the_user_name_is_the_hosts_unless_a_setting_names_it() -> None:
    """And the kind of host, too; an unknown kind is refused."""
    at = {"GITSLOT_REPO": "https://git.corp.example/models"}
    assert read(ENOUGH | at).git_user == "x-access-token"
    settings = read(ENOUGH | at | {"GITSLOT_GIT_HOST": "gitlab"})
    assert (settings.git_host, settings.git_user) == ("gitlab", "oauth2")
    assert read(ENOUGH | at | {"GITSLOT_GIT_USER": "deploy-token-1"}).git_user == "deploy-token-1"
    for wrong in ({"GITSLOT_GIT_HOST": "svn"}, {"GITSLOT_GIT_USER": "a:b"}):
        with pytest.raises(SettingsError, match=next(iter(wrong))):
            read(ENOUGH | at | wrong)
