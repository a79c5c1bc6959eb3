"""Azure's credential classes in a process that has nothing but an environment."""

from collections.abc import Mapping

from tests.platform import ROOT, Platform
from tests.processes import python

ASK = """
import os, sys
from azure.identity import DefaultAzureCredential, ManagedIdentityCredential
from azure.mgmt.web import WebSiteManagementClient
from azure.storage.blob import BlobServiceClient
kind, arm, storage = sys.argv[1:]
credential = {"default": DefaultAzureCredential, "managed": ManagedIdentityCredential}[kind]()
web = WebSiteManagementClient(
    credential,
    os.environ["AZURE_SUBSCRIPTION_ID"],
    base_url=arm,
    credential_scopes=[f"{arm}/.default"],
)
print(len(list(web.web_apps.list())))
container = BlobServiceClient(storage, credential=credential).get_container_client(kind)
if not container.exists():
    container.create_container()
container.upload_blob("x", kind.encode(), overwrite=True)
print(container.download_blob("x").readall().decode())
"""


def ask(platform: Platform, kind: str, environment: Mapping[str, str]) -> bool:
    """Tell whether *kind* lists all apps, and reads the blob that it has written."""
    env = {"PATH": "/usr/bin:/bin", "HOME": str(platform.state), **environment}
    done = python("-c", ASK, kind, platform.arm, platform.storage, cwd=ROOT, env=env, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split() == [str(len(list(platform.web.web_apps.list()))), kind]
