"""Golden rows through the slot's public path: pass, fail or inconclusive."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gitslot.look.golden_rows import SAMPLE, SINGLY, Proof, Turn, prove
from gitslot.look.probe import Reply
from gitslot.registry.manifest import Manifest
from gitslot.state.policy import Policy
from gitslot.state.seen import Mark
from reliability.processes import parsed
from reliability.registered import release, version_blobs

RELEASE = release("1.5.0")
REGISTERED = parsed(version_blobs("1.5.0")["models/iris/1.5.0/manifest.json"])
GOLDEN = replace(
    REGISTERED.golden,
    inputs=tuple((float(i),) for i in range(40)),
    labels=tuple("ab"[i % 2] for i in range(40)),
    probabilities=tuple((0.25, 0.75) for _ in range(40)),
    tolerance=1e-6,
)
MANIFEST = replace(REGISTERED, golden=GOLDEN)
PROOF = Proof("staging", RELEASE, "r-1", MANIFEST)


@dataclass
class Slot:
    """A slot that answers as the trained model did, but where *change* or *many* say otherwise."""

    change: Callable[[int, dict[str, Any]], Any] = lambda _, answer: answer
    many: Callable[[dict[str, Any], Reply], Reply] = lambda _, reply: reply  # to several rows
    status: Callable[[int], int] = lambda _: 200
    headers: dict[str, str] = field(
        default_factory=lambda: {"x-model-digest": RELEASE.digest, "x-model-deploy": "r-1"}
    )
    key: str = ""
    seconds: float = 0.01
    asked: int = 0
    rows: list[list[int]] = field(default_factory=list)  # of each request
    paths: set[str] = field(default_factory=set)

    def request(
        self, method: str, host: str, path: str, body: Any = None, headers: Any = None, **_: Any
    ) -> Reply:
        assert (method, host) == ("POST", "staging")
        self.paths.add(path)
        nth, self.asked = self.asked, self.asked + 1
        if self.key and (headers or {}).get("x-functions-key") != self.key:
            return Reply(401)
        rows = [int(row[0]) for row in json.loads(body or b"")]
        self.rows.append(rows)
        labels = ["ab"[row % 2] for row in rows]
        answer = {"labels": labels, "probabilities": [[0.25, 0.75] for _ in rows]}
        changed = self.change(nth, answer)
        raw = changed if isinstance(changed, bytes) else json.dumps(changed).encode()
        reply = Reply(self.status(nth), raw, self.headers, self.seconds)
        return reply if len(rows) == 1 else self.many(answer, reply)


def judge(slot: Slot, proof: Proof = PROOF, key: str = "") -> Any:
    return prove(slot, proof, lambda: key, Policy())


def test_all_rows_equal_pass_with_their_evidence() -> None:
    """The message says how many, how close and how fast."""
    slot = Slot()
    verdict = judge(slot)
    assert (verdict.mark, slot.paths) == (Mark.PASS, {"/api/predict?proba=1"})
    assert verdict.message == ("staging: 40 of 40 golden rows, exact, p99 10 ms")


def test_a_difference_within_the_tolerance_passes() -> None:
    """And is reported."""
    slot = Slot(lambda _, answer: answer | {"probabilities": [[0.25 + 9e-7, 0.75 - 9e-7]]})
    verdict = judge(slot)
    assert verdict.mark is Mark.PASS
    assert verdict.worst == pytest.approx(9e-7)


LAST = 39
WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "label": lambda a: a | {"labels": ["c"]},
    "labels missing": lambda a: {"probabilities": a["probabilities"]},
    "two labels": lambda a: a | {"labels": a["labels"] * 2},
    "beyond tolerance": lambda a: a | {"probabilities": [[0.2501, 0.7499]]},
    "too few": lambda a: a | {"probabilities": [[0.25]]},
    "two rows": lambda a: a | {"probabilities": [[0.25, 0.75]] * 2},
    "none": lambda a: a | {"probabilities": None},
    "text": lambda a: a | {"probabilities": [["0.25", "0.75"]]},
    "bools": lambda a: a | {"probabilities": [[True, False]]},
    "nan": lambda a: b'{"labels": ["b"], "probabilities": [[NaN, 1]]}',
    "infinite": lambda a: b'{"labels": ["b"], "probabilities": [[1e999, 1]]}',
    "a list": lambda a: a["labels"],
    "not JSON": lambda a: b"<html>",
    "empty": lambda a: b"",
    "huge number": lambda a: b'{"labels": ["b"], "probabilities": [[1' + b"0" * 400 + b", 1]]}",
}


@pytest.mark.parametrize("name", WRONG)
def test_one_wrong_row_fails(name: str) -> None:
    """The last of all as much as the first."""
    last = Slot(lambda nth, answer: WRONG[name](answer) if nth == LAST else answer)
    assert judge(last).mark is Mark.FAIL


REGRESSOR = replace(
    MANIFEST,
    kind="regressor",
    classes=(),
    probabilities=False,
    golden=replace(GOLDEN, labels=tuple(1e6 + i for i in range(40)), probabilities=None),
)
PAIRS = replace(
    REGRESSOR,
    outputs=2,
    golden=replace(REGRESSOR.golden, labels=tuple((1e6 + i, 0.0) for i in range(40))),
)
PLAIN = replace(MANIFEST, probabilities=False, golden=replace(GOLDEN, probabilities=None))


@pytest.mark.parametrize(
    ("manifest", "answer", "mark"),
    [
        (REGRESSOR, lambda i: [1e6 + i], Mark.PASS),
        (REGRESSOR, lambda i: [1e6 + i + 0.9], Mark.PASS),  # 9e-7 of its size
        (REGRESSOR, lambda i: [1e6 + i + 1.1], Mark.FAIL),
        (REGRESSOR, lambda i: [str(1e6 + i)], Mark.FAIL),
        (REGRESSOR, lambda i: [True], Mark.FAIL),
        (REGRESSOR, lambda i: 1e6 + i, Mark.FAIL),
        (REGRESSOR, lambda i: [], Mark.FAIL),
        (PAIRS, lambda i: [[1e6 + i, 1e-7]], Mark.PASS),
        (PAIRS, lambda i: [[1e6 + i, 1.0]], Mark.FAIL),
        (PAIRS, lambda i: [1e6 + i, 0.0], Mark.FAIL),
        (PAIRS, lambda i: [[1e6 + i]], Mark.FAIL),
        (PLAIN, lambda i: ["ab"[i % 2]], Mark.PASS),
        (PLAIN, lambda i: ["ab"[(i + 1) % 2]], Mark.FAIL),
        (PLAIN, lambda i: {"labels": ["ab"[i % 2]]}, Mark.FAIL),
    ],
)
def test_numbers_and_labels_alone_are_compared(
    manifest: Manifest, answer: Callable[[int], Any], mark: Mark
) -> None:
    """A regressor's numbers by size, a model without probabilities by its labels; many as one."""
    slot = Slot(lambda nth, _: answer(nth))
    assert judge(slot, replace(PROOF, manifest=manifest)).mark is mark
    if mark is Mark.PASS:
        slot.change = lambda nth, _: [answer(row)[0] for row in slot.rows[nth]]
        assert rehearse(slot, Turn(), manifest).mark is mark
        assert slot.asked == SAMPLE + 1
    assert slot.paths == {"/api/predict"}


