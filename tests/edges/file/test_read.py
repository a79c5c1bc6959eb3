"""desired_state.yaml: what is read, and every refusal with its line, its key and its mend."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitslot.edges.file.plain_yaml import MAX_BYTES
from gitslot.edges.file.read import desired, read
from gitslot.errors import DesiredError
from gitslot.state.wanted import App, Desired, Doubt, Revision, Wanted

HEAD = Revision("0" * 40)
PLAIN = "app: my-app\nmodel: iris\nslots:\n  production: 1.4.0\n"
PIN = "a" * 64


def refusal(text: str | bytes) -> str:
    """Return the words with which *text* is refused; it takes no time to speak of."""
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    began = time.process_time()
    with pytest.raises(DesiredError) as caught:
        read(data)
    assert time.process_time() - began < 5
    assert caught.value.message.startswith("line ")
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 600
    return caught.value.message


def test_four_lines_are_a_whole_file() -> None:
    """What the README shows is read."""
    app = read(PLAIN.encode())
    assert (app.name, app.model, app.production) == ("my-app", "iris", Wanted("1.4.0"))
    assert (app.pin, app.drift, app.suspend, app.latency_p99_ms) == (None, "heal", None, None)


@pytest.mark.parametrize(
    "written", ["1.10", "7", "0x10", "1e3", "true", "null", "2026-11-22", "1_0"]
)
def test_every_version_is_text(written: str) -> None:
    """What other tools would read as a number stays what was written."""
    app = read(PLAIN.replace("1.4.0", written).encode())
    assert app.production.version == written


def test_every_key_is_read() -> None:
    """Times in seconds, texts as they were written."""
    text = f"""
app: second
model: churn
resource_group: rg-1
subscription: 00000000-0000-0000-0000-00000000000a
drift: report
latency_p99_ms: 250
soak: 10m
suspend: "incident 7, sam"
slots:
  production: 7@sha256:{PIN}
  staging: {{version: 8, code: 3.1.0}}
"""
    assert read(text.encode()) == App(
        name="second",
        model="churn",
        slots={"production": Wanted("7", PIN), "staging": Wanted("8", None, "3.1.0")},
        resource_group="rg-1",
        subscription="00000000-0000-0000-0000-00000000000a",
        suspend="incident 7, sam",
        drift="report",
        latency_p99_ms=250.0,
        soak_s=600.0,
    )


def test_a_file_in_a_folder_need_not_name_its_app() -> None:
    """Its own name does; where `app` stands there, it is the same."""
    unnamed = PLAIN.removeprefix("app: my-app\n").encode()
    assert read(unnamed, "my-app") == read(PLAIN.encode(), "my-app") == read(PLAIN.encode())
    for other in ("my-ap", "My-app"):
        with pytest.raises(DesiredError, match="line 1: `app` differs") as caught:
            read(PLAIN.encode(), other)
        assert caught.value.reason == "AppDiffers"


def test_a_staging_equal_to_production_asks_for_nothing() -> None:
    """Then it is the working slot."""
    assert read((PLAIN + "  staging: 1.4.0\n").encode()).pin is None


def test_further_slots_are_named_as_their_app_names_them() -> None:
    """Letters, digits and hyphens, in the file's order; a digit or hyphen is no typo."""
    names = ("canary", "staging2", "production-eu", "Blue", "7", "a" * 59)
    text = PLAIN + "".join(f"  {name}: {{version: 1.6.0, code: 3.1.0}}\n" for name in names)
    app = read(text.encode())
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
    "too many slots": (PLAIN + "".join(f"  s{n}: 1\n" for n in range(21)), 4, "21 are allowed"),
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
    "a map of apps": (
        "apps:\n  a: {model: m, slots: {production: 1}}\n",
        1,
        "each app has a file of its own",
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
    app = read((PLAIN + 'suspend: "a\\x1b[31m\\nb\\u202e"\n').encode())
    assert app.suspend == "a\\u001b[31m\\u000ab\\u202e"


VERSION = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,20}", fullmatch=True)
NAME = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


