"""
From a fitted estimator to a registered version: convert, prove parity, describe, register.

Nothing here runs in a Function App.
"""

import os

# ONNX Runtime reports to Microsoft unless told otherwise before it is imported; see serving_app.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
