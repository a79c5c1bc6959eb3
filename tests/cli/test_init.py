"""`gitslot init`: a team's own repository, which needs nothing of ours."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gitslot.edges.gitslot_toml import configured
from tests.cli.clones import Clone


def said(path: Path) -> dict[str, str]:
    return dict(configured(path).settings)


def test_a_new_folder_becomes_a_repository_and_that_is_said(clone: Clone) -> None:
    """It validates, every file is printed, and nothing is committed."""
    home = Clone(clone.path.parent)
    code, out, err = home.gitslot("init", "churn", "--model", "risk", "--owner", "@org/team")
    assert code == 0 and "made a Git repository in" in err
    made = Clone(home.path / "churn")
    found = sorted(f"wrote {path}" for path in made.git("ls-files", "-o").splitlines())
    assert sorted(out.splitlines()) == found
    text = "app: churn\nmodel: risk\nslots:\n  production: 1.0.0\n"
    assert made.text.partition("\n")[2] == text
    assert made.gitslot("validate", "--offline")[0] == 0
    assert said(made.path) == {"GITSLOT_REF": "main", "GITSLOT_FILE": "desired_state.yaml"}
    assert "/desired_state.yaml @org/team" in (made.path / ".github/CODEOWNERS").read_text()
    assert "next: cd churn && git add desired_state.yaml " in err


def test_what_it_prints_next_commits_all_of_it(clone: Clone) -> None:
    """Typed as it stands, below an existing repository's own files."""
    clone.git("remote", "add", "origin", "git@git.example:team/models.git")
    _, _, err = clone.gitslot("init", "--app", "churn")
    (line,) = [line for line in err.splitlines() if line.startswith("next: ")]
    subprocess.run(line.removeprefix("next: "), shell=True, cwd=clone.path, check=True)
    assert (clone.subject, clone.git("status", "--porcelain")) == ("serve churn 1.0.0", "")
    assert said(clone.path)["GITSLOT_REPO"] == "https://git.example/team/models.git"


def test_the_made_workflow_bumps_to_the_bytes_that_were_proved(clone: Clone) -> None:
    """Its step, run as GitHub runs it, makes one commit on a branch of its own."""
    assert clone.gitslot("init", "--app", "churn", "--overwrite")[0] == 0
    clone.git("add", "-A")
    clone.git("commit", "-q", "-m", "serve churn 1.0.0")
    text = (clone.path / ".github/workflows/gitslot-register.yml").read_text()
    steps = yaml.safe_load(text)["jobs"]["bump"]["steps"]
    (script,) = [step["run"] for step in steps if step.get("name", "").startswith("Commit")]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PATH": path, "VERSION": "1.1.0", "DIGEST": "sha256:" + "ab" * 32}
    subprocess.run(["bash", "-e", "-c", script], cwd=clone.path, env=env, check=True)
    assert (clone.subject, clone.git("branch", "--show-current")) == (
        *("bump churn to 1.1.0", "bump/churn-1.1.0"),
    )
    assert f"production: 1.1.0@sha256:{'ab' * 32}" in clone.text


def test_what_is_there_is_kept_until_somebody_says_otherwise(clone: Clone) -> None:
    """Also an owner's file in another place that GitHub reads; a link is replaced, not followed."""
    (clone.path / "CODEOWNERS").write_text("* @me\n")
    (clone.path / "train.py").symlink_to(clone.path.parent / "elsewhere.py")
    before = clone.text
    code, out, err = clone.gitslot("init", "--app", "churn")
    assert (code, clone.text) == (0, before)
    kept = [line.split()[1] for line in err.splitlines() if line.startswith("kept ")]
    assert sorted(kept) == ["CODEOWNERS:", "desired_state.yaml:", "train.py:"]
    assert "made a Git repository" not in err and "CODEOWNERS" not in out
    assert not (clone.path / ".github/CODEOWNERS").exists()
    assert clone.gitslot("init", "--app", "churn")[1] == ""

    assert clone.gitslot("init", "--app", "churn", "--overwrite")[0] == 0
    assert "app: churn" in clone.text and "@me" not in (clone.path / "CODEOWNERS").read_text()
    assert (clone.path / "train.py").is_file() and not (clone.path.parent / "elsewhere.py").exists()


def test_environments_in_a_subfolder_have_settings_of_their_own(clone: Clone) -> None:
    """Each app is named after its environment; GitHub's files are where GitHub reads them."""
    words = ("--folder", "apps", "--env", "dev", "--env", "prod", "--version", "1.10")
    account = "https://account.blob.core.windows.net"
    assert clone.gitslot("init", "serving", "--app", "churn", "--storage", account, *words)[0] == 0
    for env in ("dev", "prod"):
        place = clone.path / "serving/envs" / env
        assert said(place)["GITSLOT_FILE"] == f"serving/envs/{env}/apps"
        assert said(place)["GITSLOT_STORAGE"] == account
        assert 'production: "1.10"' in (place / f"apps/churn-{env}.yaml").read_text()
        code, out, _ = Clone(place).gitslot("validate", "--offline")
        assert code == 0 and f"churn-{env}" in out
    workflow = (clone.path / ".github/workflows/gitslot-plan.yml").read_text()
    assert "folder: [serving/envs/dev, serving/envs/prod]" in workflow


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--app", "my_models"), "`my_models` is not a function app's name"),
        (("--model", "a b"), "--model: `a b`"),
        (("--version", "1.0.0@sha256:1"), "--version:"),
        (("--env", "../dev"), "`../dev` is not the name of a folder"),
        (("--storage", "https://evil.example"), "--storage must be https://ACCOUNT"),
        (("--repository", "/tmp/x"), "--repository must be an https URL"),
        (("--owner", "me # x"), "--owner:"),
    ],
)
def test_a_name_that_could_not_be_read_back_writes_nothing(
    clone: Clone, words: tuple[str, ...], says: str
) -> None:
    """Every flaw is named before anything is made."""
    code, out, err = clone.gitslot("init", "new", *words)
    assert (code, out) == (2, "") and says in err
    assert not (clone.path / "new").exists()


def test_a_link_that_leads_out_is_not_followed(clone: Clone) -> None:
    """A hostile repository cannot have files written elsewhere."""
    outside = clone.path.parent / "outside"
    outside.mkdir()
    (clone.path / ".github").symlink_to(outside)
    code, _, err = clone.gitslot("init", "--app", "churn")
    assert code == 2 and "leads out of" in err
    assert list(outside.iterdir()) == []
