"""The command line of training, as people and CI run it."""

import json
import subprocess
from pathlib import Path

import pytest

from training.__main__ import main


class Typed:
    """The command in this process, because starting one and its libraries takes two seconds."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m training` with *words*, and return what it printed."""
        try:
            code = main(list(words))
        except SystemExit as end:  # argparse found the mistake
            code = int(end.code or 0)
        out, err = self._capture.readouterr()
        return subprocess.CompletedProcess(words, code, out, err)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Typed:
    """Return the command, with no registry in its environment."""
    monkeypatch.delenv("GITSLOT_STORAGE", raising=False)
    return Typed(capsys)


def test_help_names_the_seams(typed: Typed) -> None:
    """Help says what it does, how to begin, and which files are for the user to replace."""
    done = typed("--help")
    assert done.returncode == 0
    for words in ("python -m training train --version 1.5.0", "data.py", "pipeline.py"):
        assert words in done.stdout


def test_a_dry_run_needs_no_registry_and_writes_a_card(typed: Typed, tmp_path: Path) -> None:
    """Everything but registering works anywhere; data on stdout, progress on stderr."""
    card = tmp_path / "card.md"
    words = ("--dry-run", "--estimator", "tree", "-o", "json", "--card", str(card))
    done = typed("train", "--version", "1", *words)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert (result["model"], result["version"], result["registered"]) == ("iris", "1", False)
    assert "comparing ONNX float32 with scikit-learn on 4" in done.stderr
    assert result["digest"] in card.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "says", "code"),
    [
        (("train", "--version", "1"), "set GITSLOT_STORAGE", 2),
        (("train", "--version", "a/b", "--dry-run"), "'a/b' cannot name a version", 2),
        (("train", "--version", "1", "--data", "roses", "--dry-run"), "no data set 'roses'", 2),
        (("train", "--version", "1", "--model", "churn", "--dry-run"), "no data set 'churn'", 2),
        (("train", "--version", "1", "--estimator", "x", "--dry-run"), "no estimator 'x'", 2),
        (("train",), "--version", 2),
        ((), "COMMAND", 2),
    ],
)
def test_a_wrong_word_is_named(typed: Typed, words: tuple[str, ...], says: str, code: int) -> None:
    """Errors say what is wrong and how to mend it, on stderr, with nothing on stdout."""
    done = typed(*words)
    assert (done.returncode, done.stdout) == (code, "")
    assert says in done.stderr and "Traceback" not in done.stderr


def test_a_model_is_trained_on_its_own_data_or_on_what_is_named(typed: Typed) -> None:
    """Without --data a model takes the data set of its name; with it, exactly the one named."""
    words = ("train", "--version", "1", "--estimator", "tree", "--dry-run")
    done = typed(*words, "--model", "wine")
    assert "on 178 rows of wine" in done.stderr
    done = typed(*words, "--model", "churn", "--data", "wine")
    assert done.returncode == 0, done.stderr
    assert "on 178 rows of wine" in done.stderr
    assert done.stdout.startswith("built, not registered churn 1 ")


def test_a_model_without_data_never_reaches_the_registry(
    typed: Typed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal comes first, and names the file and the option that mend it."""
    monkeypatch.setenv("GITSLOT_STORAGE", "https://127.0.0.1:9/gitslot")
    done = typed("train", "--version", "1", "--model", "churn")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: no data set 'churn': training/data.py has iris,")
    assert "--data" in line


def test_a_silent_registry_is_an_error(typed: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """A registry that does not answer is one sentence, and exit code 2."""
    monkeypatch.setenv("GITSLOT_STORAGE", "https://127.0.0.1:9/gitslot")
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    done = typed("train", "--version", "3")
    assert done.returncode == 2
    said = "error: cannot look for models/iris/3/manifest.json: no login works here: "
    assert said in done.stderr and "Traceback" not in done.stderr
