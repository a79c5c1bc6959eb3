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


@dataclass(frozen=True, slots=True)
class ServicePrincipal:
    """An application that signs in with a secret."""

    caller: Caller
    secret: str


class Entra:
    """Answers at *url* for the one tenant of *identity*."""

    def __init__(
        self, identity: Identity, url: str, principals: Mapping[str, ServicePrincipal]
    ) -> None:
        self.identity = identity
        self.url = url
        self.principals = principals

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, Mapping[str, Any]] | None:
        """Return status and JSON of the answer; None if the path is not one of Entra's."""
        if found := TOKEN.fullmatch(path):
            if method != "POST":
                return self._refused(
                    400, "invalid_request", 900561, "The endpoint only accepts POST requests."
                )
            return self._token(found[1], dict(parse_qsl(body.decode("utf-8", "replace"))))
        for pattern, content in ((DISCOVERY, self._configuration), (KEYS, self._keys)):
            if (found := pattern.fullmatch(path)) and method == "GET":
                return self._stranger(found[1]) or (200, content(found[1]))
        return None

    def _stranger(self, tenant: str) -> tuple[int, Mapping[str, Any]] | None:
        if tenant.lower() in (ADFS, self.identity.tenant):
            return None
        return self._refused(
            400,
            "invalid_tenant",
            90002,
            f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and "
            "are signing into the correct cloud. Check with your subscription administrator, this "
            "may happen if there are no active subscriptions for the tenant.",
        )

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

    def _token(self, tenant: str, form: Mapping[str, str]) -> tuple[int, Mapping[str, Any]]:
        stranger = self._stranger(tenant)
        if stranger is not None:
            return stranger
        client = form.get("client_id", "")
        if not client:
            return self._refused(
                400,
                "invalid_request",
                900144,
                "The request body must contain the following parameter: 'client_id'.",
            )
        if form.get("grant_type") != "client_credentials":
            grant = form.get("grant_type", "")
            message = f"The app requested an unsupported grant type '{grant}'."
            return self._refused(400, "unsupported_grant_type", 70003, message)
        known = self.principals.get(client.lower())
        if known is None:
            return self._refused(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client}' was not found in the directory "
                f"'{self.identity.tenant}'. This can happen if the application has not been "
                "installed by the administrator of the tenant or consented to by any user in the "
                "tenant. You may have sent your authentication request to the wrong tenant.",
            )
        if "client_secret" not in form:
            return self._refused(
                401,
                "invalid_client",
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or "
                "'client_secret'.",
            )
        if not secrets.compare_digest(form["client_secret"].encode(), known.secret.encode()):
            return self._refused(
                401,
                "invalid_client",
                7000215,
                "Invalid client secret provided. Ensure the secret being sent in the request is "
                "the client secret value, not the client secret ID, for a secret added to app "
                f"'{client}'.",
            )
        asked = form.get("scope", "").removesuffix("/.default") or form.get("resource", "")
        if asked.rstrip("/") not in KNOWN | {self.url}:
            return self._refused(
                400,
                "invalid_resource",
                500011,
                f"The resource principal named {asked} was not found in the tenant named "
                f"{self.identity.tenant}.",
            )
        token, ends = self.identity.mint(known.caller, asked)
        seconds = ends - int(self.identity.now())
        return 200, {
            "token_type": "Bearer",
            "expires_in": seconds,
            "ext_expires_in": seconds,
            "access_token": token,
        }

    def _refused(
        self, status: int, error: str, code: int, message: str
    ) -> tuple[int, Mapping[str, Any]]:
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
