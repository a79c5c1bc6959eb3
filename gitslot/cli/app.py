"""The table of commands, and what happens when one of them fails."""

import os
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from gitslot.cli.lazy import LazyGroup, Row
from gitslot.cli.session import Session, session_of
from gitslot.errors import GitslotError
from gitslot.state.safe_text import safe

_MORE = "More"


class Commands(LazyGroup):
    """The commands of `gitslot`, without the group `local`."""

    table = (
        Row("status", "cli.status", "Show what users get of each slot, and what is wanted."),
        Row("plan", "cli.plan", "Show what the controller would do now, or for a revision."),
        Row("logs", "cli.logs", "Show the reconcile log: one line per transition."),
        Row("history", "cli.logs", "Show what production served, and when."),
        Row(
            "validate", "cli.validate", "Check the file or folder, its versions and their digests."
        ),
        Row("bump", "cli.edit", "Set a slot's version in the app's file, and commit it."),
        Row(
            "rollback",
            "cli.rollback",
            "Take production back to what was asked for before.",
        ),
        Row("suspend", "cli.edit", "Have the controller leave an app alone, by a commit."),
        Row("resume", "cli.edit", "Take `suspend` out of an app's file, and commit it."),
        Row("wait", "cli.wait", "Wait until the controller is done with a commit."),
        Row("reconcile", "cli.reconcile", "Reconcile now, to the end, and show the result.", _MORE),
        Row("retry", "cli.reconcile", "Clear a stall or a freeze, to try again.", _MORE),
        Row("register", "cli.register", "Put a trained model into the registry.", _MORE),
        Row("models", "cli.models", "Show registered versions and where each runs.", _MORE),
        Row(
            "package",
            "cli.package",
            "Put a function app into the registry, for `code:` to name.",
            _MORE,
        ),
        Row("init", "cli.init", "Write what a team's own repository needs.", _MORE),
        Row("adopt", "cli.adopt", "Write the file that says what an app serves now.", _MORE),
        Row("doctor", "cli.doctor", "Check what a release needs, and how to fix it.", _MORE),
    )


class LocalCommands(LazyGroup):
    """The commands of `gitslot local`."""

    table = (
        Row("up", "local.up", "Start the platform on your checkout and follow its newest commit."),
        Row("down", "local.command", "Stop the platform and everything that it started."),
        Row("env", "local.command", "Print variables that point Azure clients at the platform."),
        Row("demo", "local.demo", "Watch the whole story on its own platform, in a minute."),
    )


class AzureCommands(LazyGroup):
    """The commands of `gitslot azure`."""

    table = (Row("record", "cli.azure_record", "Write ARM's answers about an app to a file."),)


app = typer.Typer(
    name="gitslot",
    cls=Commands,
    help="Keep deployment slots equal to a file in Git.",
    epilog="Exit codes: 0 in sync or done, 1 drift or not done, 2 error.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _group, _help in (
    (
        "local",
        LocalCommands,
        "The local platform: real slots, real blobs, real git, no cloud account.",
    ),
    ("azure", AzureCommands, "Ask Azure what it answers."),
):
    _commands = typer.Typer(cls=_group, no_args_is_help=True, rich_markup_mode=None, help=_help)
    app.add_typer(_commands, name=_name, rich_help_panel=_MORE)


def _version(ctx: typer.Context, asked: bool) -> None:
    """Print which gitslot this is, and end, if that was *asked*."""
    if asked:
        from gitslot.edges.installed import installed  # noqa: PLC0415 - slow import, seldom needed

        session_of(ctx).out.write(f"gitslot {installed().described}\n")
        raise typer.Exit


@app.callback()
def _options(
    ctx: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print version and commit."
        ),
    ] = False,
) -> None:
    session = session_of(ctx)
    session.debug = session.debug or debug


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command and return its exit code. Only shell completion raises (SystemExit)."""
    session = session or Session()
    words = _without_debug(arguments, session)
    if words[-1:] == ["--to"]:
        words.append("")  # without a value, it is answered with the values that there are
    try:
        code = app(words, prog_name="gitslot", standalone_mode=False, obj=session)
        session.out.flush()
    except GitslotError as error:
        session.print_err(f"error: {error.message} ({error.reason})")
        if session.debug:
            traceback.print_exc(file=session.err)
        return 2
    except TyperException as error:
        return _usage(error, session)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), session.out.fileno())
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last resort: one line, not a page
        session.print_err(f"error: {type(error).__name__}: {_one_line(error)}; --debug shows where")
        if session.debug:
            traceback.print_exc(file=session.err)
        return 2
    return code if isinstance(code, int) else 0


def _without_debug(arguments: Sequence[str], session: Session) -> list[str]:
    """Accept --debug anywhere: people add it at the end of a line that failed."""
    words = list(arguments)
    end = words.index("--") if "--" in words else len(words)
    if "--debug" in words[:end]:
        session.debug = True
        words = [word for word in words[:end] if word != "--debug"] + words[end:]
    return words


def _usage(error: TyperException, session: Session) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "gitslot"
    message = error.format_message()
    if message:
        session.print_err(f"error: {message.rstrip('.')}; see `{path} --help`")
    return error.exit_code


def _one_line(error: Exception) -> str:
    return safe(str(error).strip().partition("\n")[0], 300) or "no message"
