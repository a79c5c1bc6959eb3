"""Who may use a slot's Kudu: its publishing user, where that is allowed, or a token for ARM."""

import base64
import binascii
import secrets

from emulator.arm.publishing import user_name
from emulator.login.identity import Identity, TokenRefusedError
from emulator.slots.state import Site, Slot


def caller(
    authorization: str | None, site: Site, slot: Slot, identity: Identity, audience: str
) -> str | None:
    """
    Name who sends *authorization*, a header's value; None where Kudu refuses.

    A user counts while basicPublishingCredentialsPolicies/scm allows it, with or without ``app\\``
    before it; a token needs *audience*. Source:
    https://learn.microsoft.com/azure/app-service/configure-basic-auth-disable
    """
    scheme, _, rest = (authorization or "").partition(" ")
    if scheme.lower() == "basic":
        return _user(rest, site, slot)
    try:
        return identity.verify(authorization, audience).name
    except TokenRefusedError:
        return None


def _user(encoded: str, site: Site, slot: Slot) -> str | None:
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    known = user_name(site, slot)
    given = user.rpartition("\\")[2]
    right = given.lower() == known.lower() and bool(slot.publishing_password)
    same = secrets.compare_digest(password.encode(), slot.publishing_password.encode())
    return known if slot.scm_basic_auth and right and same else None
