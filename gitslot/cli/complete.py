"""What the shell completes: apps and versions, of the checkout around here and its registry."""

import io
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from gitslot.cli.session import Session
from gitslot.errors import GitslotError

if TYPE_CHECKING:
    from gitslot.state.wanted import App


def complete_app() -> list[str]:
    """Return the apps; typer takes those that fit."""
    return [app.name for app in _apps(Session(err=io.StringIO()))]


def complete_version() -> list[str]:
    """Return the registered versions of any app's model."""
    session, found = Session(err=io.StringIO()), list[str]()
    with suppress(GitslotError):
        for model in sorted({app.model for app in _apps(session)}):
            found += session.registry_alone().versions(model)
    return found


def _apps(session: Session) -> "list[App]":
    from gitslot.cli import checkout, validate  # noqa: PLC0415 - slow import, completion's alone

    with suppress(GitslotError):
        return validate.apps_of(session, checkout.Checkout.around(session).path)[0]
    return []


AppArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="APP", autocompletion=complete_app, help="Which app, also --app APP; else all."
    ),
]
