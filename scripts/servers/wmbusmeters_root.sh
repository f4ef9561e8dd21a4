#!/usr/bin/env bash
# The real wmbusmeters, from Debian sid (2.0.0 when this was written), with mosquitto_pub and libfaketime beside it.
#
#   wmbusmeters_root.sh make                   makes the Debian folder (root, once; does nothing when it is there)
#   wmbusmeters_root.sh run [--at TIME] CMD…   runs CMD inside it (wmbusmeters, mosquitto_pub, mosquitto_sub, sh…);
#                                              with --at its clock starts at TIME, such as 2025-03-31T15:00:00Z
#   wmbusmeters_root.sh path                   prints the folder
#
# The folder is in SUIDEN_SERVERS_DIR (/var/cache/suiden/servers); it shares the machine's network, not its files.
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/servers/debian_root.sh
. "$here/debian_root.sh"

SUITE=sid
ROOT="$SERVERS_DIR/$SUITE"

usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

# The real time runs on for waiting (DONT_FAKE_MONOTONIC), so that no client takes its connection for a dead one.
run_inside() {
  local at='' prefix=() clock=() library
  if [ "${1:-}" = --at ]; then
    at=$(TZ=UTC date -u -d "${2:?--at needs a time}" '+@%Y-%m-%d %H:%M:%S') ||
      fail "'$2' is not a time: write it like 2025-03-31T15:00:00Z"
    shift 2
  fi
  [ "$#" -gt 0 ] || usage
  if [ -n "$at" ]; then
    library=("$ROOT"/usr/lib/*/faketime/libfaketime.so.1)
    [ "${#library[@]}" -gt 0 ] || fail "no libfaketime in $ROOT: remove that folder and run 'wmbusmeters_root.sh make'"
    clock=("LD_PRELOAD=${library[0]#"$ROOT"}" "FAKETIME=$at" DONT_FAKE_MONOTONIC=1)
  fi
  [ "$(id -u)" = 0 ] || prefix=(unshare --map-root-user --)
  exec "${prefix[@]}" chroot "$ROOT" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin TZ=UTC LC_ALL=C.UTF-8 HOME=/tmp \
    XDG_CONFIG_HOME="${SUIDEN_INSIDE_CONFIG:-/nonexistent}" "${clock[@]}" "$@"
}

command=${1:-}
[ "$#" = 0 ] || shift
case $command in
  make | run | path) make_debian_root "$SUITE" "$SUITE" wmbusmeters,libfaketime,mosquitto-clients ;;
  *) usage ;;
esac
case $command in
  run) run_inside "$@" ;;
  path) printf '%s\n' "$ROOT" ;;
esac
