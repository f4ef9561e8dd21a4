"""From the real wmbusmeters to bills: real Mosquitto, real gateway process, real TimescaleDB, at rate 1."""

import subprocess
import sys
from datetime import UTC, timedelta

from psycopg import Connection
from psycopg.rows import TupleRow

from scripts.journeys.stage import Say, standing
from scripts.journeys.telegram_utility import (
    CLOSING,
    EXPECTED_BILLS,
    MIDDLE,
    NO_REGISTER_TOPIC,
    OPENING,
    ROOT,
    STORED_READINGS,
    JourneyFailed,
    as_expected,
    bill_all,
    refused_messages,
    set_clock,
    stored_readings,
    wait_for_messages,
)

BEFORE_MIDNIGHT = timedelta(minutes=5)  # a slow machine must not stamp an opening register after the opening


def main() -> None:
    """Walk it step by step, and say what is seen."""
    try:
        _walk(say=lambda text: print(text, flush=True))
    except (JourneyFailed, subprocess.CalledProcessError) as error:
        sys.exit(f"the journey failed: {error}")


def _walk(*, say: Say) -> None:
    with standing(say=say) as stage:
        conn, utility_id = stage.conn, stage.utility_id
        _publish_telegrams(conn, utility_id=utility_id, bridge_url=stage.bridge_url, say=say)
        _show(conn, utility_id=utility_id, say=say)
        bills = bill_all(conn, utility_id=utility_id)
        for bill in bills:
            say(f"bill of {bill.serial}: {bill.opening} -> {bill.closing}, use {bill.use}, {bill.total_yen:,} yen")
            for line in bill.lines:
                say(f"    {line}")
        if as_expected(bills) != EXPECTED_BILLS:
            raise JourneyFailed(f"these bills were expected: {EXPECTED_BILLS}")
    say("The journey went well: every telegram is stored once or refused with its reason, every bill exact to the yen.")


def _publish_telegrams(conn: Connection[TupleRow], *, utility_id: int, bridge_url: str, say: Say) -> None:
    """Let the real wmbusmeters decode and publish, each set some minutes before the midnight it is named for."""
    publish = ROOT / "scripts" / "servers" / "wmbusmeters_publish.sh"
    stored = refused = 0
    for set_name, midnight in (("opening", OPENING), ("middle", MIDDLE), ("closing", CLOSING)):
        at = midnight - BEFORE_MIDNIGHT
        set_clock(conn, now=at)
        say(f"{set_name}: the clocks of the utility and of wmbusmeters say {at:%Y-%m-%d %H:%M} UTC")
        command = [str(publish), "--broker", bridge_url, set_name, f"{at:%Y-%m-%dT%H:%M:%SZ}"]
        answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        for line in answer.stdout.splitlines():
            say(f"    {line.replace(chr(9), ' ')}")
            is_refused = line.startswith(f"{NO_REGISTER_TOPIC}\t")
            refused += is_refused
            stored += not is_refused
        wait_for_messages(conn, utility_id=utility_id, stored=stored, refused=refused)
    if (stored, refused) != (STORED_READINGS, 1):
        raise JourneyFailed(f"{STORED_READINGS} telegrams with a register and one without were expected")


def _show(conn: Connection[TupleRow], *, utility_id: int, say: Say) -> None:
    readings = stored_readings(conn, utility_id=utility_id)
    for one in readings:
        say(f"stored: {one.serial} at {one.read_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC: {one.register}")
    refusals = refused_messages(conn, utility_id=utility_id)
    for one in refusals:
        say(f"refused: {one.topic}: {one.reason}: {one.detail}")
    if len(readings) != STORED_READINGS or [(one.topic, one.reason) for one in refusals] != [
        (NO_REGISTER_TOPIC, "no_register")
    ]:
        raise JourneyFailed("not every telegram was stored once or refused for having no register")


if __name__ == "__main__":
    main()
