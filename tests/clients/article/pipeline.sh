#!/bin/sh
# The pipeline, both halves; the first step that fails ends it.
set -eu
sh build.sh
sh release.sh
