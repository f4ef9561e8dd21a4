"""What hangs, or differs: where every part stands, for the person who has to find out why."""

import psycopg

from suiden.embedded.child import last_lines
from suiden.torture import store
from suiden.torture.rig import Rig

LISTED = 8
LINES_SHOWN = 15


def diagnose(rig: Rig) -> str:
    """Describe all parts; ends the gateway, so that it shows where its threads stand."""
    parts = [
        ("senders", _senders(rig)),
        ("gateway", _gateway(rig)),
        ("lines", [f"{line.name}: {line.state}" for line in (rig.from_senders, rig.to_broker, rig.to_database)]),
        ("servers", [f"broker pid {rig.broker.pid}, PostgreSQL pid {rig.postgres.pid}, {_disk(rig)}"]),
        ("database", _database(rig)),
        *_ends_of_logs(rig),
        ("end of PostgreSQL's log", last_lines(rig.postgres.log_path, count=LINES_SHOWN).splitlines()),
        ("end of the broker's log", last_lines(rig.broker.log_path, count=LINES_SHOWN).splitlines()),
        *(("where a gateway's threads stood", gateway.stacks().splitlines()) for gateway in rig.gateways),
    ]
    return "\n".join(f"== {name}\n" + "\n".join(f"  {line}" for line in lines) for name, lines in parts)


def _senders(rig: Rig) -> list[str]:
    """Say which messages nobody acknowledged."""
    lines: list[str] = []
    for sender in rig.fleet.senders:
        kept = sender.kept_numbers()
        listed = ", ".join(map(str, kept[:LISTED])) + (" …" if len(kept) > LISTED else "")
        lines.append(
            f"{sender.name}: count {sender.boot}, {sender.number} made, {len(kept)} kept [{listed}], "
            f"last ack {dict(sender.last_ack)}"
        )
    return lines


def _gateway(rig: Rig) -> list[str]:
    lines: list[str] = []
    for gateway in rig.gateways:
        lines.append(f"pid {gateway.pid}, {gateway.starts} starts, counts {gateway.outcomes()}")
        for path in ("/readyz", "/healthz"):
            answer = gateway.ask(path)
            lines.append(f"{path}: {'no answer' if answer is None else f'{answer.status} {answer.text.strip()}'}")
    return lines


def _ends_of_logs(rig: Rig) -> list[tuple[str, list[str]]]:
    return [
        ("end of a gateway's log", last_lines(gateway.log_path, count=LINES_SHOWN).splitlines())
        for gateway in rig.gateways
    ]


def _disk(rig: Rig) -> str:
    return f"{rig.disk.used_bytes >> 20} MiB of its disk used" if rig.disk is not None else "no disk of its own"


def _database(rig: Rig) -> list[str]:
    try:
        with store.connect(rig.database_url) as conn:
            return store.activity(conn)
    except psycopg.Error as error:
        return [f"it does not answer: {error}"]
