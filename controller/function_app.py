"""
The triggers of the controller: a timer tick or a Git push wakes the one worker that reconciles.

A push only wakes the loop; its body is ignored. What is wanted is always read from Git itself.
"""

import logging
import os
import threading

import azure.functions as func

from gitslot.edges import settings as settings_
from gitslot.edges import webhook
from gitslot.http.client import Http
from gitslot.reconcile import tick
from gitslot.world import SystemClock, credential, open_world

_GIT_PATIENCE_S = 5.0  # a look at what Git sends slowly waits no longer
_log = logging.getLogger("gitslot")

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_settings = settings_.read(os.environ)
_clock = SystemClock()
_http = Http()
_world = open_world(
    _settings, credential(_http), clock=_clock, http=_http, patience_s=_GIT_PATIENCE_S
)
_busy = threading.Lock()
_again = threading.Event()


def _reconcile_all(trigger: str) -> None:
    """Reconcile every app; a wake-up during a round asks for one more round."""
    _again.set()
    while _again.is_set():  # checked again after the release, so that no wake-up is lost
        if not _busy.acquire(blocking=False):
            _clock.wake()
            return
        try:
            _again.clear()
            for name, stop in tick(_world, trigger).items():
                _log.debug("%s: %s", name, stop)
        finally:
            _busy.release()


@app.timer_trigger(arg_name="ticks", schedule=_settings.schedule, run_on_startup=False)
def timer(ticks: func.TimerRequest) -> None:
    """Compare Git with the slots, and reconcile."""
    del ticks
    _reconcile_all("timer")


@app.route("api/reconcile", methods=["POST"])
async def push(req: func.HttpRequest) -> func.HttpResponse:
    """Wake the worker on a push that is the Git host's; return 202 at once."""
    headers = {name.lower(): value for name, value in req.headers.items()}
    secrets = [secret.reveal() for secret in _settings.webhook_secrets]
    verdict = webhook.judge(_settings.git_host, headers, req.get_body(), secrets)
    if verdict.wakes:
        threading.Thread(target=_reconcile_all, args=("push",), name="reconcile").start()
    return func.HttpResponse(f"{verdict.why}\n", status_code=verdict.status)
