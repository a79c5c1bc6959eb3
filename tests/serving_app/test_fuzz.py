"""Random and mutated bodies of every accepted shape: an answer or a refusal, never a failure."""

import asyncio
import gzip
import json
import random
import resource
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from serving_app.model import Model
from tests.serving_app import served

STATUSES = {200, 400, 413, 415}
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 1e38, 1e39, -1e308, 2**53 + 1, 2**63, 10**400),
    *(float("nan"), float("inf"), "", "NaN", "null", "a\0b", "\ud800", "é" * 40, "x" * 2000),
    *([], {}, [[]], [None], {"": None}, {"a": {"b": []}}, "1.5", "true"),
)
TOKENS = (b"NaN", b"-Infinity", b"null", b"{", b"]", b'"', b"\\u0000", b"\xff", b"1e999", b",,")


def bodies(model: Model, dice: random.Random) -> tuple[str, bytes]:
    """Return a path and a body of one of the accepted shapes, changed somewhere or nowhere."""
    columns = model.shape.columns
    rows: Any = [list(model.manifest.example) for _ in range(dice.choice((1, 2, 5, 40)))]
    shape = dice.choice(("position", "name", "tensors", "matrix"))
    path = "v2/models/m/infer" if shape in ("tensors", "matrix") else "api/predict"
    if shape == "name":
        rows = [dict(zip((column.name for column in columns), row, strict=True)) for row in rows]
    elif shape == "tensors":
        kinds = {"number": "FP64", "text": "BYTES", "bool": "BOOL"}
        rows = {
            "inputs": [
                {
                    "name": column.name,
                    "datatype": kinds[column.type],
                    "shape": [len(rows)],
                    "data": [row[j] for row in rows],
                }
                for j, column in enumerate(columns)
            ]
        }
    elif shape == "matrix":
        tensor = {"name": "rows", "datatype": "FP64", "shape": [len(rows), len(columns)]}
        rows = {"inputs": [{**tensor, "data": rows}]}
    for _ in range(dice.choice((0, 1, 1, 2, 5))):
        rows = changed(rows, dice)
    body = json.dumps(rows).encode()
    for _ in range(dice.choice((0, 0, 1, 3))):
        body = cut(body, dice)
    if dice.random() < 0.1:
        body = b"\xef\xbb\xbf" + body
    if dice.random() < 0.15:
        body = gzip.compress(body, mtime=0)
        body = cut(body, dice) if dice.random() < 0.5 else body
    return path, body


def changed(value: Any, dice: random.Random) -> Any:
    """Return *value* with one part replaced, dropped, doubled or moved, at any depth."""
    if isinstance(value, list) and value and dice.random() < 0.85:
        at = dice.randrange(len(value))
        how = dice.randrange(6)
        inner = [changed(value[at], dice)] if how < 3 else []
        inner = [value[at]] * 2 if how == 3 else inner
        inner = [dice.choice(NASTY)] if how == 4 else inner
        return [*value[:at], *inner, *value[at + 1 :]]
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        made = {k: v for k, v in value.items() if k != key}
        how = dice.randrange(4)
        if how < 2:
            made[key] = changed(value[key], dice)
        elif how == 2:
            made[dice.choice((key.upper(), key + " ", "", "datatype"))] = value[key]
        return made
    return dice.choice(NASTY)


def cut(body: bytes, dice: random.Random) -> bytes:
    """Return *body* with some bytes replaced, dropped, doubled, or a token put in."""
    first = dice.randrange(len(body) + 1)
    after = min(len(body), first + dice.choice((0, 1, 1, 4, 64)))
    middle = dice.choice((b"", body[first:after] * 2, dice.choice(TOKENS), dice.randbytes(2)))
    return body[:first] + middle + body[after:]


def fuzz(make: Callable[[], Model], count: int, seed: str) -> Counter[int]:
    """Ask the model *count* bodies and return how many got which status."""
    model, dice = make(), random.Random(seed)
    statuses: Counter[int] = Counter()

    async def run() -> None:
        for _ in range(count):
            path, body = bodies(model, dice)
            query = {"proba": "1"} if path == "api/predict" and dice.random() < 0.3 else {}
            status, answer = await served.asked(model, path, body, query=query)
            statuses[status] += 1
            assert status in STATUSES, (body, answer)
            if status != 200:
                check(answer, body)

    asyncio.run(run())
    return statuses


def check(answer: dict[str, Any], body: bytes) -> None:
    """A refusal is a sentence, and its row and column are those that it names."""
    said, row, column = answer["error"], answer["row"], answer["column"]
    assert 10 < len(said) < 600, body
    assert row is None or f"row {row}" in said, (body, answer)
    assert column is None or f"column {column} (" in said, (body, answer)
    assert row is not None or column is None


@pytest.mark.parametrize("make", served.MODELS)
def test_no_body_fails_in_another_way(make: Callable[[], Model]) -> None:
    """Every body gets an answer or a refusal in words, and some of each."""
    statuses = fuzz(make, 60, make.__name__)
    assert statuses[200] > 3
    assert statuses[400] > 3


@pytest.mark.long
def test_ten_thousand_bodies_leave_no_trace() -> None:
    """10,000 bodies: no failure, and memory stays flat."""
    for make in served.MODELS:
        fuzz(make, 300, f"warm-{make.__name__}")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    statuses: Counter[int] = Counter()
    for make in served.MODELS:
        statuses += fuzz(make, 10_000 // len(served.MODELS) + 1, f"long-{make.__name__}")
    assert statuses.total() >= 10_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024  # KiB
