"""
Measure what a process needs to serve a model: in a process of its own, with the code that serves.

    python -m gitslot.convert.memory FILE      prints {"load": bytes, "answer": bytes}
"""

import json
import pickle
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gitslot.convert.errors import TrainingError
from gitslot.registry.manifest import Memory

if TYPE_CHECKING:
    from serving_app import model as serving
    from serving_app.columns import Shape, Table
else:
    from gitslot.convert._serving_app import model as serving

LIMIT_S = 300.0


def measure(artifact: bytes, runtime: str, shape: "Shape", row: "Table") -> Memory:
    """
    Return what a process holds with *artifact* loaded, and what it needs more to answer *row*.

    Raises TrainingError if it ends, as it does when there is not enough memory.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model"
        file.write_bytes(pickle.dumps((artifact, runtime, shape, row)))
        command = [sys.executable, "-m", "gitslot.convert.memory", str(file)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=LIMIT_S, check=True
            )
        except subprocess.CalledProcessError as error:
            last = (error.stderr or "").strip().rpartition("\n")[2]
            raise TrainingError(f"a process of its own cannot load the model: {last}") from error
        except subprocess.TimeoutExpired as error:
            raise TrainingError(f"the model does not load and answer in {LIMIT_S:.0f} s") from error
    return Memory(**json.loads(done.stdout))


def _main(file: str) -> None:
    artifact, runtime, shape, row = pickle.loads(Path(file).read_bytes())  # noqa: S301 - our own
    model = serving.open_runtime(runtime, artifact, shape)
    loaded = _peak()
    model.answers(row)
    json.dump({"load": loaded, "answer": _peak() - loaded}, sys.stdout)


def _peak() -> int:
    """
    Return the most memory that this process has held, in bytes.

    Linux counts in ru_maxrss what the parent held when it forked; VmHWM begins anew with exec.
    """
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (text for text in status.read_text().splitlines() if text.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    _main(sys.argv[1])
