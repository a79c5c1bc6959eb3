"""
Credentials, profiles and policies for publishing through Kudu.

Kudu itself is at the host that hostNameSslStates names as Repository.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import quoteattr

from emulator.arm.bodies import child_body, site_name
from emulator.arm.calls import Answer, Call, invalid, part
from emulator.arm.handling import Params, changed, refuse_if_busy, slot_of
from emulator.scm.access import content_name, user_name
from emulator.slots.azure import Azure
from emulator.slots.state import Site, Slot

UNUSED = ("SQLServerDBConnectionString", "mySQLDBConnectionString", "hostingProviderForumLink")


def credentials(azure: Azure, _call: Call, params: Params) -> Answer:
    """
    Return user and password of the slot's Kudu: a long-running operation that ends at once.

    Shape: what `az webapp deployment list-publishing-credentials` shows in public transcripts.
    """
    site, slot = slot_of(azure, params)
    user = user_name(site, slot)
    properties = {
        **dict.fromkeys(("name", "publishingPasswordHash", "publishingPasswordHashSalt")),
        "publishingUserName": user,
        "publishingPassword": slot.publishing_password,
        "metadata": None,
        "isDeleted": False,
        "scmUri": f"https://{user}:{slot.publishing_password}@{slot.scm_host}",
    }
    kind, title = "publishingcredentials", site_name(site, slot)
    return Answer(200, child_body(azure, site, slot, kind, user, properties, title))


def profile_xml(azure: Azure, call: Call, params: Params) -> Answer:
    """
    Return the publishing profiles as XML: Web Deploy, FTP and Zip Deploy, in that order.

    Attributes and order as in profiles downloaded from the portal. No FTP server is behind the
    second one. Of the formats WebDeploy, FileZilla3 and Ftp only the first is supported.
    """
    site, slot = slot_of(azure, params)
    wanted = call.json().get("format", "WebDeploy") if call.body else "WebDeploy"
    if wanted != "WebDeploy":
        raise invalid("format")
    name, content = site_name(site, slot).replace("/", "-"), content_name(site, slot)
    user = user_name(site, slot)
    app = f"https://{slot.host}"
    ftp = {"publishUrl": f"ftps://{slot.host}/site/wwwroot", "ftpPassiveMode": "True"}
    kinds: tuple[tuple[str, str, Mapping[str, str], str], ...] = (
        ("Web Deploy", "MSDeploy", {"publishUrl": slot.scm_host, "msdeploySite": content}, user),
        ("FTP", "FTP", ftp, f"{content}\\{user}"),
        ("Zip Deploy", "ZipDeploy", {"publishUrl": slot.scm_host}, user),
    )
    profiles = [
        _profile(
            {
                "profileName": f"{name} - {title}",
                "publishMethod": method,
                **where,
                "userName": who,
                "userPWD": slot.publishing_password,
                "destinationAppUrl": app,
                **dict.fromkeys(UNUSED, ""),
                "controlPanelLink": "https://portal.azure.com",
                "webSystem": "WebSites",
            }
        )
        for title, method, where, who in kinds
    ]
    text = f"<publishData>{''.join(profiles)}</publishData>"
    return Answer(200, text, {"content-type": "application/xml"})


def _profile(attributes: Mapping[str, str]) -> str:
    words = " ".join(f"{name}={quoteattr(value)}" for name, value in attributes.items())
    return f"<publishProfile {words}><databases /></publishProfile>"


def policy_put(azure: Azure, call: Call, params: Params) -> Answer:
    """Set whether Kudu accepts user and password."""
    site, slot = slot_of(azure, params)
    allow = part(call.json(), "properties").get("allow")
    refuse_if_busy(azure, site)
    if not isinstance(allow, bool):
        raise invalid("properties")
    slot = replace(slot, scm_basic_auth=allow)
    site = changed(azure, call, "scm-policy-put", site, slot)
    return Answer(200, policy(azure, site, slot))


def policy(azure: Azure, site: Site, slot: Slot) -> dict[str, Any]:
    """Return whether Kudu accepts user and password; a new app does not, as the portal makes it."""
    properties = {"allow": slot.scm_basic_auth}
    kind = "basicPublishingCredentialsPolicies"
    return child_body(azure, site, slot, kind, "scm", properties, "scm")
