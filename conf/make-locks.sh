#!/usr/bin/env bash
# Makes the lock files of this folder anew from pyproject.toml. Needs uv on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-header --no-annotate "${@:2}" --output-file "conf/$1.lock"
  { echo "# Made by conf/make-locks.sh from pyproject.toml: every dependency, pinned, with the hashes of its files."
    cat "conf/$1.lock"; } >"conf/$1.lock.part"
  mv "conf/$1.lock.part" "conf/$1.lock"
}
rm -f conf/*.lock
compile requirements pyproject.toml
compile requirements-test pyproject.toml --extra test --constraint conf/requirements.lock
# The Java alone: it is put where no Python package needs to be.
sed -n 's/^java = \["\(.*\)"\]$/\1/p' pyproject.toml | compile requirements-java -
