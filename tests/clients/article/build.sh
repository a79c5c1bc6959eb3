#!/bin/sh
# The pipeline until there is a zip. In the environment: VERSION, ESTIMATORS, and PYTHON, which runs Python.
set -eu
"$PYTHON" check.py
"$PYTHON" train.py "$ESTIMATORS" "$VERSION" model.joblib
"$PYTHON" -m zipfile -c app.zip function_app.py host.json requirements.txt model.joblib
