"""
The parts of Microsoft Entra ID that a service principal needs: discovery, keys, tokens.

It has two addresses: ``/adfs``, which keeps `az` and MSAL from asking the public cloud about us,
and ``/<tenant>`` with the version 2.0 paths. Refusals have the shape of Entra's, as in
Azure/sap-automation#418 (AADSTS7000215); the messages of the other codes are those of
https://learn.microsoft.com/entra/identity-platform/reference-error-codes.
"""

import re
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from emulator.login.identity import KNOWN, Caller, Identity

DISCOVERY = re.compile(r"/([^/]+)(?:/v2\.0)?/\.well-known/openid-configuration")
TOKEN = re.compile(r"/([^/]+)/oauth2(?:/v2\.0)?/token")
KEYS = re.compile(r"/([^/]+)/discovery(?:/v2\.0)?/keys")
ADFS = "adfs"

# The error and the message of each code.
REFUSALS: Mapping[int, tuple[str, str]] = {
    70003: ("unsupported_grant_type", "The app requested an unsupported grant type '{given}'."),
    90002: (
        "invalid_tenant",
        "Tenant '{given}' not found. Check to make sure you have the correct tenant ID and are "
        "signing into the correct cloud. Check with your subscription administrator, this may "
        "happen if there are no active subscriptions for the tenant.",
    ),
    500011: (
        "invalid_resource",
        "The resource principal named {given} was not found in the tenant named {tenant}.",
    ),
    700016: (
        "unauthorized_client",
        "Application with identifier '{given}' was not found in the directory '{tenant}'. This can "
        "happen if the application has not been installed by the administrator of the tenant or "
        "consented to by any user in the tenant. You may have sent your authentication request to "
        "the wrong tenant.",
    ),
    900144: (
        "invalid_request",
        "The request body must contain the following parameter: 'client_id'.",
    ),
    900561: ("invalid_request", "The endpoint only accepts POST requests."),
    7000215: (
        "invalid_client",
        "Invalid client secret provided. Ensure the secret being sent in the request is the client "
        "secret value, not the client secret ID, for a secret added to app '{given}'.",
    ),
    7000218: (
        "invalid_client",
        "The request body must contain the following parameter: 'client_assertion' or "
        "'client_secret'.",
    ),
}

type Answer = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application that signs in with a secret."""

    caller: Caller
    secret: str


@dataclass(frozen=True)
class Entra:
    """Answers at *url* for the one tenant of *identity*."""

    identity: Identity
    url: str
    principals: Mapping[str, ServicePrincipal]

    def answer(self, method: str, path: str, body: bytes) -> Answer | None:
        """Return status and JSON of the answer; None if the path is not one of Entra's."""
        if found := TOKEN.fullmatch(path):
            if method != "POST":
                return self._refused(900561)
            return self._token(found[1], dict(parse_qsl(body.decode("utf-8", "replace"))))
        for pattern, content in ((DISCOVERY, self._configuration), (KEYS, self._keys)):
            if (found := pattern.fullmatch(path)) and method == "GET":
                return self._stranger(found[1]) or (200, content(found[1]))
        return None

    def _stranger(self, tenant: str) -> Answer | None:
        known = tenant.lower() in (ADFS, self.identity.tenant)
        return None if known else self._refused(90002, tenant)

    def _configuration(self, tenant: str) -> Mapping[str, Any]:
        base = f"{self.url}/{tenant}"
        version = "" if tenant.lower() == ADFS else "/v2.0"
        return {
            "issuer": self.identity.issuer,
            "authorization_endpoint": f"{base}/oauth2{version}/authorize",
            "token_endpoint": f"{base}/oauth2{version}/token",
            "jwks_uri": f"{base}/discovery{version}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "response_types_supported": ["code", "id_token", "code id_token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "subject_types_supported": ["pairwise"],
            "scopes_supported": ["openid"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def _keys(self, _tenant: str) -> Mapping[str, Any]:
        return {"keys": [self.identity.public_key()]}

    def _token(self, tenant: str, form: Mapping[str, str]) -> Answer:
        if stranger := self._stranger(tenant):
            return stranger
        client = form.get("client_id", "")
        if not client:
            return self._refused(900144)
        if form.get("grant_type") != "client_credentials":
            return self._refused(70003, form.get("grant_type", ""))
        known = self.principals.get(client.lower())
        if known is None:
            return self._refused(700016, client)
        if "client_secret" not in form:
            return self._refused(7000218)
        if not secrets.compare_digest(form["client_secret"].encode(), known.secret.encode()):
            return self._refused(7000215, client)
        asked = form.get("scope", "").removesuffix("/.default") or form.get("resource", "")
        if asked.rstrip("/") not in KNOWN | {self.url}:
            return self._refused(500011, asked)
        token, ends = self.identity.mint(known.caller, asked)
        seconds = ends - int(self.identity.now())
        lifetime = {"expires_in": seconds, "ext_expires_in": seconds}
        return 200, {"token_type": "Bearer", **lifetime, "access_token": token}

    def _refused(self, code: int, given: str = "") -> Answer:
        error, message = REFUSALS[code]
        message = message.format(given=given, tenant=self.identity.tenant)
        status = 401 if error == "invalid_client" else 400
        now = datetime.fromtimestamp(self.identity.now(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        return status, {
            "error": error,
            "error_description": f"AADSTS{code}: {message} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {now}",
            "error_codes": [code],
            "timestamp": now,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{self.url}/error?code={code}",
        }
