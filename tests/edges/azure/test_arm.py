"""The one door to ARM: one POST whatever comes back, both error shapes, nothing that escapes."""

import json
import socket
import struct
import time
from typing import Any

import pytest

from gitslot.edges.azure.answers import is_prepared
from gitslot.edges.azure.arm import Azure, Sent, SwapAnswer
from gitslot.errors import AzureError, AzureUnavailable, Conflict, GitslotError, NotFound
from gitslot.state.seen import Poll
from gitslot.state.wanted import STAGING
from tests.edges.azure.arm import APP, SITE, Arm, gateway, provider
from tests.servers import Handler

# ---------------------------------------------------------------- one POST


def hang_up(handler: Handler) -> None:
    """Close the connection without an answer."""


def reset(handler: Handler) -> None:
    """Reset the connection."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


LOST: dict[str, Any] = {
    "500": (500, {}, b""),
    "502": (502, {}, b"<html>bad gateway</html>"),
    "503": (503, {"Retry-After": "0"}, b""),
    "504": (504, {}, b""),
    "503 with a body": (503, {}, provider("ServiceUnavailable", "try again")),
    "408": (408, {"Retry-After": "0"}, provider("RequestTimeout", "late")),
    "429 with Retry-After": (429, {"Retry-After": "0"}, b""),
    "409 without a body": (409, {"Retry-After": "0"}, b""),
    "307": (307, {"Location": "/elsewhere/slotsswap"}, b""),
    "308": (308, {"Location": "/elsewhere/slotsswap"}, b""),
    "302": (302, {"Location": "/elsewhere/slotsswap"}, b""),
    "hangs up": hang_up,
    "reset": reset,
    "not JSON": (400, {}, b"<html>"),
}


@pytest.mark.parametrize("name", LOST)
def test_an_answer_that_proves_nothing_is_unknown_and_sent_once(arm: Arm, name: str) -> None:
    """A swap is a toggle: whatever comes back, one POST and no guess."""
    arm.answers["slotsswap"] = LOST[name]
    assert arm.azure().swap(APP, STAGING).sent is Sent.UNKNOWN
    assert arm.posts() == 1


BUSY = "Cannot modify this {} because another operation is in progress. Details: Id: 1"
LOCKED = "The scope 'x' cannot perform write operation because following scope(s) are locked"
PREPARED = "its configuration settings have been prepared for swap."


@pytest.mark.parametrize("retry", [{}, {"Retry-After": "0"}])
@pytest.mark.parametrize("shape", [provider, gateway])
@pytest.mark.parametrize(
    ("status", "code", "words", "sent"),
    [
        (409, "Conflict", BUSY.format("site"), Sent.BUSY),
        (409, "Conflict", BUSY.format("web hosting plan"), Sent.BUSY),
        (409, "ScopeLocked", LOCKED, Sent.CONFLICT),
        (409, "Conflict", PREPARED, Sent.CONFLICT),
        *((each, "BadRequest", "no worker", Sent.REFUSED) for each in (400, 403, 404, 417)),
    ],
)
def test_an_answer_of_arm_is_read_by_its_words_and_sent_once(
    arm: Arm, status: int, code: str, words: str, sent: Sent, shape: Any, retry: dict[str, str]
) -> None:
    """Busy, a lock that stays, prepared slots, a refusal: in both shapes, with or without retry."""
    arm.answers["slotsswap"] = (status, retry, shape(code, words))
    expected = SwapAnswer(sent, message=words, prepared=words == PREPARED)
    assert (arm.azure().swap(APP, STAGING), arm.posts()) == (expected, 1)


@pytest.mark.parametrize(("header", "wait"), [("300", 300.0), ("0", 30.0), ("x", 30.0)])
def test_a_throttled_swap_says_how_long_to_wait(arm: Arm, header: str, wait: float) -> None:
    """429 with ARM's body: not now, and no sooner than half a minute."""
    body = gateway("TooManyRequests", "Please try again after '372' seconds.")
    arm.answers["slotsswap"] = (429, {"Retry-After": header}, body)
    answer = arm.azure().swap(APP, STAGING)
    assert (answer.sent, answer.retry_after_s, arm.posts()) == (Sent.THROTTLED, wait, 1)


def test_an_accepted_swap_says_where_to_ask(arm: Arm) -> None:
    """202 and its Location, stored before the first poll."""
    where = f"{arm.address}/operationresults/1?c={'c' * 2575}&s={'s' * 342}"
    arm.answers["slotsswap"] = (202, {"Location": where, "Retry-After": "15"}, b"")
    answer = arm.azure().swap(APP, STAGING)
    assert (answer.sent, answer.location, arm.posts()) == (Sent.ACCEPTED, where, 1)


