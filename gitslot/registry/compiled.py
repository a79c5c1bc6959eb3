"""
Compile every Python file below a folder, the same bytes for the same sources.

    PYTHONHASHSEED=0 python -P compiled.py FOLDER

A script of its own, because the Python of the package runs it. It writes what `compileall` does
with `--invalidation-mode unchecked-hash` (https://peps.python.org/pep-0552/), but each file in a
process of its own: in 3 of 3,000 files it shows which strings and sets the process has seen before.
"""

import gc
import marshal
import os
import sys
import warnings
from importlib import util
from multiprocessing import get_context
from pathlib import Path

UNCHECKED = (1).to_bytes(4, "little")  # hash-based, and not to be checked


def compile_file(path: str) -> None:
    """Write the compiled form of *path*, by which tracebacks name it."""
    source = Path(path).read_bytes()
    try:
        code = compile(source, path, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return  # a template that a library carries, not Python
    target = Path(util.cache_from_source(path))
    target.parent.mkdir(exist_ok=True)
    content = util.MAGIC_NUMBER + UNCHECKED + util.source_hash(source) + marshal.dumps(code)
    target.write_bytes(content)


if __name__ == "__main__":
    gc.disable()
    warnings.simplefilter("ignore")  # libraries' own, about their syntax
    os.chdir(sys.argv[1])
    start = "fork" if hasattr(os, "fork") else "spawn"
    with get_context(start).Pool(maxtasksperchild=1) as pool:
        for _ in pool.imap_unordered(compile_file, sorted(map(str, Path().rglob("*.py")))):
            pass
