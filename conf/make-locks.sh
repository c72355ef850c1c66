#!/usr/bin/env bash
# Makes the lock files of this folder anew from pyproject.toml. Needs uv on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-header --no-annotate "${@:2}" pyproject.toml --output-file "conf/$1.lock"
  { echo "# Made by conf/make-locks.sh from pyproject.toml: every dependency, pinned, with the hashes of its files."
    cat "conf/$1.lock"; } >"conf/$1.lock.part"
  mv "conf/$1.lock.part" "conf/$1.lock"
}
rm -f conf/*.lock
compile requirements
compile requirements-test --extra test --constraint conf/requirements.lock
compile requirements-java --extra java --constraint conf/requirements.lock
