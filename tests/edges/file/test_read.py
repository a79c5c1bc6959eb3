"""desired_state.yaml: what is read, and every refusal with its line, its key and its mend."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslot.edges.file.read import MAX_BYTES, read
from gitslot.errors import DesiredError
from gitslot.state.wanted import Revision, Wanted

HEAD = Revision("0" * 40)
PLAIN = "app: my-app\nmodel: iris\nslots:\n  production: 1.4.0\n"
PIN = "a" * 64


def refusal(text: str | bytes) -> str:
    """Return the words with which *text* is refused; it takes no time to speak of."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    began = time.process_time()
    with pytest.raises(DesiredError) as caught:
        read(data, HEAD)
    assert time.process_time() - began < 5
    assert caught.value.message.startswith("line ")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 600
    return caught.value.message


def test_four_lines_are_a_whole_file() -> None:
    """What the README shows is read."""
    app = read(PLAIN.encode(), HEAD).apps[0]
    assert (app.name, app.model, app.production) == ("my-app", "iris", Wanted("1.4.0"))
    assert (app.pin, app.drift, app.suspend, app.latency_p99_ms) == (None, "heal", None, None)


@pytest.mark.parametrize(
    "written", ["1.10", "7", "0x10", "1e3", "true", "null", "2026-11-22", "1_0"]
)
def test_every_version_is_text(written: str) -> None:
    """What other tools would read as a number stays what was written."""
    app = read(PLAIN.replace("1.4.0", written).encode(), HEAD).apps[0]
    assert app.production.version == written


def test_several_apps_are_read_in_order() -> None:
    """Each is a block of its own."""
    text = f"""
apps:
  first: {{model: iris, slots: {{production: 1.5.0}}}}
  second:
    model: churn
    resource_group: rg-1
    subscription: 00000000-0000-0000-0000-00000000000a
    drift: report
    latency_p99_ms: 250
    suspend: "incident 7, sam"
    slots:
      production: 7@sha256:{PIN}
      staging: {{version: 8, code: 3.1.0}}
"""
    first, second = read(text.encode(), HEAD).apps
    assert first.production == Wanted("1.5.0")
    assert second.production == Wanted("7", PIN)
    assert second.pin == Wanted("8", None, "3.1.0")
    assert (second.drift, second.latency_p99_ms, second.suspend) == (
        "report",
        250.0,
        "incident 7, sam",
    )


def test_a_staging_equal_to_production_asks_for_nothing() -> None:
    """Then it is the working slot."""
    assert read((PLAIN + "  staging: 1.4.0\n").encode(), HEAD).apps[0].pin is None


def test_further_slots_are_named_as_their_app_names_them() -> None:
    """Letters, digits and hyphens, in the file's order; a digit or hyphen is no typo."""
    names = ("canary", "staging2", "production-eu", "Blue", "7", "a" * 59)
    text = PLAIN + "".join(f"  {name}: {{version: 1.6.0, code: 3.1.0}}\n" for name in names)
    app = read(text.encode(), HEAD).apps[0]
    assert app.further == dict.fromkeys(names, Wanted("1.6.0", None, "3.1.0"))
    assert (app.production, app.pin) == (Wanted("1.4.0"), None)


