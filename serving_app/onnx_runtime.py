"""
Answer with ONNX Runtime: the fast runtime, for models that it answers exactly.

A graph has one input `rows` (rows x columns) if all columns are numbers, else one input c0, c1, ...
of shape rows x 1 for each column, in their order. It is loaded only if its file is self-contained.

A small file can ask for any amount of memory. So loading computes nothing (constants are not folded
beforehand), and all tensors come out of one arena with a limit: what asks for more is refused by
the golden rows, or is a request with too many rows.
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

# ONNX Runtime's Linux builds report to Microsoft unless this is set before the import: which
# models are loaded and how often they run. That is their owner's business.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from .columns import Shape, Table
    from .limits import TENSORS
    from .onnx_file import check_onnx
    from .refused import Refused
else:  # the Functions worker puts this folder itself on sys.path
    from columns import Shape, Table
    from limits import TENSORS
    from onnx_file import check_onnx
    from refused import Refused

_NUMBERS = {"float32": "tensor(float)", "float64": "tensor(double)"}
_TYPES = {"text": "tensor(string)", "bool": "tensor(bool)"}
_LABELS = ("tensor(int64)", "tensor(string)", "tensor(bool)", *_NUMBERS.values())
_CPU = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
# -1 is ONNX Runtime's own choice.
_ARENA = dict.fromkeys(
    ("arena_extend_strategy", "initial_chunk_size_bytes", "max_dead_bytes_per_chunk"), -1
)


class OnnxRuntime:
    """A session with its inputs and outputs, which runs on one thread."""

    def __init__(self, session: ort.InferenceSession, shape: Shape) -> None:
        self._run = session.run
        self._inputs = [each.name for each in session.get_inputs()]
        outputs = [each.name for each in session.get_outputs()]
        self._label = outputs[:1]
        self._outputs = outputs[: 2 if shape.probabilities else 1]
        self._several = shape.outputs > 1
        self._dtype = np.dtype(shape.dtype)
        self._columns = shape.columns

    def labels(self, table: Table) -> list[Any]:
        """Return for each row a label, which equals one of the classes, or a number."""
        said: list[Any] = self._run(self._label, self._feed(table))[0].tolist()
        if self._several or not said or not isinstance(said[0], list):
            return said
        return [one for (one,) in said]

    def answers(self, table: Table) -> tuple[list[Any], NDArray[Any] | None]:
        """Return what `labels` does, and probabilities as rows x classes where it has any."""
        if len(self._outputs) == 1:
            return self.labels(table), None
        said, probabilities = self._run(self._outputs, self._feed(table))
        return said.reshape(-1).tolist(), probabilities

    def _feed(self, table: Table) -> dict[str, NDArray[Any]]:
        if not isinstance(table, list):
            narrow = table if table.dtype is self._dtype else table.astype(self._dtype)
            return {self._inputs[0]: narrow}
        return {
            name: (array.astype(self._dtype) if column.type == "number" else array)[:, None]
            for name, array, column in zip(self._inputs, table, self._columns, strict=True)
        }


def open_runtime(artifact: bytes, shape: Shape) -> OnnxRuntime:
    """Load *artifact* for serving; raise Refused (FormatRefused, LoadFailed)."""
    session = open_session(artifact)
    _check_inputs(session.get_inputs(), shape)
    _check_outputs(session.get_outputs(), shape)
    return OnnxRuntime(session, shape)


def open_session(artifact: bytes) -> ort.InferenceSession:
    """
    Load *artifact*, whatever it takes and answers; raise Refused (FormatRefused, LoadFailed).

    It runs on one thread: more do not speed up one row, and float32 sums would differ between runs.
    """
    check_onnx(artifact)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    options.add_session_config_entry("session.load_model_format", "ONNX")
    options.add_session_config_entry("session.use_env_allocators", "1")
    arena = ort.OrtArenaCfg({"max_mem": TENSORS + 4 * len(artifact), **_ARENA})
    try:
        ort.create_and_register_allocator(_CPU, arena)  # for sessions that are made from here on
        return ort.InferenceSession(
            artifact,
            options,
            providers=["CPUExecutionProvider"],
            disabled_optimizers=["ConstantFolding"],
        )
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        why = f"ONNX Runtime refuses it: {type(error).__name__}: {ascii(str(error))[:160]}"
        raise Refused("LoadFailed", why) from error


def _check_inputs(inputs: Sequence[Any], shape: Shape) -> None:
    number = _NUMBERS[shape.dtype]
    if shape.numbers:
        expected = [(inputs[0].name if inputs else "rows", number, len(shape.columns))]
    else:
        types = [_TYPES.get(column.type, number) for column in shape.columns]
        expected = [(f"c{j}", kind, 1) for j, kind in enumerate(types)]
    if len(inputs) != len(expected):
        _misfit(f"it has {len(inputs)} inputs, must have {len(expected)}")
    for found, (name, kind, width) in zip(inputs, expected, strict=True):
        if (found.name, found.type) != (name, kind):
            _misfit(f"its input {ascii(found.name)[:60]} is {found.type}, must be {name}, {kind}")
        if len(found.shape) != 2 or found.shape[1] not in (None, width):
            _misfit(f"its input {name} is not rows x {width}")


def _check_outputs(outputs: Sequence[Any], shape: Shape) -> None:
    needed = 2 if shape.probabilities else 1
    if len(outputs) < needed:
        _misfit(f"it has {len(outputs)} outputs, must have {needed}")
    if outputs[0].type not in (_LABELS if shape.classes else tuple(_NUMBERS.values())):
        _misfit(f"its first output is {outputs[0].type}, which is no label or number")
    if shape.probabilities and outputs[1].type not in _NUMBERS.values():
        _misfit(f"its probabilities are {outputs[1].type}, must be numbers")


def _misfit(why: str) -> None:
    raise Refused("LoadFailed", f"the graph does not fit its manifest: {why}")
