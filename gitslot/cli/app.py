"""
The commands in their order, and what happens when one of them ends badly.
"""

import os
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer
from typer.exceptions import TyperException

from gitslot.cli import adopt, doctor, edit, logs, models, plan, reconcile, status, validate
from gitslot.cli.session import Session, session_of
from gitslot.errors import GitslotError
from gitslot.local import command
from gitslot.state.safe_text import safe

_MORE = "More"

app = typer.Typer(
    name="gitslot",
    help="Keep deployment slots equal to a file in Git.",
    epilog="Exit codes: 0 in sync or done, 1 drift or not done, 2 error.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    ctx: typer.Context,
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")
    ] = False,
) -> None:
    session = session_of(ctx)
    session.debug = session.debug or debug


app.command()(status.status)
app.command()(plan.plan)
app.command()(logs.logs)
app.command()(logs.history)
app.command()(validate.validate)
app.command()(edit.bump)
app.command()(edit.rollback)
app.command(rich_help_panel=_MORE)(reconcile.reconcile)
app.command(rich_help_panel=_MORE)(reconcile.retry)
app.command(rich_help_panel=_MORE)(models.models)
app.command(rich_help_panel=_MORE)(adopt.adopt)
app.command(rich_help_panel=_MORE)(doctor.doctor)


app.add_typer(command.local_app, name="local", rich_help_panel=_MORE)


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command and return its exit code; nothing is raised but SystemExit of completion."""
    session = session or Session()
    words = _without_debug(arguments, session)
    try:
        code = app(words, prog_name="gitslot", standalone_mode=False, obj=session)
        session.out.flush()
    except GitslotError as error:
        session.say(f"error: {error.message} ({error.reason})")
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
        session.say(f"error: {type(error).__name__}: {_one_line(error)}; --debug shows where")
        if session.debug:
            traceback.print_exc(file=session.err)
        return 2
    return code if isinstance(code, int) else 0


def _without_debug(arguments: Sequence[str], session: Session) -> list[str]:
    """Take --debug wherever it stands: who needs it has typed the rest already."""
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
        session.say(f"error: {message.rstrip('.')}; see `{path} --help`")
    return error.exit_code


def _one_line(error: Exception) -> str:
    return safe(str(error).strip().partition("\n")[0], 300) or "no message"
