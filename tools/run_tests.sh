#!/usr/bin/env bash
# Runs all tests, by two processes that take whole files. Those that hold the product to seconds
# ("timed") come last, when nothing else is running. Arguments are pytest's, for both.
#
#   tools/run_tests.sh PYTHON [-k swap …]
set -uo pipefail
python=$1
shift

readonly NONE_PICKED=5

"$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not timed" "$@"
shared=$?
"$python" -m pytest -m timed "$@"
timed=$?

if [ "$shared" -eq "$NONE_PICKED" ]; then exit "$timed"; fi
if [ "$timed" -ne 0 ] && [ "$timed" -ne "$NONE_PICKED" ]; then exit "$timed"; fi
exit "$shared"