def test_rows_of_any_type_are_sent_as_they_are() -> None:
    """Text, true, false and null reach the slot as JSON."""
    row = (7.0, "Bern", True, None)
    bodies: list[bytes | None] = []

    class Keeps(Slot):
        def request(self, *words: Any, **more: Any) -> Reply:
            bodies.append(words[3])
            return super().request(*words, **more)

    golden = replace(GOLDEN, inputs=(row,), labels=("b",), probabilities=((0.25, 0.75),))
    judge(Keeps(), replace(PROOF, manifest=replace(MANIFEST, golden=golden)))
    assert bodies[0] == b'[[7.0, "Bern", true, null]]'


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_an_app_that_refuses_golden_rows_fails(status: int) -> None:
    """They are valid rows."""
    assert judge(Slot(status=lambda _: status)).mark is Mark.FAIL


@pytest.mark.parametrize("status", [0, 302, 401, 403, 408, 429, 500, 502, 503])
def test_what_the_platform_answers_proves_nothing(status: int) -> None:
    """Inconclusive, in the middle of it as much as at the start."""
    assert judge(Slot(status=lambda nth: status if nth >= LAST else 200)).mark is Mark.INCONCLUSIVE


@pytest.mark.parametrize("name", ["x-model-digest", "x-model-deploy"])
def test_an_answer_of_another_process_proves_nothing(name: str) -> None:
    """Every answer must come from the release and the deploy that are proved."""
    slot = Slot()
    slot.headers[name] = "other"
    assert judge(slot).mark is Mark.INCONCLUSIVE


