#!/usr/bin/env bash
# Brings the lock files of this folder up to date with pyproject.toml; with --upgrade, to the newest versions too. Needs uv
# on the PATH.
set -euo pipefail
cd "$(dirname "$0")/.."
upgrade=${1:-}
compile() {
  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-header --no-annotate ${upgrade:+"$upgrade"} "${@:2}" --output-file "conf/$1.lock"
  { echo "# Made by conf/make-locks.sh from pyproject.toml: every dependency, pinned, with the hashes of its files."
    sed '/^# Made by/d' "conf/$1.lock"; } >"conf/$1.lock.part"
  mv "conf/$1.lock.part" "conf/$1.lock"
}
compile requirements pyproject.toml
# EarthScope's client is tested without what it uploads with: that wants another boto3 than the S3 server of the tests.
unused=$(mktemp)
printf '%s; python_version < "3"\n' aioboto3 awscrt aiofiles > "$unused"
compile requirements-test pyproject.toml --extra test --extra earthscope --override "$unused" --constraint conf/requirements.lock
rm "$unused"
# What one call in AWS Lambda needs, without Spark: a part of the first lock.
sed -n '/^lambda = \[/,/^\]/ s/^ *"\(.*\)",$/\1/p' pyproject.toml \
  | compile requirements-lambda - --constraint conf/requirements.lock
# The Java alone: it is put where no Python package needs to be.
sed -n 's/^java = \["\(.*\)"\]$/\1/p' pyproject.toml | compile requirements-java -
