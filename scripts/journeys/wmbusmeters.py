"""From the real wmbusmeters to bills: real Mosquitto, real gateway process, real TimescaleDB, at rate 1."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow

from kernel.migrate import migrate
from scripts.journeys.telegram_utility import (
    CLOSING,
    EXPECTED_BILLS,
    MIDDLE,
    NO_REGISTER_TOPIC,
    OPENING,
    ROOT,
    SENDER,
    STORED_READINGS,
    WATER_SERIALS,
    JourneyFailed,
    as_expected,
    bill_all,
    found,
    refused_messages,
    running_gateway,
    set_clock,
    stored_readings,
    wait_for_messages,
)
from suiden.embedded.access import SENDER_RULES, Login, Rule
from suiden.embedded.broker import MosquittoBroker

BEFORE_MIDNIGHT = timedelta(minutes=5)  # a slow machine must not stamp an opening register after the opening
Say = Callable[[str], None]


def main() -> None:
    """Walk it step by step: needs SUIDEN_TEST_DATABASE_URL (an empty database) and SUIDEN_TEST_MOSQUITTO."""
    try:
        _walk(say=lambda text: print(text, flush=True))
    except (JourneyFailed, subprocess.CalledProcessError) as error:
        sys.exit(f"the journey failed: {error}")


def _walk(*, say: Say) -> None:
    database_url = os.environ["SUIDEN_TEST_DATABASE_URL"]
    logins = [Login("suiden", secrets.token_urlsafe(12), is_service=True), Login(SENDER, secrets.token_urlsafe(12))]
    rules = (*SENDER_RULES, Rule("write", "wmbusmeters/#", only_for=SENDER))
    with ExitStack() as stack:
        work = Path(stack.enter_context(TemporaryDirectory(prefix="suiden-journey-")))
        work.chmod(0o755)  # the broker runs as another user, in a folder of its own in here
        mosquitto = Path(os.environ["SUIDEN_TEST_MOSQUITTO"])
        broker = MosquittoBroker(data_dir=work / "broker", logins=logins, rules=rules, program=mosquitto)
        stack.enter_context(broker)
        say(f"Mosquitto runs on port {broker.port}; {SENDER} may publish to wmbusmeters/#, and to nothing else")
        urls = [f"mqtt://{login.name}:{login.password}@127.0.0.1:{broker.port}" for login in logins]
        applied = migrate(database_url)
        conn = stack.enter_context(psycopg.connect(database_url))
        engine = conn.execute("SELECT reading_engine()").fetchone()
        say(f"database: {len(applied)} migrations applied; readings are kept by engine {engine and engine[0]}")
        utility_id = found(conn)
        say(f"founded utility {utility_id}: {len(WATER_SERIALS)} water meters and an electricity meter at their points")
        log_path = work / "gateway.log"
        with running_gateway(database_url=database_url, mqtt_url=urls[0], log_path=log_path):
            say("`suiden gateway` hears the broker")
            _publish_telegrams(conn, utility_id=utility_id, bridge_url=urls[1], say=say)
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
