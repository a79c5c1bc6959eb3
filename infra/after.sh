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

for zip in "$GITSLOT_SERVING_PACKAGE" "$GITSLOT_CONTROLLER_PACKAGE"; do
  for file in "dist/code/${zip%%/*}"/*.zip "dist/code/${zip%%/*}/manifest.json"; do
    insist az storage blob upload --blob-endpoint "$GITSLOT_STORAGE" --auth-mode login -o none \
      --overwrite -c code -n "${file#dist/code/}" -f "$file"
  done
done
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP"
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_APP" --slot staging
az functionapp restart -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER"
controller=$(az functionapp show -g "$GITSLOT_GROUP" -n "$GITSLOT_CONTROLLER" --query id -o tsv)
insist az rest --method post --url "$controller/syncfunctiontriggers?api-version=2024-04-01"
azd env set GITSLOT_INSTALL false
