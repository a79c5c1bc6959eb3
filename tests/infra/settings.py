"""Which settings there are: found in the code that reads them, and a list of Azure's own."""

import re

from gitslot.state import slot_settings
from tests.infra.page import ROOT

# Read by the platform, the Functions host or Microsoft's libraries.
NOT_OURS = frozenset(
    {
        "APPLICATIONINSIGHTS_CONNECTION_STRING",
        "AZURE_CLIENT_ID",
        "AzureWebJobsDisableHomepage",
        "AzureWebJobsStorage__accountName",
        "AzureWebJobsStorage__clientId",
        "AzureWebJobsStorage__credential",
        "FUNCTIONS_EXTENSION_VERSION",
        "FUNCTIONS_WORKER_RUNTIME",
        "WEBSITE_RUN_FROM_PACKAGE_BLOB_MI_RESOURCE_ID",
    }
)
_NAME = re.compile(r"\"((?:GITSLOT|MODEL)_[A-Z_]+)\"")


def ours() -> set[str]:
    """Return the settings that the controller and the serving app read."""
    sources = [ROOT / "gitslot" / "edges" / "settings.py", *(ROOT / "serving_app").glob("*.py")]
    found = {name for path in sources for name in _NAME.findall(path.read_text(encoding="utf-8"))}
    replaced = re.findall(r'_secrets\(environ, "(\w+)"', sources[0].read_text(encoding="utf-8"))
    return found | slot_settings.OURS | {f"{name}_OLD" for name in replaced}
