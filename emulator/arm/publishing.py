"""
How packages get in through Kudu: who may (credentials, policies), and where it is.

Kudu itself has the host that hostNameSslStates names as Repository.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from xml.sax.saxutils import quoteattr

from emulator.arm.bodies import site_id, site_name, site_type
from emulator.arm.calls import Answer, Call, part, provider
from emulator.slots.azure import World
from emulator.slots.state import PRODUCTION, Site, Slot

Params = Mapping[str, str]


def user_name(site: Site, slot: Slot) -> str:
    """Return the slot's publishing user, as in publishing profiles: ``$app``, ``$app__staging``."""
    return f"${_content_name(site, slot)}"


def _content_name(site: Site, slot: Slot) -> str:
    return site.name if slot.key == PRODUCTION else f"{site.name}__{slot.name}"


def credentials(world: World, _call: Call, params: Params) -> Answer:
    """
    Show user and password of the slot's Kudu; a long-running operation that ends at once.

    Shape: what `az webapp deployment list-publishing-credentials` shows in public transcripts.
    """
    site, slot = world.slot(params)
    user = user_name(site, slot)
    return Answer(
        200,
        {
            "id": f"{site_id(world, site, slot)}/publishingcredentials/{user}",
            "name": site_name(site, slot),
            "type": f"{site_type(slot)}/publishingcredentials",
            "location": site.location,
            "properties": {
                "name": None,
                "publishingUserName": user,
                "publishingPassword": slot.publishing_password,
                "publishingPasswordHash": None,
                "publishingPasswordHashSalt": None,
                "metadata": None,
                "isDeleted": False,
                "scmUri": f"https://{user}:{slot.publishing_password}@{slot.scm_host}",
            },
        },
    )


def profile_xml(world: World, call: Call, params: Params) -> Answer:
    """
    Show the publishing profiles as XML: Web Deploy, FTP and Zip Deploy, in that order.

    Attributes and order as in the profiles that people download from the portal. There is no FTP
    server behind the second one. Of the formats WebDeploy, FileZilla3 and Ftp only the first is
    known.
    """
    site, slot = world.slot(params)
    wanted = call.json().get("format", "WebDeploy") if call.body else "WebDeploy"
    if wanted != "WebDeploy":
        raise provider(400, "BadRequest", "The parameter format has an invalid value.")
    name, content = site_name(site, slot).replace("/", "-"), _content_name(site, slot)
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
                "SQLServerDBConnectionString": "",
                "mySQLDBConnectionString": "",
                "hostingProviderForumLink": "",
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


def policy_get(world: World, _call: Call, params: Params) -> Answer:
    """Tell whether Kudu takes user and password; off for a new app, as the portal creates it."""
    site, slot = world.slot(params)
    return Answer(200, _policy(world, site, slot))


def policy_put(world: World, call: Call, params: Params) -> Answer:
    """Let Kudu take user and password, or not."""
    site, slot = world.slot(params)
    allow = part(call.json(), "properties").get("allow")
    world.changeable(site)
    if not isinstance(allow, bool):
        raise provider(400, "BadRequest", "The parameter properties has an invalid value.")
    slot = replace(slot, scm_basic_auth=allow)
    site = site.with_slots(slot)
    world.estate.put(site)
    world.note(call, "scm-policy-put", site, slot.key)
    return Answer(200, _policy(world, site, slot))


def _policy(world: World, site: Site, slot: Slot) -> dict[str, Any]:
    return {
        "id": f"{site_id(world, site, slot)}/basicPublishingCredentialsPolicies/scm",
        "name": "scm",
        "type": f"{site_type(slot)}/basicPublishingCredentialsPolicies",
        "location": site.location,
        "properties": {"allow": slot.scm_basic_auth},
    }
