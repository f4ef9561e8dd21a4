#!/usr/bin/env bash
# Has the real wmbusmeters decode telegrams and publish them with mosquitto_pub at QoS 1, as its README shows.
#
#   wmbusmeters_publish.sh [OPTIONS] SET TIME     SET: opening, middle or closing, a column of the telegrams file
#                                                 TIME: what its clock says, such as 2025-03-31T15:00:00Z
# OPTIONS  --broker mqtt://[USER:PASSWORD@]HOST:PORT   SUIDEN_TEST_MQTT_URL, or mqtt://127.0.0.1:1883
#          --topic-prefix PREFIX                       wmbusmeters: topics are wmbusmeters/<meter id>
#          --telegrams FILE                            tests/fixtures/wmbusmeters/telegrams.tsv
#
# Prints a line for every message that the broker took: topic, tab, JSON. Fails unless all of them were taken.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=scripts/servers/debian_root.sh
. "$here/debian_root.sh"

usage() {
  sed -n '2,/^set -/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
  exit 2
}

from_url() { printf '%b' "${1//%/\\x}"; }

broker=${SUIDEN_TEST_MQTT_URL:-mqtt://127.0.0.1:1883}
prefix=wmbusmeters
telegrams=$here/../../tests/fixtures/wmbusmeters/telegrams.tsv
while [ "$#" -gt 0 ]; do
  case $1 in
    --broker) broker=${2:?--broker needs an address} ;;
    --topic-prefix) prefix=${2:?--topic-prefix needs a topic} ;;
    --telegrams) telegrams=${2:?--telegrams needs a file} ;;
    -*) usage ;;
    *) break ;;
  esac
  shift 2
done
[ "$#" = 2 ] || usage
set_name=$1 at=$2

[[ $broker =~ ^mqtt://(([^:@/]+)(:([^@/]*))?@)?([^:@/]+)(:([0-9]+))?/?$ ]] ||
  fail "'$broker' is no broker address: write it like mqtt://user:password@127.0.0.1:1883"
user=${BASH_REMATCH[2]} password=${BASH_REMATCH[4]} host=${BASH_REMATCH[5]} port=${BASH_REMATCH[7]:-1883}
[ "$host" != localhost ] || host=127.0.0.1 # the folder has no /etc/hosts
[[ $prefix =~ ^[A-Za-z0-9_/-]+$ ]] || fail "'$prefix' is no plain topic: use letters, digits, '/', '_' and '-'"
[ -r "$telegrams" ] || fail "cannot read $telegrams: name another file with --telegrams"

root=$("$here/wmbusmeters_root.sh" path)
work=$(mktemp -d "$root/tmp/publish.XXXXXX")
trap 'rm -rf "$work"' EXIT
inside=${work#"$root"}

meters=()
count=0
while IFS=$'\t' read -r set_of name driver id key telegram _; do
  [ "$set_of" = "$set_name" ] || continue
  printf 'telegram=|%s|\n' "$telegram" >>"$work/simulation_telegrams.txt"
  meters+=("$name" "$driver" "$id" "$key")
  count=$((count + 1))
done <"$telegrams"
[ "$count" -gt 0 ] || fail "$telegrams has no set '$set_name': its sets are in its first column"

{
  printf '%s\n' "-h $host" "-p $port"
  [ -z "$user" ] || printf '%s\n' "-u $(from_url "$user")"
  [ -z "$password" ] || printf '%s\n' "-P $(from_url "$password")"
} >"$work/mosquitto_pub"
chmod 600 "$work/mosquitto_pub"

# wmbusmeters only warns when its command fails, so what was taken is counted.
# shellcheck disable=SC2016  # wmbusmeters sets these variables
command='mosquitto_pub -q 1 -t '$prefix'/"$METER_ID" -m "$METER_JSON" && printf "%s\t%s\n" '$prefix'/"$METER_ID" "$METER_JSON"'
SUIDEN_INSIDE_CONFIG=$inside "$here/wmbusmeters_root.sh" run --at "$at" wmbusmeters --format=json --shell="$command" \
  "$inside/simulation_telegrams.txt" "${meters[@]}" >"$work/published" 2>"$work/log" || true
cat "$work/published"
published=$(wc -l <"$work/published")
if [ "$published" != "$count" ]; then
  cat "$work/log" >&2
  fail "$published of $count telegrams reached $host:$port; what was said of the others is above. Is the broker up, and may this user publish to $prefix/…?"
fi
