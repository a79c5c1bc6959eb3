"""
What differs between Git hosts: the user name beside a token, and how a push is proved to be theirs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class KnownHost:
    """
    One kind of host. *user* stands beside a token; *proof* is the header that proves a push.

    The header holds an HMAC-SHA256 of the body after `sha256=` (`signed`), the secret itself, or
    it as the password of Basic authentication (`basic`). *ping* is header and value of a test.
    *commits* leads from the repository's address to a commit's page.
    """

    user: str
    proof: str
    signed: bool = False
    basic: bool = False
    ping: tuple[str, str] = ("", "")
    domains: tuple[str, ...] = ()
    commits: str = "/commit/"


# https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries,
# https://docs.gitlab.com/user/project/integrations/webhooks/,
# https://learn.microsoft.com/azure/devops/service-hooks/services/webhooks,
# https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/,
# https://docs.gitea.com/usage/webhooks
HOSTS: Mapping[str, KnownHost] = {
    "github": KnownHost(
        "x-access-token",
        "x-hub-signature-256",
        signed=True,
        ping=("x-github-event", "ping"),
        domains=("github.com", ".ghe.com"),
    ),
    "azure-devops": KnownHost(
        "gitslot", "authorization", basic=True, domains=("dev.azure.com", ".visualstudio.com")
    ),
    "gitlab": KnownHost("oauth2", "x-gitlab-token", domains=("gitlab.com",), commits="/-/commit/"),
    "bitbucket": KnownHost(
        "x-token-auth",
        "x-hub-signature",
        signed=True,
        ping=("x-event-key", "diagnostics:ping"),
        domains=("bitbucket.org",),
        commits="/commits/",
    ),
    "gitea": KnownHost("x-access-token", "x-hub-signature-256", signed=True),
}


def host_of(repository: str) -> str:
    """Return which kind of host *repository*, an https URL or a path, is on; github if unknown."""
    try:
        name = urlsplit(repository).hostname or ""
    except ValueError:
        name = ""
    for kind, host in HOSTS.items():
        if any(name == each or (each[0] == "." and name.endswith(each)) for each in host.domains):
            return kind
    return "github"
