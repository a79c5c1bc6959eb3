"""
Managed identities and their signed tokens.

A header names the caller, as on App Service; the token carries that name to ARM, which checks
signature, audience, issuer and time. Azurite reads the same tokens without checking the signature.
Source: https://learn.microsoft.com/azure/app-service/overview-managed-identity (REST endpoint
reference)
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.types import Options

STORAGE = "https://storage.azure.com"
KNOWN = frozenset({STORAGE, "https://management.azure.com", "https://management.core.windows.net"})
KEY_ID = "gitslot-local"
CHECKS: Options = {
    "verify_aud": False,
    "verify_exp": False,
    "require": ["exp", "nbf", "aud", "iss", "oid"],
}
LIFETIME_S = 24 * 3600  # what managed identities get


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of an identity; the history records *name*."""

    name: str
    principal: str
    resource_id: str | None = None
    client: str = ""  # if it differs from the principal
    others: tuple["Caller", ...] = ()  # user-assigned identities that the holder may use
    system: bool = True  # whether it has an identity of its own

    def goes_by(self, word: str) -> bool:
        """Return whether *word*, an id in a request for a token, means this caller."""
        ids = {self.principal, self.client or self.principal, self.resource_id or ""}
        return word.lower() in {known.lower() for known in ids if known}


class TokenRefusedError(Exception):
    """ARM answers 401 with this code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def new_signing_key() -> str:
    """Return a fresh RSA key as PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


class Identity:
    """Mints and verifies tokens of one tenant."""

    def __init__(self, tenant: str, signing_key: str, now: Callable[[], float]) -> None:
        key = serialization.load_pem_private_key(signing_key.encode(), None)
        assert isinstance(key, rsa.RSAPrivateKey)
        self.tenant = tenant
        self.issuer = f"https://sts.windows.net/{tenant}/"
        self.now = now
        self._key = key
        self._public = key.public_key()
        self._verified: dict[str, tuple[Mapping[str, Any], Caller]] = {}

    def public_key(self) -> Mapping[str, Any]:
        """Return the key that verifies tokens, as a JSON Web Key."""
        key: Mapping[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self._public, as_dict=True)
        return {**key, "kid": KEY_ID, "use": "sig", "issuer": self.issuer}

    def mint(self, caller: Caller, resource: str) -> tuple[str, int]:
        """Return a bearer token for *resource* and the unix second at which it expires."""
        now = int(self.now())
        claims = {
            "aud": resource,
            "iss": self.issuer,
            "iat": now,
            "nbf": now - 300,
            "exp": now + LIFETIME_S,
            "appid": caller.client or caller.principal,
            "appidacr": "2",
            "idp": self.issuer,
            "idtyp": "app",
            "oid": caller.principal,
            "sub": caller.principal,
            "tid": self.tenant,
            "uti": uuid.uuid4().hex,
            "ver": "1.0",
            "app_displayname": caller.name,
            **({"xms_mirid": caller.resource_id} if caller.resource_id else {}),
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": KEY_ID})
        return token, now + LIFETIME_S

    def verify(self, authorization: str | None, audience: str) -> Caller:
        """
        Return who sent *authorization*, a header's value.

        Raises TokenRefusedError with ARM's code and message.
        """
        if not authorization:
            message = "Authentication failed. The 'Authorization' header is missing."
            raise TokenRefusedError("AuthenticationFailed", message)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            message = "Authentication failed. The 'Authorization' header is provided in an invalid "
            raise TokenRefusedError("AuthenticationFailedInvalidHeader", f"{message}format.")
        claims, caller = self._verified.get(token) or self._check(token)
        if claims["exp"] <= self.now():
            message = "The access token expiry UTC time is earlier than current UTC time."
            raise TokenRefusedError("ExpiredAuthenticationToken", message)
        if claims["aud"].rstrip("/") != audience.rstrip("/"):
            raise TokenRefusedError(
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource "
                f"'{claims['aud']}'. It should exactly match with one of the allowed audiences "
                f"'{audience}','{audience}/'.",
            )
        return caller

    def _check(self, token: str) -> tuple[Mapping[str, Any], Caller]:
        try:
            claims = jwt.decode(
                token, self._public, algorithms=["RS256"], issuer=self.issuer, options=CHECKS
            )
        except jwt.InvalidIssuerError as error:
            raise TokenRefusedError(
                "InvalidAuthenticationTokenTenant",
                "The access token is from the wrong issuer. It must match the tenant "
                f"'{self.issuer}' associated with this subscription.",
            ) from error
        except jwt.InvalidTokenError as error:
            message = "The access token is invalid."
            raise TokenRefusedError("InvalidAuthenticationToken", message) from error
        caller = Caller(claims.get("app_displayname", claims["oid"]), claims["oid"])
        if len(self._verified) > 1000:
            self._verified.clear()
        self._verified[token] = (claims, caller)
        return claims, caller
