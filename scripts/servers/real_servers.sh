#!/usr/bin/env bash
# PostgreSQL 17 with TimescaleDB, and Mosquitto, as Debian 13 ships them, on any Linux machine.
#
#   real_servers.sh make                     makes the Debian folder (root, once; does nothing when it is there)
#   real_servers.sh run [OPTIONS] -- CMD…    starts both, runs CMD with their addresses, stops both; exits as CMD did
#   real_servers.sh start [OPTIONS]          starts both and prints `export` lines: eval "$(real_servers.sh start)"
#   real_servers.sh stop [--state DIR]       stops what start left running and removes its data
#   real_servers.sh env                      prints `export` lines for the executables alone; starts nothing
#
# OPTIONS  --pg-port N   --mqtt-port N     loopback ports; free ones by default
#          --pg-option NAME=VALUE          a line for postgresql.conf; may be repeated
#          --state DIR                     (start, stop) where data and logs live
#
# The folder is in SUIDEN_SERVERS_DIR (/var/cache/suiden/servers). See docs/production_servers.md.
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/servers/debian_root.sh
. "$here/debian_root.sh"

SUITE=trixie
PACKAGES=postgresql-17,postgresql-17-timescaledb,mosquitto
ROOT="$SERVERS_DIR/$SUITE"
WRAPPERS="$SERVERS_DIR/$SUITE.run"
PG_BIN="$WRAPPERS/lib/postgresql/17/bin"
START_WITHIN_S=60
STOP_WITHIN_S=30

postgres_pid=
mosquitto_pid=
state=

usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# The executables of the folder need its own C library, so each is started through the folder's loader. The wrapper
# turns into the server by exec: the pid that a test sees is the server's, and kill -9 reaches it. Neither server
# runs as root; where root starts one, it runs in a user namespace in which root's files belong to an ordinary user.
write_wrapper() {
  local target=$1 executable=$2
  cat >"$target.new" <<WRAPPER
#!/bin/sh
drop=
[ "\$(id -u)" != 0 ] || drop='unshare --user --map-user=65534 --map-group=65534 --'
exec \$drop $LOADER --library-path $LIBRARIES --argv0 $target $executable "\$@"
WRAPPER
  chmod 755 "$target.new"
  mv "$target.new" "$target"
}

# PostgreSQL finds its libraries and extensions from the path of its executable: the wrappers stand in a tree of
# the same shape, which links to the folder for all the rest.
write_wrappers() {
  local executable stamp="$WRAPPERS/.made-for"
  if [ "$(cat "$stamp" 2>/dev/null)" = "$RECIPE $ROOT $(stat -c %Y "$ROOT/.suiden-made")" ]; then return; fi
  [ -w "$SERVERS_DIR" ] || fail "$WRAPPERS is missing or old: sudo env SUIDEN_SERVERS_DIR=$SERVERS_DIR $here/real_servers.sh make"
  local loaders=("$ROOT"/lib64/ld-linux-*.so.* "$ROOT"/usr/lib/ld-linux-*.so.*) libraries=("$ROOT"/usr/lib/*-linux-gnu*)
  LOADER=${loaders[0]:?no loader in $ROOT: remove that folder and run this again}
  LIBRARIES=${libraries[0]:?no libraries in $ROOT: remove that folder and run this again}
  mkdir -p "$PG_BIN" "$WRAPPERS/share/postgresql" "$WRAPPERS/sbin"
  ln -sfn "$ROOT/usr/lib/postgresql/17/lib" "$WRAPPERS/lib/postgresql/17/lib"
  ln -sfn "$ROOT/usr/share/postgresql/17" "$WRAPPERS/share/postgresql/17"
  for executable in "$ROOT"/usr/lib/postgresql/17/bin/*; do
    write_wrapper "$PG_BIN/${executable##*/}" "$executable"
  done
  write_wrapper "$WRAPPERS/sbin/mosquitto" "$ROOT/usr/sbin/mosquitto"
  write_wrapper "$WRAPPERS/sbin/mosquitto_passwd" "$ROOT/usr/bin/mosquitto_passwd"
  printf '%s\n' "$RECIPE $ROOT $(stat -c %Y "$ROOT/.suiden-made")" >"$stamp"
}

