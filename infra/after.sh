#!/bin/sh
# azd, after provisioning: upload the packages that the apps' settings name, start the apps, and
# have the platform look at what triggers the controller (a package from a URL does not).
# Next time no settings are written: from now on they are gitslot's.
set -eu
test "${GITSLOT_INSTALL:-true}" = true || exit 0

# A role that was just given is known everywhere within ten minutes.
insist() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    test "$tries" -lt 20 || exit 1
    sleep 30
  done
}

for zip in "$GITSLOT_SERVING_PACKAGE" "$GITSLOT_CONTROLLER_PACKAGE"; do
  insist az storage blob upload --blob-endpoint "$GITSLOT_STORAGE" --auth-mode login -o none \
    -c code -n "$zip" -f "dist/code/$zip" --overwrite
  az storage blob upload --blob-endpoint "$GITSLOT_STORAGE" --auth-mode login -o none --overwrite \
    -c code -n "${zip%%/*}/manifest.json" -f "dist/code/${zip%%/*}/manifest.json"
done
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP"
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP" --slot staging
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER"
controller=$(az functionapp show -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER" --query id -o tsv)
insist az rest --method post --url "$controller/syncfunctiontriggers?api-version=2024-04-01"
azd env set GITSLOT_INSTALL false
