#!/bin/sh
# The pipeline from the zip to production. In the environment: GROUP, APP.
set -eu
az functionapp deployment source config-zip -g "$GROUP" -n "$APP" --slot staging --src app.zip -o none
az functionapp deployment slot swap -g "$GROUP" -n "$APP" --slot staging -o none
