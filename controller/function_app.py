"""
The triggers of the controller: a timer tick or a Git push wakes the one worker that reconciles.

A push only wakes the loop; its body is ignored. What is wanted is always read from Git itself.
"""

import hashlib
import hmac
import logging
import os
import threading

import azure.functions as func

from gitslot.edges import settings as settings_
from gitslot.http.client import Http
from gitslot.reconcile import tick
from gitslot.world import SystemClock, credential, open_world

_MAX_PUSH = 1024 * 1024  # bytes; GitHub allows 25 MB, but only the signature is checked
_log = logging.getLogger("gitslot")

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_settings = settings_.read(os.environ)
_clock = SystemClock()
_http = Http()
_world = open_world(_settings, credential(_http), clock=_clock, http=_http)
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
    """Wake the worker on a signed push; return 202 at once."""
    secret = _settings.webhook_secret
    if secret is None:
        return func.HttpResponse("GITSLOT_WEBHOOK_SECRET is not set\n", status_code=404)
    body = req.get_body()
    if len(body) > _MAX_PUSH:
        return func.HttpResponse("too large\n", status_code=413)
    expected = "sha256=" + hmac.new(secret.reveal().encode(), body, hashlib.sha256).hexdigest()
    given = req.headers.get("x-hub-signature-256", "")
    if not hmac.compare_digest(expected.encode(), given.encode("utf-8", "replace")):
        return func.HttpResponse("the signature is wrong\n", status_code=401)
    threading.Thread(target=_reconcile_all, args=("push",), name="reconcile").start()
    return func.HttpResponse(status_code=202)
