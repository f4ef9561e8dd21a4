#!/usr/bin/env bash
# The real wmbusmeters, with its clock set to three dates, through a real Mosquitto with logins, to `suiden gateway` on
# PostgreSQL with TimescaleDB; then the bills. Prints what it sees, and fails unless all of it is as expected.
# The servers come from Debian folders that are made the first time, which needs root: docs/production_servers.md.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
scripts/servers/wmbusmeters_root.sh make
exec scripts/servers/real_servers.sh run -- .venv/bin/python -m scripts.journeys.wmbusmeters
