#!/bin/sh
# Print a Python 3.13 that can create a virtual environment, or print how to get one.
# This runs before anything is installed, so it is plain sh.

for candidate in "${PYTHON:-}" .venv/bin/python python3.13 python3 python; do
    [ -n "$candidate" ] || continue
    if "$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))' \
        >/dev/null 2>&1; then
        echo "$candidate"
        exit 0
    fi
done

cat >&2 <<'END'
gitslot needs Python 3.13 with its venv module, and found none. To get it:
  Debian 13, Ubuntu 25.04 and later, WSL with either:
                        sudo apt install python3 python3-venv
  Ubuntu before 25.04:  sudo add-apt-repository ppa:deadsnakes/ppa
                        sudo apt install python3.13 python3.13-venv
  macOS:                brew install python@3.13
  pyenv:                pyenv install 3.13
If it has another name: make PYTHON=/path/to/python3.13 TARGET
END
exit 1
