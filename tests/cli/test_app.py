"""The command line as a whole: help, usage, exit codes, and how it ends."""

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitslot.cli.app import Commands, LocalCommands, run
from gitslot.cli.lazy import Row
from gitslot.report.snapshot import AppView, Snapshot
from gitslot.report.status import Row as SlotRow
from gitslot.state.plain import plain
from reliability.cloud import APP
from tests.cli.clones import Clone
from tests.converged import converged
from tests.processes import python

HERE = Path(__file__).parent
ORDER = (
    *("status", "plan", "logs", "history", "validate", "bump", "rollback", "suspend", "wait"),
    *("More", "reconcile", "retry", "register", "models", "adopt", "doctor", "local"),
)
FILE = "app: az-fct-python-ml\nmodel: iris\nslots:\n  production: 1.4.0\n"


def gitslot(
    *words: str, cwd: Path, stdout: int = subprocess.PIPE, **environ: str
) -> "subprocess.CompletedProcess[str]":
    """Run it in a process of its own, with no target and a narrow terminal's width."""
    environ |= {"PATH": os.environ["PATH"], "HOME": str(cwd), "COLUMNS": "80"}
    return python("-m", "gitslot", *words, cwd=cwd, env=environ, stdout=stdout)


def test_help_shows_the_main_commands_first_and_the_rest_under_more(tmp_path: Path) -> None:
    """Two groups, in the order in which people meet them, without boxes."""
    text = gitslot("--help", cwd=tmp_path).stdout
    at = [text.index(f"\n{name}:" if name == "More" else f"\n  {name} ") for name in ORDER]
    assert at == sorted(at)
    assert "\x1b" not in text and "─" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("words", "imported"),
    [
        (("--help",), []),
        (("local", "--help"), []),
        (("validate", "--offline", "f.yaml"), ["pydantic", "rich", "ruamel", "yaml"]),
        (("bump", "--help"), ["rich", "ruamel", "yaml"]),
    ],
)
def test_a_command_imports_only_what_it_uses(
    tmp_path: Path, words: tuple[str, ...], imported: list[str]
) -> None:
    """What needs no SDK, no Git library and no HTTP does not wait for them to load."""
    (tmp_path / "f.yaml").write_text(FILE)
    script = (
        f"import sys; from gitslot.cli.app import run; assert run({words!r}) == 0;"
        "print(*sorted({n.partition('.')[0] for n in sys.modules} & "
        "{'azure', 'cryptography', 'dulwich', 'pydantic', 'requests', 'rich', 'ruamel', 'yaml'}),"
        "file=sys.stderr)"
    )
    done = python("-c", script, cwd=tmp_path, env=os.environ)
    assert (done.returncode, done.stderr.splitlines()[-1].split()) == (0, imported)


def test_a_command_that_reads_loads_neither_arms_sdk_nor_git_nor_models(tmp_path: Path) -> None:
    """It reads journal, snapshot and registry, in one process as fast as in four."""
    heavy = (
        *("aiohttp", "azure.mgmt", "azure.identity.aio", "dulwich", "numpy", "onnxruntime"),
        *("pydantic", "ruamel", "sklearn", "yaml"),
    )
    script = f"""
import sys
from gitslot.cli import main
for sys.argv[1:] in (["status"], ["logs"], ["history"], ["models"]):
    try:
        main()
    except SystemExit as end:
        print("ends with", end.code)
print("loaded", *[name for name in {heavy!r} if sys.modules.get(name)])
"""
    view, now = AppView((SlotRow(APP, "production", "iris", "1.4.0"),), 0), datetime.now(UTC)
    seen = Snapshot("one", "1", now, 60.0, looked={APP: now}, apps={APP: view})
    with converged(tmp_path) as there:
        there.cloud.blobs.put("state/one.json", json.dumps(plain(seen)).encode())
        env = {"PATH": os.environ["PATH"], **there.environment}
        done = python("-c", script, cwd=tmp_path, env=env)
    assert done.stdout.count("ends with 0") == 4, done.stdout + done.stderr
    assert "Converged" in done.stdout
    assert done.stdout.endswith("loaded\n")


@pytest.mark.parametrize("row", (*Commands.table, *LocalCommands.table), ids=lambda row: row.name)
def test_the_help_of_a_group_and_of_its_command_begin_alike(row: Row) -> None:
    """The table repeats the first line of each command's docstring."""
    assert row.load().help.partition("\n")[0] == row.help


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("gitslot re", ["resume", "reconcile", "retry", "register"]),
        ("gitslot bump pro", ["production"]),
        ("gitslot status az", ["az-fct-python-ml"]),
        ("gitslot logs --app az", ["az-fct-python-ml"]),
        ("gitslot local d", ["down", "demo"]),
        ("gitslot status --wat", ["--watch"]),
    ],
)
def test_the_shell_completes_commands_options_slots_and_apps(
    tmp_path: Path, line: str, offered: list[str]
) -> None:
    """Completion offers what would be accepted there."""
    at = str(len(line.split()) - 1)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / "desired_state.yaml").write_text(FILE)
    done = gitslot(cwd=tmp_path, _GITSLOT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=at)
    assert (done.returncode, done.stdout.split()) == (0, offered)


