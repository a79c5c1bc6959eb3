"""
D8: artifacts that are not what they were: damaged, swapped, missing, late, or overwritten.

First in the whole loop, where a model of the serving app loads them, then before the real one.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product

from gitslot.state.decision import Stalled
from reliability import registered
from reliability.checker import digest_of
from reliability.runs import Case, Run, judged, play, thinned
from reliability.scenarios import NEW, NEWER, OLD, OLDEST, Scene, bump, revert, settled
from serving_app.model import Wanted, load
from serving_app.refused import Refused

MANIFEST = f"models/{registered.MODEL}/{NEW}/manifest.json"
ARTIFACT = next(name for name in registered.version_blobs(NEW) if name.endswith(".onnx"))
_OTHERS = {name.rpartition(".")[2]: raw for name, raw in registered.version_blobs(NEWER).items()}

type Damage = Callable[[bytes], bytes | None]


def _flipped(raw: bytes, at: int) -> bytes:
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


DAMAGES: dict[str, Damage] = {
    "empty": lambda _: b"",
    "truncated": lambda raw: raw[: len(raw) // 2],
    "first-bit": lambda raw: _flipped(raw, 0),
    "digest-bit": lambda raw: _flipped(raw, raw.find(b"sha256") + 12 if b"sha256" in raw else -1),
    "swapped": lambda raw: _OTHERS["json" if raw.startswith(b"{") else "onnx"],
    "missing": lambda _: None,
}
MOMENTS = ("before", "deployed", "proved")


def make(target: str, damage: Damage, moment: str, *, pinned: bool, mended_s: float) -> Scene:
    """Return a bump whose blob *target* is damaged at *moment*, and perhaps mended later."""
    scene = settled()
    cloud, account = scene.cloud, scene.cloud.account
    whole = account.blobs[target]

    def harm() -> None:
        found = damage(whole)
        if found is None:
            account.blobs.pop(target, None)
        else:
            account.blobs[target] = found

    def mend() -> None:
        account.blobs[target] = whole

    if moment == "before":
        harm()
        if mended_s:
            cloud.at(mended_s, mend)
    pending = [True]

    def before(call: str) -> None:
        proved = moment != "proved" or call == "blobs.append"
        seen = cloud.history.entries[-1]["operation"] == "proved"
        if scene.rig.seam.stage and pending and (moment == "deployed" or seen) and proved:
            pending.clear()
            harm()

    if moment != "before":
        scene.rig.seam.before = before
        scene.must("the damage", lambda: not pending)
    version = f"{NEW}@sha256:{registered.digest(NEW)}" if pinned else NEW
    text = f"app: app\nmodel: iris\nslots:\n  production: {version}\n"
    cloud.git.push(text, registered.digest(NEW))
    scene.wants = NEW
    return scene


def run(target: str, damage: Damage, moment: str, *, pinned: bool, mended_s: float = 0.0) -> Run:
    """
    Run it: production serves the old release or exactly the registered new one.

    Which of the two depends on whether the new process needed the blob after it was damaged.
    """

    def begin() -> Scene:
        scene = make(target, damage, moment, pinned=pinned, mended_s=mended_s)
        # An artifact that its manifest names is there before the manifest is: where it is not, the
        # release is refused for good, and `gitslot retry` tries again.
        if moment == "before" and not (mended_s and target == MANIFEST):
            scene.wants, scene.stop = OLD, Stalled
        scene.ends = moment == "before"
        return scene

    return play(begin, {})


RELEASES = {"bump": (bump, NEW), "revert": (revert, OLD), "no-op": (settled, OLD)}


def overwritten(release: str, call: int) -> Run:
    """
    Overwrite the manifest of the version that is released, before *call*, and restart.

    Production and the way back keep the bytes that were deployed first, and once any were, the app
    stops by name. What is there before the first deploy is what the commit means.
    """
    begin, version = RELEASES[release]
    name, first = f"models/{registered.MODEL}/{version}/manifest.json", registered.digest(version)

    def made() -> Scene:
        scene = begin()
        cloud, seam, pending = scene.cloud, scene.rig.seam, [True]
        blobs, known = cloud.account.blobs, {registered.digest(v) for v in (OLDEST, OLD, NEW)}

        def deployed() -> bool:
            return any(e.to_digest == first for e in scene.events() if e.event == "DeployStarted")

        def harm(_: str) -> None:
            if not seam.on or not pending or len(seam.calls) < call:
                return
            pending.clear()
            blobs[name] = json.dumps({**json.loads(blobs[name]), "estimator": "other"}).encode()
            found = hashlib.sha256(blobs[name]).hexdigest()
            if version == NEW and not deployed():
                known.add(found)
                cloud.git.commits[-1].wants = found
                entry = next(e for e in reversed(cloud.history.entries) if "wants" in e)
                entry["wants"] = found
            scene.controller.world = None

        def flips() -> list[dict[str, dict[str, str]]]:
            entries = cloud.history.entries
            return [e["settings"] for e in entries if e["operation"] == "swap-flipped"]

        def keeps() -> bool:
            set_to = [digest_of(each.settings) for each in cloud.site.slots.values()]
            return not flips() or (set_to[0] in known and registered.digest(OLD) in set_to)

        def stops() -> bool:
            return ("DigestChanged" in scene.reasons()) == (version == OLD or deployed())

        seam.before = harm
        scene.ends, scene.watched_s = False, 60.0
        scene.must("the other bytes", lambda: not pending)
        scene.must("known bytes", lambda: {digest_of(e["production"]) for e in flips()} <= known)
        scene.must("the way back", keeps)
        scene.must("the stop", stops)
        return scene

    return play(made, {})


def serving(damage: Damage, *, pinned: bool) -> Run:
    """
    Put a damaged artifact before the real serving app.

    No byte of it may reach what reads models: the text in place of a model, which the registry
    holds, gets as far as that if it is whole, and damaged it must be refused by its digest.
    """
    blobs: dict[str, bytes | None] = {**registered.version_blobs(NEW)}

    def refusal() -> str:
        def read(path: str, cap: int) -> bytes:
            content = blobs[f"models/{path}"]
            if content is None:
                raise Refused("UnknownVersion", f"{path} is not there")
            return content[: cap + 1]

        try:
            load(Wanted(registered.MODEL, NEW, registered.digest(NEW) if pinned else ""), read)
        except Refused as refused:
            return refused.reason
        return "nothing"

    whole = refusal()
    blobs[ARTIFACT] = damage(blobs[ARTIFACT] or b"")
    asked = "UnknownVersion" if blobs[ARTIFACT] is None else "DigestMismatch"
    found = refusal()
    right = (whole, found) == ("FormatRefused", asked)
    return judged(
        "D8", "" if right else f"{asked} is right, it says {found}; {whole} of a whole one"
    )


def cases(*, long: bool = False) -> Iterator[Case]:
    """Give both blobs, each damage, each moment, with the digest pinned in the file or not."""
    for name, (begin, _) in RELEASES.items():
        calls = play(begin, {}).calls
        for call in range(len(calls)) if long else thinned(calls, last=False)[::2]:
            yield f"D8,overwritten,{name},{call}", partial(overwritten, name, call)
    for name, target in (("manifest", MANIFEST), ("artifact", ARTIFACT)):
        for pinned in (False, True):
            pin = "pinned" if pinned else "plain"
            for how, damage in DAMAGES.items():
                for moment in MOMENTS:
                    seed = f"D8,{name},{how},{moment},{pin}"
                    yield seed, partial(run, target, damage, moment, pinned=pinned)
            late = partial(run, target, DAMAGES["missing"], "before", pinned=pinned, mended_s=45.0)
            yield f"D8,{name},late,before,{pin}", late
    for pin, how in product(("pinned", "plain"), DAMAGES):
        run_serving = partial(serving, DAMAGES[how], pinned=pin == "pinned")
        yield f"D8,serving-app,{how},{pin}", run_serving
