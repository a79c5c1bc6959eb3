"""`gitslot` typed on a stage, in this process because starting one takes a second."""

import io
import json
from dataclasses import dataclass
from typing import Any

from gitslot.cli.app import run
from gitslot.cli.session import Session
from gitslot.record.blobs import AzureBlobs
from gitslot.record.journal import Journal
from gitslot.registry.registry import Registry
from gitslot.report.doctor.gather import open_examiner
from gitslot.world import open_world
from tests.story.stage import Stage


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        return json.loads(self.out)

    @property
    def results(self) -> dict[str, str]:
        """Return the result of each check of `doctor`."""
        return {each["check"]: each["result"] for each in self.data}

    def fixes(self, check: str) -> list[str]:
        return [fix for each in self.data if each["check"] == check for fix in each["fixes"]]


def gitslot(stage: Stage, *words: str, **changes: str) -> Done:
    """Run a command to its end, without any controller beside it."""
    out, err = io.StringIO(), io.StringIO()
    credential = stage.platform.credential
    session = Session(
        {**stage.repository.env, **stage.environment, **changes},
        stage.repository.path,
        out,
        err,
        open_world=lambda settings: open_world(settings, credential, tell=lambda _: None),
        open_journal=lambda settings: Journal(AzureBlobs(settings.storage, credential)),
        open_registry=lambda settings: Registry(settings.storage, credential),
        open_examiner=lambda settings, flaw: open_examiner(settings, credential, flaw),
    )
    return Done(run(words, session), out.getvalue(), err.getvalue())
