"""The gateway as a process of its own, to be killed: python -m tests.faults.gateway_process."""

import os
import signal
import threading

from ingest_gateway import gateway
from ingest_gateway.operations import GuardVerdict
from kernel import logs


def main() -> None:
    """Run until SIGTERM, or until killed."""
    logs.set_up(process="gateway", json_lines=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    gateway.run(
        database_url=os.environ["DATABASE_URL"],
        mqtt_url=os.environ["MQTT_URL"],
        client_id="suiden-gateway",
        release_guard=lambda _conn, _command, _now: GuardVerdict(allowed=False, reason="not in this test", proof={}),
        stop=stop,
    )


if __name__ == "__main__":
    main()
