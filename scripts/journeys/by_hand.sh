#!/usr/bin/env bash
# Messages as a person types them into the real mosquitto_pub, right and wrong, through a real Mosquitto with logins to
# `suiden gateway` on PostgreSQL with TimescaleDB. Prints what became of each, and fails unless all is as expected.
# The servers come from Debian folders that are made the first time, which needs root: docs/production_servers.md.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scripts/servers/wmbusmeters_root.sh make
exec scripts/servers/real_servers.sh run -- .venv/bin/python -m scripts.journeys.by_hand