make_servers() {
  make_debian_root "$SUITE" "$SUITE" "$PACKAGES"
  write_wrappers
  [ "$(id -u)" != 0 ] || unshare --user --map-user=65534 --map-group=65534 -- true 2>/dev/null ||
    fail "this machine forbids user namespaces, and PostgreSQL refuses to run as root: use an ordinary user from here on"
  [ -e /usr/share/zoneinfo/UTC ] || fail "PostgreSQL needs the machine's time zones: apt-get install tzdata"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

alive() { kill -0 "$1" 2>/dev/null; }

# $! of a server started by this shell: it dies with the shell in `run`, and outlives it in `start`.
launch() {
  local lifetime=$1 death_signal=$2 log=$3
  shift 3
  local prefix=(setsid) # Ctrl-C is for CMD: the servers are stopped after it
  [ "$(id -u)" != 0 ] || prefix+=(unshare --user --map-user=65534 --map-group=65534 --)
  [ "$lifetime" != run ] || prefix+=(setpriv --pdeathsig "$death_signal")
  "${prefix[@]}" "$@" >"$log" 2>&1 </dev/null &
}

did_not_start() {
  tail -n 20 "$2" >&2
  fail "$1 did not start; the end of its log is above. If its port is taken, name another or leave the option out"
}

start_postgres() {
  local lifetime=$1 port=$2 password=$3 option deadline=$((SECONDS + START_WITHIN_S))
  printf '%s\n' "$password" >"$state/password"
  "$PG_BIN/initdb" -D "$state/postgres" -U postgres --pwfile="$state/password" -A scram-sha-256 -E UTF8 \
    --locale=C.UTF-8 >"$state/initdb.log" 2>&1 || did_not_start initdb "$state/initdb.log"
  {
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $port"
    echo "unix_socket_directories = ''"
    echo "shared_preload_libraries = 'timescaledb'"
    echo "max_connections = 200"
    echo "max_worker_processes = 32"
    echo "timezone = 'UTC'"
    echo "log_timezone = 'UTC'"
    for option in "${pg_options[@]}"; do printf "%s = '%s'\n" "${option%%=*}" "${option#*=}"; done
  } >>"$state/postgres/postgresql.conf"
  launch "$lifetime" INT "$state/postgres.log" "$PG_BIN/postgres" -D "$state/postgres"
  postgres_pid=$!
  until PGPASSWORD=$password "$PG_BIN/psql" -qX -h 127.0.0.1 -p "$port" -U postgres -d postgres \
    -c 'CREATE DATABASE suiden' 2>>"$state/psql.log"; do
    if ! alive "$postgres_pid" || [ "$SECONDS" -ge "$deadline" ]; then did_not_start PostgreSQL "$state/postgres.log"; fi
    sleep 0.1
  done
}

# Debian's defaults drop QoS 1 messages beyond a thousand; these keep them, and write to disk before a restart.
start_mosquitto() {
  local lifetime=$1 port=$2 deadline=$((SECONDS + START_WITHIN_S))
  mkdir -p "$state/mosquitto"
  cat >"$state/mosquitto.conf" <<CONF
listener $port 127.0.0.1
allow_anonymous true
persistence true
persistence_location $state/mosquitto/
autosave_interval 1
max_inflight_messages 1000
max_queued_messages 0
CONF
  launch "$lifetime" TERM "$state/mosquitto.log" "$WRAPPERS/sbin/mosquitto" -c "$state/mosquitto.conf"
  mosquitto_pid=$!
  # Its own word, not an answer on the port: another program may be listening there.
  until grep -qs ' running$' "$state/mosquitto.log"; do
    if ! alive "$mosquitto_pid" || [ "$SECONDS" -ge "$deadline" ]; then did_not_start Mosquitto "$state/mosquitto.log"; fi
    sleep 0.1
  done
}

print_executables() {
  printf 'export SUIDEN_TEST_PG_BIN=%q\n' "$PG_BIN"
  printf 'export SUIDEN_TEST_MOSQUITTO=%q\n' "$WRAPPERS/sbin/mosquitto"
  printf 'export SUIDEN_TEST_MOSQUITTO_PASSWD=%q\n' "$WRAPPERS/sbin/mosquitto_passwd"
}

start_servers() {
  local lifetime=$1 password
  local pg_port=${pg_port:-$(free_port)} mqtt_port=${mqtt_port:-$(free_port)}
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  start_postgres "$lifetime" "$pg_port" "$password"
  start_mosquitto "$lifetime" "$mqtt_port"
  printf '%s\n' "$postgres_pid" >"$state/postgres.pid"
  printf '%s\n' "$mosquitto_pid" >"$state/mosquitto.pid"
  {
    printf 'export SUIDEN_TEST_DATABASE_URL=%q\n' "postgresql://postgres:$password@127.0.0.1:$pg_port/suiden"
    printf 'export SUIDEN_TEST_MQTT_URL=%q\n' "mqtt://127.0.0.1:$mqtt_port"
    printf 'export SUIDEN_TEST_SERVERS_STATE=%q\n' "$state"
    print_executables
  } >"$state/env"
}

# A pid file may be old: a process counts only while its command line names our state folder.
is_ours() { { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF -- "$state/"; }

stop_process() {
  local pid=$1 signal=$2 deadline=$((SECONDS + STOP_WITHIN_S))
  if [ -z "$pid" ] || ! is_ours "$pid"; then return 0; fi
  kill "-$signal" "$pid" 2>/dev/null || return 0
  while is_ours "$pid"; do
    if [ "$SECONDS" -ge "$deadline" ]; then kill -KILL "$pid" 2>/dev/null || true; fi
    sleep 0.1
  done
}

stop_servers() {
  [ -n "$state" ] || return 0
  stop_process "$mosquitto_pid" TERM
  stop_process "$postgres_pid" INT
  rm -rf "$state"
}

run_command() {
  local code=0 command_pid=
  [ "$#" -gt 0 ] || usage
  make_servers
  state=$(mktemp -d "${TMPDIR:-/tmp}/suiden-servers.XXXXXX")
  trap stop_servers EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  start_servers run
  # shellcheck disable=SC1091
  . "$state/env"
  # In the background, so that a signal is acted on at once; with its standard input, and Ctrl-C, as if in front.
  env --default-signal=INT,QUIT -- "$@" <&0 &
  command_pid=$!
  trap 'kill -HUP $command_pid 2>/dev/null || true; wait $command_pid || true; exit 129' HUP
  trap 'wait $command_pid || true; exit 130' INT
  trap 'kill -TERM $command_pid 2>/dev/null || true; wait $command_pid || true; exit 143' TERM
  wait "$command_pid" || code=$?
  exit "$code"
}

start_command() {
  make_servers
  state=${state:-$default_state}
  if [ -r "$state/env" ] && is_ours "$(cat "$state/postgres.pid")" && is_ours "$(cat "$state/mosquitto.pid")"; then
    cat "$state/env"
    return
  fi
  [ ! -e "$state" ] || stop_command
  mkdir -m 700 "$state"
  trap stop_servers EXIT
  start_servers start
  trap - EXIT
  cat "$state/env"
}

stop_command() {
  state=${state:-$default_state}
  [ -d "$state" ] || return 0
  [ -O "$state" ] || fail "$state belongs to another user: stop it as that user, or name another folder with --state"
  [ -z "$(ls -A "$state")" ] || [ -e "$state/postgres" ] || [ -e "$state/password" ] ||
    fail "$state was not made by 'start': name the right folder with --state"
  postgres_pid=$(cat "$state/postgres.pid" 2>/dev/null || true)
  mosquitto_pid=$(cat "$state/mosquitto.pid" 2>/dev/null || true)
  stop_servers
}

command=${1:-}
[ "$#" = 0 ] || shift
pg_options=()
default_state="${TMPDIR:-/tmp}/suiden-servers-$(id -u)"
while [ "$#" -gt 0 ]; do
  case $1 in
    --pg-port) pg_port=${2:?--pg-port needs a number} ;;
    --mqtt-port) mqtt_port=${2:?--mqtt-port needs a number} ;;
    --pg-option) pg_options+=("${2:?--pg-option needs NAME=VALUE}") ;;
    --state) state=$(realpath -m "${2:?--state needs a folder}") ;;
    --)
      shift
      break
      ;;
    *) usage ;;
  esac
  shift 2
done

case $command in
  make) make_servers ;;
  run) run_command "$@" ;;
  start) start_command ;;
  stop) stop_command ;;
  env)
    make_servers
    print_executables
    ;;
  *) usage ;;
esac
