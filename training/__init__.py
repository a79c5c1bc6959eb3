"""
From data to a registered version, offline: nothing here is ever shipped.

Replace `load` in data.py and `build` in pipeline.py with your own; the rest follows: train and
judge (train.py, evaluate.py), convert to ONNX (convert.py), prove that it answers as scikit-learn
does (parity.py), describe and register, create-only (register.py). `run.py` puts them in a row and
`python -m training` is its command line.
"""

import os

# ONNX Runtime reports to Microsoft unless told otherwise before it is imported; see serving_app.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