@pytest.mark.parametrize("line", ["nope", "bump production", "status --wat"])
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path: Path, line: str) -> None:
    """What is wrong, and whose help to read."""
    code, out, err = Clone(tmp_path).gitslot(*line.split())
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("error: ") and "--help" in err


@pytest.mark.parametrize(
    "line", ["status", "logs", "plan", "models", "retry", "doctor", "adopt some-app"]
)
def test_without_a_target_every_command_says_how_to_get_one(tmp_path: Path, line: str) -> None:
    """Never a default subscription; exit code 2, nothing on stdout, no file."""
    code, out, err = Clone(tmp_path).gitslot(*line.split())
    assert (code, out, list(tmp_path.glob("*.yaml"))) == (2, "", [])
    assert "gitslot local up" in err and "GITSLOT_STORAGE" in err


def test_an_unexpected_error_is_one_line_and_debug_shows_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A defect of ours has its own message, without a page of traceback unless it is asked for."""
    (tmp_path / "desired_state.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("gitslot.cli.validate.desired", None)
    assert run(["validate", "desired_state.yaml"]) == 2
    quiet = capsys.readouterr().err
    assert (len(quiet.splitlines()), "Traceback" in quiet) == (1, False)
    assert "--debug" in quiet
    assert run(["validate", "desired_state.yaml", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_closed_pipe_ends_it_quietly(tmp_path: Path) -> None:
    """`gitslot ... | head` leaves no message behind."""
    read, write = os.pipe()
    os.close(read)
    try:
        (tmp_path / "desired_state.yaml").write_text(FILE)
        done = gitslot("validate", "--offline", "desired_state.yaml", cwd=tmp_path, stdout=write)
    finally:
        os.close(write)
    assert done.stderr == ""


# ---------------------------------------------------------------- validate, offline


@pytest.mark.parametrize(
    ("text", "words", "code", "says"),
    [
        (FILE, "--offline", 0, ""),
        (FILE.replace("model:", "modle:"), "--offline", 1, "f.yaml: line 2:"),
        (FILE.replace("model:", "modle:"), "--offline", 1, "did you mean `model`?"),
        (FILE.replace("1.4.0", "1.10"), "--offline", 0, 'line 4: advice: quote it, "1.10"'),
        (FILE, "", 2, "--offline"),
        (None, "--offline", 2, "cannot read"),
    ],
    ids=["well formed", "line", "mend", "advice", "no registry", "no file"],
)
def test_validate_names_line_and_mend(
    tmp_path: Path, text: str | None, words: str, code: int, says: str
) -> None:
    """Offline it is for pre-commit; what could not be checked is not claimed to be right."""
    if text:
        (tmp_path / "f.yaml").write_text(text)
    found, out, err = Clone(tmp_path).gitslot("validate", "f.yaml", *words.split())
    assert (found, says in err, "Traceback" in err) == (code, True, False)
    assert ("well formed" in out, bool(err)) == (code == 0, bool(says))


def test_validate_takes_a_folder_and_names_each_file(tmp_path: Path) -> None:
    """One broken file fails it; the others are shown. One file of it is checked, too."""
    (tmp_path / "apps").mkdir()
    (tmp_path / "apps/good.yaml").write_text("model: m\nslots: {production: 1.10}\n")
    (tmp_path / "apps/broken.yaml").write_text("modle: m\n")
    (tmp_path / "apps/link.yaml").symlink_to("good.yaml")
    (tmp_path / "apps/README").write_text("not an app")
    typed = Clone(tmp_path).gitslot
    code, out, err = typed("validate", "apps", "--offline")
    assert code == 1
    assert "broken.yaml: line 1: unknown key `modle`; did you mean `model`?" in err
    assert "link.yaml: it is not a plain file" in err
    assert 'good.yaml: line 2: advice: quote it, "1.10"' in err
    assert [line.split()[0] for line in out.splitlines()] == ["APP", "good"]
    for name, code in (("good", 0), ("broken", 1)):
        words = ("validate", f"apps/{name}.yaml", "--offline")
        assert typed(*words, GITSLOT_FILE="apps")[0] == code


def test_validate_refuses_two_files_of_one_app(tmp_path: Path) -> None:
    """Azure knows one app by both names."""
    for name in ("churn", "Churn"):
        (tmp_path / f"{name}.yaml").write_text("model: m\nslots: {production: v1}\n")
    code, _, err = Clone(tmp_path).gitslot("validate", ".", "--offline")
    assert (code, "Churn.yaml, churn.yaml; keep one" in err) == (1, True)


def test_version_names_the_commit_that_is_checked_out(tmp_path: Path) -> None:
    """Whoever reports a problem can say which gitslot it was, from anywhere."""
    words = ["git", "rev-parse", "--short=12", "HEAD"]
    head = subprocess.run(words, cwd=HERE, capture_output=True, text=True, check=True).stdout
    done = gitslot("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"gitslot 0.1.0 ({head.strip()})\n")