REFUSED = {
    "empty": ("", 1, "empty"),
    "a list": ("- a\n", 1, "list"),
    "a word": ("hello\n", 1, "mapping"),
    "no app": ("model: iris\nslots: {production: 1}\n", 1, "`app: "),
    "no model": ("app: a\nslots: {production: 1}\n", 1, "`model: iris`"),
    "no slots": ("app: a\nmodel: iris\n", 1, "slots: {production"),
    "no production": ("app: a\nmodel: iris\nslots:\n  staging: 1\n", 4, "`production` is missing"),
    "empty version": (PLAIN.replace("1.4.0", ""), 4, "not a version"),
    "spaces": (PLAIN.replace("1.4.0", '"1 4"'), 4, "not a version"),
    "path": (PLAIN.replace("1.4.0", "../../x"), 4, "not a version"),
    "long": (PLAIN.replace("1.4.0", "1" * 65), 4, "not a version"),
    "short pin": (PLAIN.replace("1.4.0", "1.4.0@sha256:abc"), 4, "64 hex"),
    "slot typo": (PLAIN.replace("production", "prodution"), 4, "`production`"),
    "key typo": (PLAIN + "modle: x\n", 5, "`model`"),
    "unknown key": (PLAIN + "zzz: x\n", 5, "known keys"),
    "soak without a unit": (PLAIN + "soak: 600\n", 5, "such as 90s, 10m or 2h"),
    "soak too long": (PLAIN + "soak: 25h\n", 5, "at most 24h"),
    "soak of nothing": (PLAIN + "soak: 0m\n", 5, "such as 90s"),
    "slot nearly staging": (PLAIN + "  stagin: 1.4.0\n", 5, "did you mean `staging`?"),
    "slot in capitals": (PLAIN + "  Staging: 1.4.0\n", 5, "did you mean `staging`?"),
    "slot twice by case": (PLAIN + "  canary: 1\n  Canary: 1\n", 6, "first on line 5"),
    "slot too long": (PLAIN + f"  {'a' * 60}: 1\n", 5, "at most 59"),
    "slot with a path": (PLAIN + "  ../x: 1\n", 5, "letters, digits and hyphens"),
    "slot ends in a hyphen": (PLAIN + "  canary-: 1\n", 5, "letters, digits and hyphens"),
    "too many slots": (
        PLAIN + "".join(f"  s{n}: 1\n" for n in range(21)),
        4,
        "21 are allowed",
    ),
    "further slot of no version": (PLAIN + "  canary: {code: 1}\n", 5, "`version` is missing"),
    "bad drift": (PLAIN + "drift: maybe\n", 5, "`heal` or `report`"),
    "bad latency": (PLAIN + "latency_p99_ms: -1\n", 5, "above 0"),
    "latency nan": (PLAIN + "latency_p99_ms: .nan\n", 5, "above 0"),
    "bad group": (PLAIN + "resource_group: a/b\n", 5, "resource group"),
    "bad subscription": (PLAIN + "subscription: x\n", 5, "subscription"),
    "bad app": (PLAIN.replace("my-app", "my_app"), 1, "function app"),
    "app with quote": (PLAIN.replace("my-app", '"a\' or 1 eq 1"'), 1, "function app"),
    "bad model": (PLAIN.replace("iris", "../iris"), 2, "model"),
    "slot list": (PLAIN.replace("1.4.0", "[1]"), 4, "list"),
    "slot without version": (PLAIN.replace("1.4.0", "{code: 1}"), 4, "`version` is missing"),
    "slot unknown key": (PLAIN.replace("1.4.0", "{version: 1, cod: 2}"), 4, "`code`"),
    "app and apps": (
        "apps:\n  a: {model: m, slots: {production: 1}}\nmodel: x\n",
        3,
        "unknown key",
    ),
    "no apps": ("apps: {}\n", 1, "at least one"),
    "app twice by case": (
        "apps:\n  a: {model: m, slots: {production: 1}}\n  A: {model: m, slots: {production: 1}}\n",
        3,
        "first on line 2",
    ),
    "suspend empty": (PLAIN + "suspend: ''\n", 5, "suspend"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_names_line_and_mend(name: str) -> None:
    """Whoever reads the message knows where to look and what to write."""
    text, line, words = REFUSED[name]
    message = refusal(text)
    assert message.startswith(f"line {line}:"), message
    assert words in message


ATTACKS: dict[str, str | bytes] = {
    "duplicate key": PLAIN + "model: other\n",
    "duplicate slot": PLAIN + "  production: 1.5.0\n",
    "duplicate by quotes": PLAIN + '"model": other\n',
    "duplicate by escape": PLAIN + '"m\\u006fdel": other\n',
    "alias": "app: &a my-app\nmodel: *a\nslots: {production: 1}\n",
    "anchor alone": PLAIN.replace("iris", "&x iris"),
    "anchor on a mapping": PLAIN.replace("slots:", "slots: &x"),
    "merge key": PLAIN + "<<: {drift: report}\n",
    "merge key quoted": PLAIN + '"<<": {drift: report}\n',
    "billion laughs": "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
    "merge bomb": "a: &a {x: 1}\n" + "b: {<<: [" + "*a," * 5000 + "]}\n",
    "python object": PLAIN.replace("iris", "!!python/object/apply:os.system [x]"),
    "python name": PLAIN.replace("iris", "!!python/name:os.system"),
    "tag on text": PLAIN.replace("1.4.0", "!!float 1.4"),
    "own tag": PLAIN.replace("iris", "!evil iris"),
    "tag directive": "%TAG ! tag:evil,2026:\n---\n" + PLAIN.replace("iris", "!x iris"),
    "binary": PLAIN.replace("iris", "!!binary aXJpcw=="),
    "set": "!!set {a, b}\n",
    "complex key": "? [a, b]\n: c\n",
    "mapping as key": "? {a: b}\n: c\n",
    "nested flow": "[" * 30_000,
    "nested mapping": "{a: " * 15_000,
    "nested blocks": "".join(f"{' ' * i}a:\n" for i in range(300)),
    "two documents": PLAIN + "---\n" + PLAIN,
    "document end": PLAIN + "...\n---\n" + PLAIN,
    "unclosed quote": PLAIN + 'suspend: "abc\n',
    "tab": "app:\tx\n\tmodel: iris\n",
    "null byte": PLAIN.encode() + b"\x00",
    "control": PLAIN.encode() + b"suspend: \x1b[31mred\n",
    "latin-1": PLAIN.encode() + b"suspend: \xe9\n",
    "utf-16": PLAIN.encode("utf-16"),
    "overlong": PLAIN.encode() + b"suspend: \xc0\xaf\n",
    "surrogate": PLAIN + "suspend: \ud800\n",
    "escape out of range": PLAIN + 'suspend: "\\UFFFFFFFF"\n',
    "escape just out of range": PLAIN + 'suspend: "\\U00110000"\n',
    "yaml 9": "%YAML 9.9\n---\n" + PLAIN,
    "yaml huge": "%YAML " + "1" * 10_000 + ".1\n---\n" + PLAIN,
    "directive": "%EVIL x\n---\n- a\n",
    "too large": PLAIN + "#" * MAX_BYTES,
    "too large by one": PLAIN + "#" * (MAX_BYTES - len(PLAIN) + 1),
    "many keys": PLAIN + "".join(f"k{i}: v\n" for i in range(5000)),
    "long key": PLAIN + "k" * 30_000 + ": v\n",
    "long value": PLAIN.replace("1.4.0", "1" * 30_000),
    "html": "<!DOCTYPE html><html><body>sign in</body></html>",
    "conflict": "<<<<<<< HEAD\n" + PLAIN + "=======\n" + PLAIN + ">>>>>>> other\n",
    "lfs pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 12\n",
    "json with a trailing comma of keys": '{"app": "a", "app": "b"}',
    "only a comment": "# nothing\n",
    "question marks": "? " * 10_000,
    "dashes": "- " * 10_000,
    "colons": "a:" * 10_000,
    "quotes": "'" * 30_001,
    "bom and nothing": b"\xef\xbb\xbf",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_refused_in_bounded_time(name: str) -> None:
    """By a DesiredError and nothing else, with a message that is one short line."""
    refusal(ATTACKS[name])


def test_a_suspension_is_shown_without_its_control_characters() -> None:
    """A reason from the file cannot colour a terminal."""
    app = read((PLAIN + 'suspend: "a\\x1b[31m\\nb\\u202e"\n').encode(), HEAD).apps[0]
    assert app.suspend == "a\\u001b[31m\\u000ab\\u202e"


VERSION = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@settings(max_examples=150, deadline=None)
@given(NAME, VERSION, VERSION, st.sampled_from(["heal", "report"]))
def test_what_is_written_is_what_is_read(name: str, model: str, version: str, drift: str) -> None:
    """Any valid file keeps its text, whatever other tools would make of it."""
    text = f"app: {name}\nmodel: {model}\ndrift: {drift}\nslots:\n  production: {version}\n"
    app = read(text.encode(), HEAD).apps[0]
    assert (app.name, app.model, app.production.version, app.drift) == (name, model, version, drift)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but DesiredError ever comes out."""
    try:
        read(data, HEAD)
    except DesiredError as error:
        assert error.message.startswith("line ")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-{}[],&*!|>'\"%@`#? \n\\U0<", max_size=120))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    """Nothing but DesiredError ever comes out."""
    try:
        read(f"{PLAIN}{text}".encode(), HEAD)
    except DesiredError as error:
        assert error.message.startswith("line ")
