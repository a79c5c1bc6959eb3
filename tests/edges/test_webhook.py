"""A push wakes the loop where the host proves that it is its own, in the host's own way."""

import base64
import hmac

import pytest

from gitslot.edges import webhook
from gitslot.edges.git.hosts import HOSTS, host_of
from gitslot.edges.webhook import judge

SECRET = "canary-secret"
BODY = b'{"ref": "refs/heads/evil"}'


def signature(body: bytes = BODY, secret: str = SECRET, kind: str = "sha256") -> str:
    return f"{kind}=" + hmac.new(secret.encode(), body, kind).hexdigest()


def basic(secret: str = SECRET, user: str = "any") -> str:
    return "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()


PROOFS = {
    "github": {"x-hub-signature-256": signature()},
    "gitea": {"x-hub-signature-256": signature()},
    "bitbucket": {"x-hub-signature": signature()},
    "gitlab": {"x-gitlab-token": SECRET},
    "azure-devops": {"authorization": basic()},
}
PINGS = {
    "github": {"x-github-event": "ping"},
    "bitbucket": {"x-event-key": "diagnostics:ping"},
}


@pytest.mark.parametrize("sender", PROOFS)
@pytest.mark.parametrize("host", HOSTS)
def test_the_way_of_the_host_is_accepted_and_no_other(host: str, sender: str) -> None:
    """A refusal names the header that is missing, and no secret."""
    verdict = judge(host, PROOFS[sender], BODY, [SECRET])
    if PROOFS[sender].keys() == PROOFS[host].keys():
        assert (verdict.status, verdict.wakes) == (202, True)
    else:
        assert (verdict.status, verdict.wakes) == (401, False)
        assert next(iter(PROOFS[host])) in verdict.why
    assert SECRET not in verdict.why


@pytest.mark.parametrize("host", HOSTS)
def test_each_of_two_secrets_is_good(host: str) -> None:
    """So one takes the other's place without a push that is lost; a third is refused."""
    for secrets in ([SECRET, "old"], ["new", SECRET]):
        assert judge(host, PROOFS[host], BODY, secrets).status == 202
    assert judge(host, PROOFS[host], BODY, ["new", "old", ""]).status == 401


@pytest.mark.parametrize("host", PINGS)
def test_a_ping_is_answered_and_wakes_nothing(host: str) -> None:
    """It has to be proved like a push."""
    headers = PINGS[host] | PROOFS[host]
    assert (
        judge(host, headers, BODY, [SECRET]).status,
        judge(host, headers, BODY, ["x"]).status,
    ) == (
        200,
        401,
    )
    assert not judge(host, headers, BODY, [SECRET]).wakes


@pytest.mark.parametrize(
    ("host", "given"),
    [
        *(
            ("github", s)
            for s in ("", "sha256=", "sha256=" + "0" * 64, "sha256=é", "sha256=\ud800")
        ),
        *(("github", s) for s in (signature().upper(), signature() + " ", signature()[7:])),
        ("github", signature(kind="sha1")),
        ("github", signature(BODY + b" ")),
        *(("azure-devops", s) for s in ("", "Basic", "Basic é", "Basic /w==", basic()[6:])),
        *(("azure-devops", s) for s in (basic("", SECRET), basic().replace("Basic", "Bearer"))),
        *(("gitlab", s) for s in ("", SECRET + " ", SECRET.upper())),
    ],
)
def test_what_is_almost_a_proof_is_refused(host: str, given: str) -> None:
    """The raw bytes count, and the whole secret."""
    assert judge(host, {HOSTS[host].proof: given}, BODY, [SECRET]).status == 401


@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b"[" * 100_000, b"payload=%7B%7D"])
def test_the_body_is_never_parsed(body: bytes) -> None:
    """It need not even be JSON."""
    assert judge("github", {"x-hub-signature-256": signature(body)}, body, [SECRET]).wakes


def test_a_body_of_25_mb_is_read_and_no_more() -> None:
    """GitHub sends no more; the rest is refused before it is hashed."""
    big = bytes(webhook.MAX_BODY + 1)
    given = {"x-hub-signature-256": signature(big[:-1])}
    assert judge("github", given, big[:-1], [SECRET]).status == 202
    assert judge("github", given, big, [SECRET]).status == 413


def test_without_a_secret_there_is_no_webhook() -> None:
    """A wake-up that nobody proves is not offered."""
    given = {"x-hub-signature-256": signature(secret="")}
    assert [judge("github", given, BODY, none).status for none in ([], [""])] == [404, 404]


@pytest.mark.parametrize(
    ("repository", "host"),
    [
        ("https://github.com/you/models", "github"),
        ("https://you.ghe.com/you/models", "github"),
        ("https://dev.azure.com/you/p/_git/models", "azure-devops"),
        ("https://you.visualstudio.com/p/_git/models", "azure-devops"),
        ("https://gitlab.com/you/models.git", "gitlab"),
        ("https://bitbucket.org/you/models", "bitbucket"),
        ("https://evil-github.com/x", "github"),  # nobody known: a signature is asked for
        ("https://notgitlab.com/x", "github"),
        ("/srv/models", "github"),
    ],
)
def test_the_kind_of_host_comes_from_its_name(repository: str, host: str) -> None:
    """Where no setting names it."""
    assert host_of(repository) == host
