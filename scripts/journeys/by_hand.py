"""What a person types into mosquitto_pub, right and wrong: each message is stored once, or refused with its reason."""

import json
import subprocess
import sys
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from scripts.journeys.stage import Say, Stage, standing
from scripts.journeys.telegram_utility import (
    OPENING,
    ROOT,
    JourneyFailed,
    refused_messages,
    stored_readings,
    wait_for_messages,
)

SERIAL = "33225544"
AT = OPENING - timedelta(hours=1)
LATER = OPENING - timedelta(minutes=30)


def main() -> None:
    """Publish them one after the other, and say what became of each."""
    try:
        with standing(say=_say) as stage:
            _publish_all(stage, say=_say)
    except (JourneyFailed, subprocess.CalledProcessError) as error:
        sys.exit(f"it failed: {error}")
    _say("Each was stored once or refused with its reason, and the gateway ran on.")


def _telegram(*, serial: str = SERIAL, at: datetime = AT, **fields: object) -> str:
    return json.dumps({"_": "telegram", "media": "water", "id": serial, "timestamp": at.isoformat(), **fields})


# what it is, what is typed, and the reason for which it must be refused; None: it is taken
MESSAGES: tuple[tuple[str, str, str | None], ...] = (
    ("a reading", _telegram(total_m3=10.5), None),
    ("the same again", _telegram(total_m3=10.5), None),
    ("another register at the same instant", _telegram(total_m3=11), "conflict"),
    ("no JSON", "10.5 cubic metres", "malformed"),
    ("half a message", _telegram(total_m3=12)[:-5], "malformed"),
    ("300,000 bytes", _telegram(total_m3=12, note="x" * 300_000), "too_large"),
    ("nested 5,000 deep", "[" * 5_000 + "]" * 5_000, "too_deep"),
    ("a meter that nobody knows", _telegram(serial="99999999", total_m3=12), "unknown_meter"),
    ("a day that has not come", _telegram(at=AT + timedelta(days=400), total_m3=12), "clock_ahead"),
    ("a day long gone", _telegram(at=AT - timedelta(days=4_000), total_m3=12), "too_old"),
    ("no register", _telegram(), "no_register"),
    ("a register in kWh from a water meter", _telegram(total_energy_consumption_kwh=12), "unit_mismatch"),
    ("a register that fell", _telegram(at=LATER - timedelta(minutes=5), total_m3=1), "register_backwards"),
    ("a later reading", _telegram(at=LATER, total_m3=10.625), None),
)
STORED = [(SERIAL, AT, Decimal("10.500")), (SERIAL, LATER, Decimal("10.625"))]


def _publish_all(stage: Stage, *, say: Say) -> None:
    refused: list[str] = []
    for what, payload, reason in MESSAGES:
        _publish(stage.bridge_url, payload)
        refused += [reason] if reason is not None else []
        wait_for_messages(stage.conn, utility_id=stage.utility_id, stored=0 if reason else 1, refused=len(refused))
        newest = max(
            refused_messages(stage.conn, utility_id=stage.utility_id), key=lambda one: one.reject_id, default=None
        )
        say(f"{what}: {f'{newest.reason}: {newest.detail[:90]}' if reason and newest else 'taken'}")
        if stage.gateway.poll() is not None:
            raise JourneyFailed(f"the gateway ended after {what}")
    wait_for_messages(stage.conn, utility_id=stage.utility_id, stored=len(STORED), refused=len(refused))
    stored = [
        (one.serial, one.read_at, one.register) for one in stored_readings(stage.conn, utility_id=stage.utility_id)
    ]
    found = sorted(
        one.reason for one in refused_messages(stage.conn, utility_id=stage.utility_id) for _ in range(one.times)
    )
    if stored != STORED or found != sorted(refused):
        raise JourneyFailed(f"stored {stored} and refused for {found}; expected {STORED} and {sorted(refused)}")


def _publish(bridge_url: str, payload: str) -> None:
    address = urlsplit(bridge_url)
    login = ["-u", address.username or "", "-P", address.password or ""]
    subprocess.run(
        [
            str(ROOT / "scripts" / "servers" / "wmbusmeters_root.sh"), "run", "mosquitto_pub", "-q", "1",
            "-h", "127.0.0.1", "-p", str(address.port), *login, "-t", "wmbusmeters/by-hand", "-s",
        ],
        input=payload.encode(),
        check=True,
    )  # fmt: skip


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    main()
