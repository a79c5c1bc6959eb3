"""
The serving contract (docs/use/serving-contract.md) for a function app of your own:

    served = Served(load)  # load(artifact: bytes, manifest: dict) returns your model
    app.register_functions(served.blueprint)  # then answer from served.model, with served.headers
"""

import json
import os
import threading
from hashlib import sha256
from pathlib import Path
from traceback import format_exc
from typing import Any
from urllib.request import Request, urlopen

import azure.functions as func

CAP, FIRST_S, PAUSE_S = 256 << 20, 20.0, 10.0  # bytes of a blob; seconds: first load, pause
NAME, DEPLOY, STORE = (os.environ.get(f"MODEL_{key}", "") for key in ("NAME", "DEPLOY", "STORE"))
VERSION, _, PIN = os.environ.get("MODEL_VERSION", "").partition("@sha256:")
STAMP = Path(__file__).with_name("build.json")  # gitslot package writes it
CLIENT = os.environ.get("AZURE_CLIENT_ID", "")
IDENTITY = "?resource=https://storage.azure.com&api-version=2019-08-01"


def _get(url: str, headers: dict[str, str]) -> bytes:
    request = Request(url)  # noqa: S310 - the address is one of the slot's own settings
    request.unredirected_hdrs |= headers  # a redirect must not take the token along
    with urlopen(request, timeout=10) as answer:  # noqa: S310 - see above
        return bytes(answer.read(CAP))


class Served:
    """The *model* that the slot's settings name; None until it is loaded, its bytes checked."""

    def __init__(self, load: Any, **more: Any) -> None:
        self.model, self.digest, self.reason, self._load = None, "", "NoModel", load
        code = json.loads(STAMP.read_bytes())["build"] if STAMP.exists() else "source"
        self._facts = {"model": NAME, "version": VERSION, "deploy": DEPLOY, "code": code, **more}
        self.blueprint = func.Blueprint()  # type: ignore[no-untyped-call]  # as Microsoft ships it
        self.blueprint.route("health", methods=["GET"], auth_level="anonymous")(self.health)
        if VERSION:
            (loading := threading.Thread(target=self._run, daemon=True)).start()
            loading.join(FIRST_S)  # a slot that answers at all answers with its model

    @property
    def headers(self) -> dict[str, str]:
        facts = {"version": VERSION if self.digest else "", "digest": self.digest, "deploy": DEPLOY}
        return {f"x-model-{name}": value or "none" for name, value in facts.items()}

    def health(self, req: func.HttpRequest) -> func.HttpResponse:
        body = json.dumps({**self._facts, "digest": self.digest, "reason": self.reason})
        status = 503 if self.reason else 200
        return func.HttpResponse(body, status_code=status, headers=self.headers)

    def _run(self) -> None:
        try:
            self._attempt()
        except Exception:  # noqa: BLE001 - printed: on Azure a log line outside of a call is lost
            print(json.dumps({"event": self.reason, "message": format_exc()}), flush=True)
            threading.Timer(PAUSE_S, self._run).start()  # a daemon, as the thread that starts it

    def _attempt(self) -> None:
        self.reason = "SettingsInvalid"
        if "@Microsoft.KeyVault(" in NAME + VERSION + STORE + CLIENT:
            raise ValueError("a Key Vault reference is not resolved: add Key Vault Secrets User")
        self.reason, header = "RegistryUnavailable", os.environ["IDENTITY_HEADER"]
        url = os.environ["IDENTITY_ENDPOINT"] + IDENTITY + f"&client_id={CLIENT}" * bool(CLIENT)
        token = json.loads(_get(url, {"X-IDENTITY-HEADER": header}))["access_token"]
        headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"}
        raw = _get((folder := f"{STORE}/models/{NAME}/{VERSION}") + "/manifest.json", headers)
        manifest, digest = json.loads(raw), sha256(raw).hexdigest()
        artifact = _get(f"{folder}/{manifest['artifact']['name']}", headers)
        given = digest, sha256(artifact).hexdigest()
        if (PIN or digest, manifest["artifact"]["sha256"]) != given:
            self.reason = "DigestMismatch"
            raise ValueError("the registry holds other bytes than are pinned")
        self.reason = "LoadFailed"
        self.model, self.digest, self.reason = self._load(artifact, manifest), digest, ""
