#!/usr/bin/env bash
# Makes tests/fixtures/wmbusmeters/recorded.jsonl: what the real wmbusmeters published through the real Mosquitto,
# as a subscriber received it, for an opening, a middle and a closing date.
#
#   wmbusmeters_record.sh [FILE]
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ -z "${SUIDEN_TEST_MQTT_URL:-}" ]; then
  exec "$here/real_servers.sh" run -- "$0" "$@"
fi

out=${1:-$here/../../tests/fixtures/wmbusmeters/recorded.jsonl}
port=${SUIDEN_TEST_MQTT_URL##*:}
work=$(mktemp -d "${TMPDIR:-/tmp}/suiden-record.XXXXXX")
trap 'rm -rf "$work"' EXIT

subscribe() {
  "$here/wmbusmeters_root.sh" run mosquitto_sub -h 127.0.0.1 -p "$port" -c -i recorder -q 1 -t 'wmbusmeters/#' "$@"
}

subscribe -E # the session stays, and the broker keeps what is published meanwhile
{
  "$here/wmbusmeters_publish.sh" opening 2025-03-31T15:00:00Z
  "$here/wmbusmeters_publish.sh" middle 2025-04-30T15:00:00Z
  "$here/wmbusmeters_publish.sh" closing 2025-05-31T15:00:00Z
} >"$work/published"
subscribe -F '%j' -C "$(wc -l <"$work/published")" -W 30 >"$work/received"

python3 - "$work/received" >"$work/recorded" <<'PY'
import json
import sys

for line in open(sys.argv[1], encoding="utf-8"):
    message = json.loads(line)
    published_at = json.loads(message["payload"])["timestamp"]
    row = {"topic": message["topic"], "payload": message["payload"], "published_at": published_at}
    print(json.dumps(row, ensure_ascii=False))
PY
mv "$work/recorded" "$out"
echo "recorded $(wc -l <"$out") messages in $out" >&2
