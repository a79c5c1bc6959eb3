"""`gitslot bump --from`: the version that another file or folder asks for, with its digest."""

from pathlib import Path

from gitslot.cli.checkout import Checkout
from gitslot.cli.session import CommandRefused, Session
from gitslot.cli.validate import apps_of
from gitslot.edges import gitslot_toml
from gitslot.edges.settings import FILE
from gitslot.state.wanted import App


def version_from(session: Session, root: Path, source: Path, app: App, slot: str) -> str:
    """
    Return `VERSION@sha256:DIGEST`: what production of *source* wants of the model of *app*.

    *source* is a file, a folder of files, or a folder with a .gitslot.toml; from the current folder
    or from *root*. Its pin is copied, else the digest is that of the registry of *source*. Raises
    CommandRefused where *source* does not say one version.
    """
    path = _path(session, root, source)
    there = session.at(path if path.is_dir() else path.parent)
    if Checkout.around(there).git("status", "--porcelain", "--", str(path)).strip():
        raise CommandRefused(f"{source} has changes that are not committed", reason="DirtyFile")
    apps, _ = apps_of(there, path)
    alike = [each for each in apps if each.model == app.model]
    alike = [each for each in alike if each.name == app.name] or alike
    versions = {(each.production.version, each.production.pin) for each in alike}
    if len(versions) != 1:
        found = ", ".join(f"{each.name}: {each.model} {each.production}" for each in apps)
        what = "several versions" if versions else "no app"
        raise CommandRefused(
            f"{source} has {what} of the model {app.model} ({found or 'nothing'}); name one file",
            reason="WhichVersion",
        )
    wanted, old = alike[0].production, app.slots.get(slot)
    if wanted.code and (old is None or wanted.code != old.code):
        session.print_err(f"not copied: code {wanted.code}, which {source} names, too")
    pin = wanted.pin or there.registry().manifest(app.model, wanted.version).digest
    return f"{wanted.version}@sha256:{pin}"


def _path(session: Session, root: Path, source: Path) -> Path:
    """Return the file or the folder of files that *source* means."""
    found = next((path for path in (session.cwd / source, root / source) if path.exists()), None)
    if found is None:
        raise CommandRefused(f"{source} is neither here nor in {root}", reason="FileMissing")
    configured = gitslot_toml.configured(found) if found.is_dir() else None
    if configured and configured.sources.get("GITSLOT_FILE") == found / gitslot_toml.NAME:
        found = Checkout.around(session.at(found)).root / configured.settings["GITSLOT_FILE"]
    return found / FILE if (found / FILE).is_file() else found