def test_the_key_is_fetched_only_where_one_is_asked_for() -> None:
    """And once."""
    fetched: list[bool] = []

    def key() -> str:
        fetched.append(True)
        return "k"

    assert prove(Slot(), PROOF, key, Policy()).mark is Mark.PASS
    assert fetched == []
    assert prove(Slot(key="k"), PROOF, key, Policy()).mark is Mark.PASS
    assert fetched == [True]


def test_a_wrong_key_is_a_blocked_probe() -> None:
    """Inconclusive, with its mend, and without the key."""
    verdict = judge(Slot(key="right"), key="wrong-canary")
    assert (verdict.mark, verdict.reason) == (Mark.INCONCLUSIVE, "ProbeBlocked")
    assert "wrong-canary" not in verdict.message


def rehearse(slot: Slot, turn: Turn, manifest: Manifest = MANIFEST, key: str = "") -> Any:
    slot.rows.clear()
    slot.asked = 0
    return judge(slot, replace(PROOF, turn=turn, manifest=manifest), key)


def test_a_rehearsal_asks_all_rows_at_once_and_other_ones_alone_each_time() -> None:
    """In time each row is asked as users ask."""
    slot, turn, alone = Slot(), Turn(), set()
    for _ in range(len(GOLDEN) // SAMPLE + 1):
        assert rehearse(slot, turn).message == "staging: 40 of 40 golden rows, exact, p99 10 ms"
        *singles, every = slot.rows
        assert (every, [len(rows) for rows in singles]) == ([*range(40)], [1] * SAMPLE)
        alone |= {row for rows in singles for row in rows}
    assert alone == {*range(40)}


def bodied(reply: Reply, answer: Any) -> Reply:
    return replace(reply, body=json.dumps(answer).encode())


NO_BATCHES: dict[str, Callable[[dict[str, Any], Reply], Reply]] = {
    "one answer": lambda a, r: bodied(r, {name: part[:1] for name, part in a.items()}),
    "too many": lambda a, r: bodied(r, {name: [*part, part[0]] for name, part in a.items()}),
    "reordered": lambda a, r: bodied(r, {name: part[::-1] for name, part in a.items()}),
    "labels alone": lambda a, r: bodied(r, a["labels"]),
    "not JSON": lambda _, r: replace(r, body=b"<html>"),
    "another release": lambda _, r: replace(r, headers={"x-model-digest": "other"}),
    **{
        str(status): lambda _, r, status=status: replace(r, status=status)  # type: ignore[misc]
        for status in (0, 400, 413, 429, 500)
    },
}


@pytest.mark.parametrize("how", NO_BATCHES)
def test_an_app_that_takes_one_row_a_call_is_rehearsed(how: str) -> None:
    """Row by row; only after a while it is asked for many again."""
    slot, turn = Slot(many=NO_BATCHES[how]), Turn()
    requests = []
    for _ in range(SINGLY + 2):
        assert rehearse(slot, turn).mark is Mark.PASS
        requests.append(slot.asked)
    assert requests == [41, *[40] * SINGLY, 41]


def wrong_label(answer: dict[str, Any], reply: Reply) -> Reply:
    return bodied(reply, answer | {"labels": [*answer["labels"][:20], "b", *answer["labels"][21:]]})


@pytest.mark.parametrize(("alone", "mark"), [(True, Mark.FAIL), (False, Mark.PASS)])
def test_a_row_that_is_wrong_among_many_is_asked_alone(alone: bool, mark: Mark) -> None:
    """That answer decides; the others need no second one."""
    slot = Slot(many=wrong_label)
    slot.change = lambda nth, a: a | {"labels": ["b"]} if alone and slot.rows[nth] == [20] else a
    verdict = rehearse(slot, Turn())
    assert (verdict.mark, slot.asked) == (mark, 1 + SAMPLE + 1)
    assert ("golden row 21 of 40" in verdict.message) == alone


def test_a_rehearsal_without_a_key_says_nothing_of_the_app() -> None:
    """With the key it asks for all rows at once."""
    slot, turn = Slot(key="k"), Turn()
    assert rehearse(slot, turn).reason == "ProbeBlocked"
    assert rehearse(slot, turn, key="k").mark is Mark.PASS
    assert len(slot.rows) == 1 + SAMPLE


@pytest.mark.parametrize(("columns", "seconds", "most"), [(30, 0.01, 6), (1, 0.25, 20)])
def test_wide_rows_and_slow_ones_are_asked_in_few_requests(
    columns: int, seconds: float, most: int
) -> None:
    """An app reads 1 MiB, 256 KiB of an answer are read, and it is waited for 10 s."""
    inputs: Any = tuple((float(row), *["x" * 1000] * columns) for row in range(40))
    slot = Slot(seconds=seconds)
    rehearse(slot, Turn(), replace(MANIFEST, golden=replace(GOLDEN, inputs=inputs)))
    many = slot.rows[SAMPLE:]
    assert [row for rows in many for row in rows] == [*range(40)]
    assert max(map(len, many)) == len(many[0]) == most


def test_latency_decides_only_where_a_budget_is_set() -> None:
    """Slow and right passes without one."""
    slow = Slot(seconds=0.3)
    assert judge(slow).mark is Mark.PASS
    verdict = judge(slow, replace(PROOF, budget_ms=250.0))
    assert (verdict.mark, verdict.reason) == (Mark.FAIL, "TooSlow")


def test_latency_is_measured_once_more_before_it_fails() -> None:
    """One bad run of 200 is noise."""
    slot = Slot()
    request = slot.request

    def slow_at_first(*args: Any, **more: Any) -> Reply:
        late = 40 <= slot.asked < 240
        return replace(request(*args, **more), seconds=0.3 if late else 0.01)

    slot.request = slow_at_first  # type: ignore[method-assign]
    assert judge(slot, replace(PROOF, budget_ms=250.0)).mark is Mark.PASS
    assert slot.asked == 40 + 400


def test_a_slot_that_takes_for_ever_is_given_up() -> None:
    """A proof is bounded, so that a pass is."""
    slot = Slot(seconds=9.0)
    assert judge(slot, replace(PROOF, budget_ms=250.0)).mark is Mark.INCONCLUSIVE
    assert slot.asked < 30


def test_an_app_without_a_predict_path_is_proved_by_health_alone() -> None:
    """And the words say so."""
    slot = Slot()
    verdict = prove(slot, PROOF, lambda: "", Policy(), health_only=True)
    assert verdict.mark is Mark.PASS
    assert "health alone" in verdict.message
    assert slot.asked == 0
