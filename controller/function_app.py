"""
The triggers of the controller: a timer or a Git push starts a round, or wakes the one that goes.
The page shows what passes saw.

A push only wakes the loop; its body is ignored. What is wanted is always read from Git itself.
"""

import logging
import os
import threading

import azure.functions as func

from gitslot.edges import settings as settings_
from gitslot.edges import webhook
from gitslot.http.client import Http
from gitslot.http.login import credential
from gitslot.record.alert import alerting
from gitslot.record.log import log_event, print_log
from gitslot.registry.registry import Registry
from gitslot.report.page.page import Page
from gitslot.report.snapshot import Snapshots
from gitslot.rounds import Rounds, in_a_thread
from gitslot.world import open_world

_GIT_PATIENCE_S = 5.0  # a look at what Git sends slowly waits no longer

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
print_log()
try:
    _settings = settings_.read(os.environ)
    _http = Http()
    _credential = credential(_http)
    _tell = alerting(_http, _settings.alert_url[0].reveal()) if _settings.alert_url else log_event
    _world = open_world(_settings, _credential, tell=_tell, http=_http, patience_s=_GIT_PATIENCE_S)
except Exception:
    logging.getLogger("gitslot").exception("the controller cannot start")
    raise
_blobs = _world.journal.blobs
_shown = Snapshots(_blobs, _world.clock, _settings, _world.looker)
_rounds = Rounds(_world, threads=_settings.policy.threads, start=in_a_thread, shown=_shown)
_page = Page(_blobs, Registry(_settings.storage, _credential, _http), _settings.repository)


@app.timer_trigger(arg_name="ticks", schedule=_settings.schedule, run_on_startup=False)
def timer(ticks: func.TimerRequest) -> None:
    """Compare Git with the slots, and reconcile."""
    del ticks
    _rounds.go("timer")


@app.route("api/reconcile", methods=["POST"])
async def push(req: func.HttpRequest) -> func.HttpResponse:
    """Wake the worker on a push that is the Git host's; return 202 at once."""
    headers = {name.lower(): value for name, value in req.headers.items()}
    secrets = [secret.reveal() for secret in _settings.webhook_secrets]
    verdict = webhook.judge(_settings.git_host, headers, req.get_body(), secrets)
    if verdict.wakes:
        threading.Thread(target=_rounds.go, args=("push",), name="reconcile").start()
    return func.HttpResponse(f"{verdict.why}\n", status_code=verdict.status)


@app.route("{*path}", methods=["GET", "POST"], auth_level=func.AuthLevel.FUNCTION)
def page(req: func.HttpRequest) -> func.HttpResponse:
    """Show what the controller sees; change nothing."""
    headers = {name.lower(): value for name, value in req.headers.items()}
    path = req.route_params.get("path", "").strip("/")
    reply = _page.answer(path, headers, req.get_body(), _world.clock.now())
    return func.HttpResponse(reply.body, status_code=reply.status, headers=dict(reply.headers))
