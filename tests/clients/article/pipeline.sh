#!/bin/sh
# The pipeline's steps, one after another; the first that fails ends it. In the environment: GROUP, APP,
# VERSION, ESTIMATORS, and PYTHON, which runs the steps in Python.
set -eu
"$PYTHON" check.py
"$PYTHON" train.py "$ESTIMATORS" "$VERSION" model.joblib
"$PYTHON" -m zipfile -c app.zip function_app.py host.json requirements.txt model.joblib
az functionapp deployment source config-zip -g "$GROUP" -n "$APP" --slot staging --src app.zip -o none
az functionapp deployment slot swap -g "$GROUP" -n "$APP" --slot staging -o none