def test_a_port_nobody_listens_on_means_not_sent(arm: Arm) -> None:
    """The connection was never opened."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        azure = Azure(f"https://localhost:{free.getsockname()[1]}", arm.credential)
        assert azure.swap(APP, STAGING).sent is Sent.NOT_SENT


def test_without_a_token_nothing_is_sent(arm: Arm) -> None:
    """An identity that fails is not an answer of ARM."""
    arm.credential.broken = True
    assert arm.azure().swap(APP, STAGING).sent is Sent.NOT_SENT
    assert arm.posts() == 0


def test_production_is_never_a_deploy_target(arm: Arm) -> None:
    """The door itself refuses it."""
    with pytest.raises(ValueError, match="never a deploy target"):
        arm.azure().put_settings(APP, "production", {})
    assert arm.asked == []


# ---------------------------------------------------------------- polls


@pytest.mark.parametrize(
    ("status", "headers", "body", "poll"),
    [
        (202, {"Retry-After": "7"}, b"", Poll.RUNNING),
        (200, {}, b"{}", Poll.DONE),
        (417, {}, provider("ExpectationFailed", "did not respond to http ping"), Poll.COLD),
        (400, {}, provider("BadRequest", "could not be started"), Poll.FAILED),
        (400, {}, b"", Poll.UNKNOWN),
        (404, {}, b"", Poll.UNKNOWN),
        (500, {}, provider("InternalServerError", "unexpected"), Poll.UNKNOWN),
        (503, {}, b"", Poll.UNKNOWN),
        (302, {"Location": "https://elsewhere"}, b"", Poll.UNKNOWN),
    ],
)
def test_only_the_platforms_own_no_is_a_failed_swap(
    arm: Arm, status: int, headers: dict[str, str], body: Any, poll: Poll
) -> None:
    """A failed poll proves nothing."""
    arm.answers["1"] = (status, headers, body)
    answer = arm.azure().poll(f"{arm.address}/operationresults/1")
    assert answer.poll is poll
    assert answer.retry_after_s == (7.0 if status == 202 else answer.retry_after_s)


# ---------------------------------------------------------------- looking


def stand(arm: Arm) -> None:
    """Let ARM answer everything that a look asks."""
    arm.answers["slotConfigNames"] = (200, {}, {"properties": {"appSettingNames": None}})
    arm.answers["app"] = arm.answers["staging"] = (200, {}, SITE)
    arm.answers["list"] = (200, {}, {"properties": {"MODEL_VERSION": f"1@sha256:{'a' * 64}"}})


def test_a_look_reads_markers_settings_and_sticky_names(arm: Arm) -> None:
    """Nulls are nothing."""
    stand(arm)
    production, staging = arm.azure().look(APP)
    assert (production, production.deployment_id) == (staging, "app__1")
    assert production.swap_status == "2026-11-22T12:00:00 staging Production"
    assert (production.operation, production.prepared, production.sticky) == ("", "", frozenset())
    assert (production.configured.version, production.configured.digest) == ("1", "a" * 64)


ODD: list[Any] = [
    *(b"", b"null", b"[]", b"{}", b'"text"', b"{", b"<html>", b"\xff\xfe", b"[" * 100_000),
    *(b'{"properties": null}', b'{"properties": []}', b'{"properties": "x"}'),
    b'{"properties": {"defaultHostName": "a/b", "slotSwapStatus": "x"}}',
    b'{"properties": {"defaultHostName": "a", "slotSwapStatus": [1]}}',
    b'{"properties": {"appSettingNames": 7}}',
]


@pytest.mark.parametrize("name", ["app", "staging", "list", "slotConfigNames"])
@pytest.mark.parametrize("body", ODD, ids=range(len(ODD)))
def test_a_body_of_another_shape_is_an_error_of_ours_or_nothing(
    arm: Arm, name: str, body: bytes
) -> None:
    """Whatever ARM sends, a look ends in two slots or in a GitslotError."""
    stand(arm)
    arm.answers[name] = (200, {}, body)
    try:
        arm.azure().look(APP)
    except GitslotError as error:
        assert "canary" not in str(error)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (404, gateway("ResourceNotFound", "gone"), NotFound),
        (409, provider("Conflict", "busy"), Conflict),
        (403, gateway("AuthorizationFailed", "no"), AzureError),
        (429, gateway("TooManyRequests", "after '372' seconds"), AzureUnavailable),
        (500, provider("500", "tracking id 1234"), AzureUnavailable),
        (502, b"<html>", AzureUnavailable),
    ],
)
def test_both_shapes_of_error_become_one_tree(
    arm: Arm, status: int, body: Any, kind: type[AzureError]
) -> None:
    """And what varies from answer to answer is not in the words of an outage."""
    stand(arm)
    arm.answers["list"] = (status, {}, body)
    with pytest.raises(kind) as caught:
        arm.azure().look(APP)
    assert caught.value.status == status
    assert "372" not in caught.value.message and "1234" not in caught.value.message


def test_a_throttled_look_says_how_long_to_wait(arm: Arm) -> None:
    """Retry-After is honoured by the caller, not slept on here."""
    stand(arm)
    arm.answers["app"] = (429, {"Retry-After": "37"}, gateway("TooManyRequests", "x"))
    began = time.monotonic()
    with pytest.raises(AzureUnavailable) as caught:
        arm.azure().look(APP)
    assert caught.value.retry_after_s == 37
    assert time.monotonic() - began < 20


def test_a_prepared_slot_refuses_settings_by_name(arm: Arm) -> None:
    """The recovery needs to tell it from a busy platform."""
    words = (
        "The slot cannot be changed because its configuration settings have been prepared for swap."
    )
    arm.answers["appsettings"] = (409, {}, provider("Conflict", words))
    with pytest.raises(Conflict) as caught:
        arm.azure().put_settings(APP, STAGING, {"A": "secret-value"})
    assert is_prepared(caught.value)
    assert "secret-value" not in str(caught.value)


def resource(group: str, kind: str = "sites", name: str = "app") -> dict[str, str]:
    where = f"/subscriptions/{APP.subscription}/resourceGroups/{group}/providers/Microsoft.Web"
    return {"id": f"{where}/{kind}/{name}"}


def test_an_app_is_found_once_by_its_name(arm: Arm) -> None:
    """In every subscription that the identity sees."""
    arm.answers["subscriptions"] = (
        200,
        {},
        {"value": [{"id": f"/subscriptions/{APP.subscription}"}]},
    )
    arm.answers["resources"] = (200, {}, {"value": [resource("group")]})
    assert arm.azure().locate("app", None, None) == APP


def test_two_candidates_are_listed(arm: Arm) -> None:
    """The file must say which."""
    arm.answers["resources"] = (200, {}, {"value": [resource("one"), resource("two")]})
    with pytest.raises(AzureError, match=r"2 places.*one.*two"):
        arm.azure().locate("app", None, APP.subscription)
    assert arm.azure().locate("app", "TWO", APP.subscription).resource_group == "two"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"value": null}', b'{"value": 7}', b"{}"])
def test_a_list_of_another_shape_is_no_empty_list(arm: Arm, body: bytes) -> None:
    """An app is not called missing because ARM answered strangely."""
    arm.answers["resources"] = (200, {}, body)
    with pytest.raises(AzureUnavailable):
        arm.azure().locate("app", None, APP.subscription)


def test_an_answer_without_end_is_not_read_to_its_end(arm: Arm) -> None:
    """Plain GETs too: what is larger than any list of apps is no answer."""
    many = json.dumps({"value": [], "padding": "x" * (5 * 1024 * 1024)}).encode()
    arm.answers["resources"] = (200, {}, many)
    with pytest.raises(AzureUnavailable, match="more than"):
        arm.azure().locate("app", None, APP.subscription)
    arm.answers["1"] = (202, {}, b"x" * (5 * 1024 * 1024))
    found = arm.azure().poll(f"{arm.address}/operationresults/1")
    assert (found.poll, found.message) == (
        Poll.UNKNOWN,
        "ARM did not answer: more than 4,194,304 bytes",
    )


def test_one_slot_is_read_by_itself(arm: Arm) -> None:
    """A further slot: its host, its markers, its settings, and which names stay with it."""
    arm.answers["canary"] = (200, {}, SITE)
    arm.answers["list"] = (200, {}, {"properties": {"MODEL_VERSION": "1.6.0"}})
    arm.answers["slotConfigNames"] = (200, {}, {"properties": {"appSettingNames": ["STAGE"]}})
    found = arm.azure().look_at(APP, "canary")
    assert (found.host, found.configured.version) == ("app.example.net", "1.6.0")
    assert found.sticky == {"STAGE"}
    assert arm.azure().host(APP, "canary") == "app.example.net"
    assert all("/slots/canary" in path for _, path in arm.asked if "slotConfigNames" not in path)


def test_a_slot_that_is_not_there_is_not_found_in_arms_own_words(arm: Arm) -> None:
    """Somebody may have to create it; a bare 404 from something on the way says less."""
    words = "The Resource 'Microsoft.Web/sites/app/slots/x' was not found"
    arm.answers["x"] = (404, {}, gateway("ResourceNotFound", words))
    with pytest.raises(NotFound) as caught:
        arm.azure().look_at(APP, "x")
    assert caught.value.code == "ResourceNotFound"
    with pytest.raises(NotFound) as bare:
        arm.azure().host(APP, "y")
    assert bare.value.code == ""
