"""
The language runtimes that function apps may have: Python's, as `az` reads them.

Shape as recorded in Azure/azure-cli (test_functionapp_slot_swap, functionAppStacks), cut to Linux
Python. Ends of life: https://devguide.python.org/versions, which App Service follows.
"""

from collections.abc import Mapping
from typing import Any

from emulator.arm.bodies import listing
from emulator.arm.calls import Answer, Call
from emulator.slots.azure import Azure

# Version, end of life, whether it is the default of new apps.
PYTHONS = (
    ("3.13", "2029-10-31T00:00:00Z", True),
    ("3.12", "2028-10-31T00:00:00Z", False),
    ("3.11", "2027-10-31T00:00:00Z", False),
    ("3.10", "2026-10-31T00:00:00Z", False),
)


def stacks(_world: Azure, _call: Call, _params: Mapping[str, str]) -> Answer:
    """List the runtimes; `az functionapp config appsettings set` warns about retired ones."""
    one = {
        "id": None,
        "name": "python",
        "type": "Microsoft.Web/functionAppStacks",
        "properties": {
            "displayText": "Python",
            "value": "python",
            "preferredOs": "linux",
            "majorVersions": [
                {
                    "displayText": "Python 3",
                    "value": "3",
                    "minorVersions": [_minor(*known) for known in PYTHONS],
                }
            ],
        },
    }
    return listing([one])


def _minor(version: str, ends: str, default: bool) -> Mapping[str, Any]:
    return {
        "displayText": f"Python {version}",
        "value": version,
        "stackSettings": {
            "linuxRuntimeSettings": {
                "runtimeVersion": f"Python|{version}",
                "isDefault": default,
                "isHidden": False,
                "remoteDebuggingSupported": False,
                "appInsightsSettings": {"isSupported": True},
                "gitHubActionSettings": {"isSupported": True, "supportedVersion": version},
                "appSettingsDictionary": {"FUNCTIONS_WORKER_RUNTIME": "python"},
                "siteConfigPropertiesDictionary": {
                    "use32BitWorkerProcess": False,
                    "linuxFxVersion": f"Python|{version}",
                },
                "supportedFunctionsExtensionVersions": ["~4"],
                "supportedFunctionsExtensionVersionsInfo": [
                    {"version": "~4", "isDeprecated": False, "isDefault": True}
                ],
                "endOfLifeDate": ends,
            }
        },
    }
