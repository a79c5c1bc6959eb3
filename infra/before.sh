#!/bin/sh
# azd, before provisioning: build both packages, and tell the template their names.
set -eu
make package
for app in serving_app controller; do
  name=$(.venv/bin/python -m gitslot.registry.package "$app" --blobs dist/code)
  case $app in
    serving_app) azd env set GITSLOT_SERVING_PACKAGE "$name" ;;
    controller) azd env set GITSLOT_CONTROLLER_PACKAGE "$name" ;;
  esac
done
