#!/bin/sh
# azd runs this after provisioning. It uploads the packages that the apps' settings name, restarts
# the apps, and synchronises the controller's triggers (Azure does not do that for a package from a
# URL). The next run writes no settings: from now on they belong to gitslot.
set -eu
test "${GITSLOT_INSTALL:-true}" = true || exit 0

# A new role takes up to ten minutes to work everywhere.
insist() {
  tries=0
  until "$@"; do
    tries=$((tries + 1))
    test "$tries" -lt 20 || exit 1
    sleep 30
  done
}

# What is there already is left as it is: no version is ever overwritten.
for zip in "$GITSLOT_SERVING_PACKAGE" "$GITSLOT_CONTROLLER_PACKAGE"; do
  insist az storage blob upload-batch --blob-endpoint "$GITSLOT_STORAGE" --auth-mode login -o none \
    -d code -s dist/code --pattern "${zip%%/*}/*"
done
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP"
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP" --slot staging
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER"
controller=$(az functionapp show -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER" --query id -o tsv)
insist az rest --method post --url "$controller/syncfunctiontriggers?api-version=2024-04-01"
azd env set GITSLOT_INSTALL false
