#!/bin/sh
# Resolve pyproject.toml into the hash-locked requirement files. Called by `make lock`.
#
# dev.txt is resolved first and constrains the others, so that each package has one version
# everywhere. Set UPGRADE=--upgrade to move to newer ones.
set -eu
uv=$1

compile() {
    out=requirements/$1
    shift
    compile_to "$out" "$@"
}

compile_to() {
    out=$1
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
        ${UPGRADE:-} "$@" --output-file "$out"
}

compile dev.txt pyproject.toml --extra dev
for extra in service training loadtest service-gpu; do
    compile "$extra.txt" pyproject.toml --extra "$extra" --constraint requirements/dev.txt
done
compile tracing.txt pyproject.toml --extra service --extra tracing --constraint requirements/dev.txt
compile horovod-build.txt requirements/horovod-build.in
compile clients.txt requirements/clients.in
compile lock.txt requirements/lock.in
for peer in benchmarks/serving/peers/*.in; do
    compile_to "${peer%.in}.txt" "$peer"
done