@settings(max_examples=150, deadline=None)
@given(NAME, VERSION, VERSION, st.sampled_from(["heal", "report"]))
def test_what_is_written_is_what_is_read(name: str, model: str, version: str, drift: str) -> None:
    """Any valid file keeps its text, whatever other tools would make of it."""
    text = f"app: {name}\nmodel: {model}\ndrift: {drift}\nslots:\n  production: {version}\n"
    app = read(text.encode())
    assert (app.name, app.model, app.production.version, app.drift) == (name, model, version, drift)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Nothing but DesiredError ever comes out."""
    try:
        read(data)
    except DesiredError as error:
        assert error.message.startswith("line ")


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-{}[],&*!|>'\"%@`#? \n\\U0<", max_size=120))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    """Nothing but DesiredError ever comes out."""
    try:
        read(f"{PLAIN}{text}".encode())
    except DesiredError as error:
        assert error.message.startswith("line ")


# ---------------------------------------------------------------- a file, or a folder of files


def folder(**files: bytes | Doubt) -> Desired:
    found = desired(HEAD, files)
    assert isinstance(found, Desired)
    assert found.revision == HEAD
    return found


UNNAMED = PLAIN.removeprefix("app: my-app\n").encode()


def test_one_file_is_one_app() -> None:
    """Which the file names; a broken one is a doubt that names the commit."""
    found = desired(HEAD, PLAIN.encode())
    assert isinstance(found, Desired)
    assert dict(found.apps) == {"my-app": read(PLAIN.encode())}
    broken = desired(HEAD, b"app: [")
    assert isinstance(broken, Doubt)
    assert (broken.reason, broken.revision) == ("FileInvalid", HEAD)
    assert broken.message.startswith("0000000: line 1:")


def test_a_folder_is_an_app_for_each_file() -> None:
    """By the file's name, in the order of names."""
    found = folder(second=UNNAMED, first=UNNAMED)
    assert list(found.apps) == ["first", "second"]
    assert all(isinstance(app, App) and app.name == name for name, app in found.apps.items())


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("broken", b"model: [", "FileInvalid"),
        ("typo", UNNAMED + b"modle: x\n", "UnknownKey"),
        ("other", PLAIN.encode(), "AppDiffers"),
        ("huge", UNNAMED + b"#" * MAX_BYTES, "FileTooLarge"),
        ("link", Doubt("NotPlainFile", "it is a link"), "NotPlainFile"),
        ("_odd", UNNAMED, "FileNameInvalid"),
        ("a b", UNNAMED, "FileNameInvalid"),
        ("", UNNAMED, "FileNameInvalid"),
        ("a" * 61, UNNAMED, "FileNameInvalid"),
        ("a\x1b[31m\n", UNNAMED, "FileNameInvalid"),
    ],
)
def test_a_file_that_is_refused_is_a_doubt_about_its_own_app_alone(
    name: str, data: bytes | Doubt, reason: str
) -> None:
    """The message names the file, on one line; the neighbour is read as ever."""
    found = folder(**{name: data, "good": UNNAMED})
    assert isinstance(found.apps["good"], App)
    (shown,) = found.apps.keys() - {"good"}
    doubt = found.apps[shown]
    assert isinstance(doubt, Doubt)
    assert (doubt.reason, doubt.revision) == (reason, HEAD)
    assert f"{shown}.yaml: " in doubt.message
    assert doubt.message.isprintable()


def test_names_that_differ_in_case_alone_are_a_doubt_about_both() -> None:
    """Azure knows one app by both; which file counts is nobody's guess."""
    found = folder(churn=UNNAMED, Churn=UNNAMED, fraud=UNNAMED)
    assert isinstance(found.apps["fraud"], App)
    for name in ("churn", "Churn"):
        doubt = found.apps[name]
        assert isinstance(doubt, Doubt)
        assert doubt.reason == "AppTwice"
        assert "Churn.yaml, churn.yaml" in doubt.message


def test_a_folder_without_a_file_is_a_doubt_about_all() -> None:
    """Nobody asks for nothing by an empty folder."""
    empty = desired(HEAD, {})
    assert isinstance(empty, Doubt)
    assert (empty.reason, empty.revision) == ("FolderEmpty", HEAD)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:e88c\nsize 62\n", "Git LFS"),
        (b"\0GITCRYPT\0" + bytes(40), "git-crypt"),
    ],
)
def test_what_stands_in_place_of_the_file_is_named(data: bytes, says: str) -> None:
    """The checkout on every laptop shows the right file, so nobody would see why."""
    with pytest.raises(DesiredError, match=says) as caught:
        read(data)
    assert caught.value.reason == "NotPlainFile"
    assert ".gitattributes" in caught.value.message
