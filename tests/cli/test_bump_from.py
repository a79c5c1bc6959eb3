"""`gitslot bump --from`: a version goes from one file to another with its bytes."""

from pathlib import Path

import pytest

from tests.cli.clones import SIMPLE, Clone

PIN = "1.5.0@sha256:" + "ab" * 32
DEV = SIMPLE.replace("az-fct-python-ml", "iris-dev").replace("1.4.0", PIN)


@pytest.fixture
def envs(clone: Clone) -> Clone:
    """Return the folder envs/prod of a repository in which envs/dev serves 1.5.0, pinned."""
    clone.git("rm", "-q", "desired_state.yaml")
    for env, text in (("dev", DEV), ("prod", SIMPLE)):
        place = clone.path / "envs" / env
        place.mkdir(parents=True)
        (place / "desired_state.yaml").write_text(text)
        (place / ".gitslot.toml").write_text(f'file = "envs/{env}/desired_state.yaml"')
    commit(clone, "two environments")
    return Clone(clone.path / "envs/prod")


def commit(clone: Clone, subject: str) -> None:
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", subject)


@pytest.mark.parametrize("source", ["envs/dev", "../dev", "envs/dev/desired_state.yaml"])
def test_the_pinned_version_of_another_environment_is_taken_over(envs: Clone, source: str) -> None:
    """One line and one commit; the path may be from here or from the root."""
    code, _, err = envs.gitslot("bump", "--from", source)
    assert (code, envs.text) == (0, SIMPLE.replace("1.4.0", PIN)), err
    assert envs.subject == "bump iris to 1.5.0"
    assert envs.git("show", "--name-only", "--format=", "HEAD") == "envs/prod/desired_state.yaml"
    assert "already" in envs.gitslot("bump", "--from", source)[2]


def test_a_candidate_can_be_put_into_staging(envs: Clone) -> None:
    """What production of the one serves is held in staging of the other."""
    assert envs.gitslot("bump", "--from", "envs/dev", "staging", "az-fct-python-ml")[0] == 0
    assert envs.text == SIMPLE + f"  staging: {PIN}\n"


def test_of_a_folder_the_app_of_the_same_name_or_model_counts(clone: Clone) -> None:
    """Two apps of one model that serve different versions are not guessed between."""
    apps = clone.path / "apps"
    apps.mkdir()
    unnamed = DEV.partition("app: iris-dev\n")[2]
    (apps / "other.yaml").write_text(unnamed.replace("model: iris", "model: churn"))
    (apps / "iris-a.yaml").write_text(unnamed)
    commit(clone, "a folder of apps")
    assert clone.gitslot("bump", "--from", "apps")[0] == 0
    assert clone.text == SIMPLE.replace("1.4.0", PIN)

    (apps / "iris-b.yaml").write_text(unnamed.replace("1.5.0", "1.6.0"))
    commit(clone, "another app")
    code, _, err = clone.gitslot("bump", "--from", "apps")
    assert code == 2
    assert "apps has several versions of the model iris" in err and "iris-b: iris 1.6.0" in err
    (apps / "az-fct-python-ml.yaml").write_text(unnamed.replace("1.5.0", "1.7.0"))
    commit(clone, "the same app")
    assert clone.gitslot("bump", "--from", "apps")[0] == 0
    assert "production: 1.7.0@sha256:" in clone.text


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("../dev/desired_state.yaml", DEV + "# thinking\n", "changes that are not committed"),
        ("../stage/x", "", "is neither here nor in"),
        ("../../notes.yaml", DEV.replace("model: iris", "model: churn"), "has no app of the model"),
    ],
)
def test_what_does_not_say_one_version_changes_nothing(
    envs: Clone, path: str, text: str, says: str
) -> None:
    """The message names the source and what it has."""
    place: Path = envs.path / path
    if text:
        place.write_text(text)
    if says.startswith("has no app"):
        commit(Clone(envs.path.parents[1]), "another file")
    code, _, err = envs.gitslot("bump", "--from", path)
    assert (code, envs.text) == (2, SIMPLE) and says in err
