"""What a checkout's .gitslot.toml says, and what it may never say."""

from pathlib import Path

import pytest

from gitslot.edges.gitslot_toml import KEYS, configured, watched
from gitslot.edges.target import find
from gitslot.errors import SettingsError

STORAGE = "https://account.blob.core.windows.net"
REPOSITORY = "https://git.example/team/repo"
SAYS = f'storage = "{STORAGE}"\nrepository = "{REPOSITORY}"\nbranch = "live"\nfile = "apps"\n'


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder deep in a checkout whose root has a .gitslot.toml."""
    (tmp_path / ".gitslot.toml").write_text('storage = "https://above.blob.core.windows.net"')
    root = tmp_path / "checkout"
    (root / ".git").mkdir(parents=True)
    (root / ".gitslot.toml").write_text(SAYS)
    (root / "envs/prod").mkdir(parents=True)
    return root / "envs/prod"


def test_it_is_the_target_from_anywhere_in_the_checkout(checkout: Path) -> None:
    """Nobody sets a variable, and the first line says where the storage was found."""
    target = find({}, checkout)
    found = target.settings
    assert (found.storage, found.repository, found.ref) == (STORAGE, REPOSITORY, "live")
    assert (found.file, watched({}, checkout)) == ("apps", "apps")
    assert target.lines == (
        "target: account.blob.core.windows.net, management.azure.com (.gitslot.toml)",
    )


def test_the_nearest_file_wins_key_by_key_and_the_environment_over_all(checkout: Path) -> None:
    """So each environment has a folder of its own, and a pipeline may still say otherwise."""
    (checkout / ".gitslot.toml").write_text('file = "envs/prod/desired_state.yaml"')
    settings = find({"GITSLOT_REF": "other", "GITSLOT_STORAGE": " "}, checkout).settings
    assert settings.file == "envs/prod/desired_state.yaml"
    assert (settings.storage, settings.ref) == (STORAGE, "other")
    assert watched({"GITSLOT_FILE": "elsewhere/"}, checkout) == "elsewhere"


def test_nothing_above_the_checkout_counts(checkout: Path) -> None:
    """Somebody else's file in a shared folder leads nowhere."""
    (checkout.parents[1] / ".gitslot.toml").unlink()
    assert not configured(checkout).settings


def test_a_token_is_not_sent_where_the_file_alone_leads(checkout: Path) -> None:
    """A cloned repository cannot fetch secrets; who names the host, too, may send it there."""
    token = {"GITSLOT_GIT_TOKEN": "hush", "GITSLOT_GIT_TOKEN_OLD": "hush"}
    target = find(dict(token), checkout)
    assert not target.settings.git_tokens
    assert "not used: GITSLOT_GIT_TOKEN" in target.lines[1]
    named = find({**token, "GITSLOT_REPO": REPOSITORY}, checkout).settings
    assert named.git_tokens


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('storage = "https://account.evil.example"', "`storage` must be https://ACCOUNT.blob"),
        ('storage = "https://evil.example/x.blob.core.windows.net"', "`storage` must be"),
        ('storage = "https://me@account.blob.core.windows.net"', "`storage` must be"),
        ('repository = "/home/sam/models"', "for a path set GITSLOT_REPO"),
        ('repository = "https://sam:hush@git.example/x"', "without user or password"),
        ('file = "../other/desired_state.yaml"', "from the root of the repository"),
        ("branch = 7", "`branch` must be a branch"),
        ('stroage = "x"', "unknown key `stroage`; did you mean `storage`?"),
        ('token = "hush"', "it may have storage, repository, branch, file"),
        ("storage = ", "is not valid TOML"),
        ("x = " + "[" * 100_000, "has more than"),
        ("x = " + "[" * 60_000, "is not valid TOML"),
    ],
)
def test_what_is_refused_names_the_file_and_the_fix(checkout: Path, text: str, says: str) -> None:
    """No login goes to a host that is not Azure's, and no secret is read from a file."""
    file = checkout / ".gitslot.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as refused:
        find({}, checkout)
    assert refused.value.message.startswith(f"{file}") and says in refused.value.message
    assert "hush" not in refused.value.message


def test_an_error_says_what_the_file_gave(checkout: Path) -> None:
    """Whoever forgot one setting sees where the others come from."""
    (checkout.parents[1] / ".gitslot.toml").write_text(f'storage = "{STORAGE}"')
    with pytest.raises(SettingsError) as refused:
        find({}, checkout)
    assert "GITSLOT_REPO is missing" in refused.value.message
    assert f"GITSLOT_STORAGE from {checkout.parents[1]}" in refused.value.message


def test_every_key_is_a_setting_of_the_controller() -> None:
    """One meaning for both."""
    assert {key.setting for key in KEYS.values()} == {
        *("GITSLOT_STORAGE", "GITSLOT_REPO", "GITSLOT_REF", "GITSLOT_FILE")
    }
