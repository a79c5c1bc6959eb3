"""
Turn a fitted estimator into a registered version: convert, prove parity, describe, register.

Nothing here runs in a Function App.
"""

import os

# ONNX Runtime reports to Microsoft unless this is set before its import; see serving_app.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
