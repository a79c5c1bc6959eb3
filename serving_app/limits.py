"""
What one request, one file and one model may ask of this process, in one table.

`GET /api/model` shows those that a client can meet. A number here is a promise to memory: every
byte from outside is counted before it is kept.
"""

from collections.abc import Mapping

import numpy as np

BODY = 1024 * 1024  # bytes of a request, and of what its gzip unpacks to
INLINE = 16 * 1024  # bytes; larger bodies are answered on a thread
TEXT = 1024  # characters of a cell
MANIFEST = 4 * 1024 * 1024  # bytes
GOLDEN = 8 * 1024 * 1024  # bytes of the file of golden rows
ARTIFACT = 256 * 1024 * 1024  # bytes
SCHEMA = 128 * 1024 * 1024  # bytes of a skops file's tree of names, unpacked
UNPACKED = 1024 * 1024 * 1024  # bytes that a skops file, which is a zip, unpacks to
TENSORS = 256 * 1024 * 1024  # bytes of ONNX Runtime's tensors, beside four times the artifact
CONSTANT = 16 * 1024 * 1024  # values that one node of an ONNX graph may make of its constants
COLUMNS = 16_384
OUTPUTS = 64  # numbers that a regressor may answer for a row
TOLERANCE = 1e-2  # of a probability; above this a golden row proves nothing
NUMBER = float(np.finfo(np.float32).max)  # the largest number of a row, either sign

SHOWN: Mapping[str, float] = {"body_bytes": BODY, "text_characters": TEXT, "largest_number": NUMBER}
