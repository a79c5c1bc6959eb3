"""
The triggers of the controller: a timer or a Git push starts a round, or wakes the one that goes.

A push only wakes the loop; its body is ignored. What is wanted is always read from Git itself.
"""

import hashlib
import hmac
import os
import threading

import azure.functions as func

from gitslot.edges import settings as settings_
from gitslot.rounds import Rounds, in_a_thread
from gitslot.world import credential, open_world

_MAX_PUSH = 1024 * 1024  # bytes; GitHub allows 25 MB, but only the signature is checked

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
_settings = settings_.read(os.environ)
_rounds = Rounds(
    open_world(_settings, credential()), threads=_settings.policy.threads, start=in_a_thread
)


@app.timer_trigger(arg_name="ticks", schedule=_settings.schedule, run_on_startup=False)
def timer(ticks: func.TimerRequest) -> None:
    """Compare Git with the slots, and reconcile."""
    del ticks
    _rounds.go("timer")


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
    threading.Thread(target=_rounds.go, args=("push",), name="reconcile").start()
    return func.HttpResponse(status_code=202)
