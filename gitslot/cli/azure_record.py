"""`gitslot azure record`: write ARM's answers to a file, without names and secrets."""

import json
from typing import Annotated

import typer

from gitslot.cli.session import session_of
from gitslot.edges.azure.arm import Azure
from gitslot.http.client import Http
from gitslot.http.login import credential
from gitslot.report.azure_record import Recorder, reads


def record(
    ctx: typer.Context,
    app: Annotated[str, typer.Argument(metavar="APP", help="The function app's name.")],
    file: Annotated[str, typer.Argument(metavar="FILE")] = "azure-answers.json",
    seconds: Annotated[int, typer.Option("--for", help="Ask for so many seconds.")] = 0,
) -> None:
    """Write ARM's answers about an app to a file.

    It makes the controller's reads, every 5 s with --for, and your own sign-in.
    Names, ids, hosts, settings and secrets are replaced.
    """
    session = session_of(ctx)
    session.needs_no_repository()
    recorder = Recorder(Http())
    azure = Azure(session.settings().arm, credential(), http=recorder)
    ref = azure.locate(app, None, None)
    for left in range(seconds, -1, -5):
        reads(azure, ref)
        session.sleep(min(left, 5))
    (session.cwd / file).write_text(json.dumps(recorder.answers, indent=1), encoding="utf-8")
    session.print_err(f"written: {file}, {len(recorder.answers)} answers; read it, then send it")
