#!/bin/sh
# azd, after provisioning: upload the packages that the apps' settings name, and start the apps.
# Next time no settings are written: from now on they are gitslot's.
set -eu
test "${GITSLOT_INSTALL:-true}" = true || exit 0
for zip in "$GITSLOT_SERVING_PACKAGE" "$GITSLOT_CONTROLLER_PACKAGE"; do
  tries=0
  # A role that was just given is known everywhere within ten minutes.
  until az storage blob upload --blob-endpoint "$GITSLOT_STORAGE" --auth-mode login -o none \
    -c code -n "$zip" -f "dist/code/$zip" --overwrite; do
    tries=$((tries + 1))
    test "$tries" -lt 20 || exit 1
    sleep 30
  done
  az storage blob upload --blob-endpoint "$GITSLOT_STORAGE" --auth-mode login -o none --overwrite \
    -c code -n "${zip%%/*}/manifest.json" -f "dist/code/${zip%%/*}/manifest.json"
done
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP"
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP" --slot staging
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER"
azd env set GITSLOT_INSTALL false
