"""Who may use a slot's Kudu: its publishing user, if that is allowed, or a token for ARM."""

import base64
import binascii
import secrets

from emulator.login.identity import Identity, TokenRefusedError
from emulator.slots.state import PRODUCTION, Site, Slot


def content_name(site: Site, slot: Slot) -> str:
    """Return the slot's name in publishing profiles: ``app``, ``app__staging``."""
    return site.name if slot.key == PRODUCTION else f"{site.name}__{slot.name}"


def user_name(site: Site, slot: Slot) -> str:
    """Return the slot's publishing user, as in publishing profiles: ``$app``, ``$app__staging``."""
    return f"${content_name(site, slot)}"


def caller(
    authorization: str | None, site: Site, slot: Slot, identity: Identity, audience: str
) -> str | None:
    """
    Return the name of who sent *authorization*, a header's value; None if Kudu refuses it.

    The publishing user, with or without ``app\\`` in front, is accepted while
    basicPublishingCredentialsPolicies/scm allows it. A token must be for *audience*. Source:
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
