#!/bin/sh
# Debian splits Python's venv module into a package of its own; install it where it is missing.
set -eu
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Python's venv module is missing; install it (on Debian: apt-get install python3-venv)" >&2
    exit 1
fi
apt-get update -qq
apt-get install -y -qq python3-venv python3-dev
