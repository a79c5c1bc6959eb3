#!/bin/sh
# azd runs this before provisioning. It builds both packages and passes their names to the template.
set -eu
make package
for app in serving_app controller; do
  name=$(.venv/bin/python -m gitslot.registry.package "$app" --blobs dist/code)
  case $app in
    serving_app) azd env set GITSLOT_SERVING_PACKAGE "$name" ;;
    controller) azd env set GITSLOT_CONTROLLER_PACKAGE "$name" ;;
  esac
done
