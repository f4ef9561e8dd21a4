"""`suiden doctor`: look at every part, and say what to do about what is not well."""

import os
import shutil
import socket
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow
from rich.console import Console

from ingest_gateway import queries as ingest
from kernel import clock, events, heartbeat, invariants, migrate
from kernel.settings import read_secret_files
from suiden.errors import NotPossibleHere
from suiden.settings import ROOT

STALE_S = 15
BACKLOG_AT_MOST = 20_000
FREE_BYTES_AT_LEAST = 1 << 30
TIMEOUT_S = 3.0
GATEWAY, WORKER = "gateway", ":"
PROCESSES = (GATEWAY, "checker", "scheduler")
OPTIONAL = ("home",)  # processes that an installation need not have: looked at once they were seen
BEFORE_PROCESSES = ("database", "schema")  # what hides the processes when it is ill
IN_DATABASE = ("database", "schema", "clock", *PROCESSES, "events", "books")
PARTS = ("assets", "disk", *IN_DATABASE, "broker", "web")
State = Literal["well", "ill", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One part, how it is, and what to do when it is not well."""

    part: str
    state: State
    seen: str
    cure: str = ""

    @property
    def is_well(self) -> bool:
        return self.state == "well"

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def examine(*, part: str | None = None) -> list[Finding]:
    """Look at every part, or at one; a part that cannot be reached is a finding, not an error.

    `gateway` stands for all its workers, `gateway:NAME` for one.

    :raises NotPossibleHere: if there is no such part
    """
    kind, _, worker = (part or "").partition(":")
    if part is not None and (kind not in (*PARTS, *OPTIONAL) or (worker and kind != GATEWAY)):
        raise NotPossibleHere(f"there is no part {part}; there are {', '.join(PARTS)}")
    findings = [finding for look in _looks(kind or None) for finding in look()]
    found = [
        finding for finding in findings if part in (None, finding.part) or finding.part.startswith(f"{part}{WORKER}")
    ]
    if found:
        return found
    hidden_by = next((finding for finding in findings if not finding.is_well), None)
    if hidden_by is None or ((worker or kind in OPTIONAL) and hidden_by.part not in BEFORE_PROCESSES):
        cure = "with this name in SUIDEN_GATEWAY_WORKER" if worker else f"with `suiden {kind} run`"
        return [Finding(part or "", "ill", "never seen", f"start it, {cure}")]
    return [Finding(part or "", "unknown", f"{hidden_by.part}: {hidden_by.seen}", hidden_by.cure)]


def print_findings(findings: list[Finding], *, console: Console) -> None:
    """Print a line a part, with the cure below what is not well."""
    marks = {"well": "[green]well[/]   ", "ill": "[bold red]ILL[/]    ", "unknown": "[yellow]unknown[/]"}
    for finding in findings:
        console.print(f"{marks[finding.state]} {finding.part:<12} {finding.seen}", highlight=False)
        if finding.cure:
            console.print(f"{'':21}-> {finding.cure}", highlight=False)
    ill = sum(not finding.is_well for finding in findings)
    console.print("[green]All is well.[/]" if ill == 0 else f"[bold]{ill} of {len(findings)} parts need attention.[/]")


def _looks(part: str | None) -> list[Callable[[], Iterable[Finding]]]:
    """Choose where to look: health checks ask for one part, often."""
    looks: dict[str, Callable[[], Iterable[Finding]]] = {
        "assets": _assets,
        "disk": _disk,
        "database": lambda: _database(_address("database_url")),
        "broker": lambda: [_broker(_address("mqtt_url"))],
        "web": lambda: [_web(_address("port"))],
    }
    if part is None:
        return list(looks.values())
    return [looks["database" if part in (*IN_DATABASE, *OPTIONAL) else part]]


def _address(name: str) -> str:
    """Find a server by our environment, or by the demo that runs from here; empty: nowhere."""
    environment = {**os.environ, **read_secret_files(dict(os.environ))}
    if environment.get(name.upper()):
        return environment[name.upper()]
    from suiden import demo  # only here: it takes seconds to load

    try:
        return demo.running_servers().get(name, "")
    except NotPossibleHere:
        return ""


def _assets() -> Iterable[Finding]:
    vendor = ROOT / "customer_app" / "static" / "vendor"
    count = len(list(vendor.glob("**/*.js"))) if vendor.exists() else 0
    if count:
        yield Finding("assets", "well", f"{count} scripts for the browser in place")
    else:
        yield Finding("assets", "ill", f"nothing in {vendor}", "run `make setup`")


def _disk() -> Iterable[Finding]:
    folder = Path(os.environ.get("SUIDEN_DATA_DIR", ROOT))
    free = shutil.disk_usage(folder if folder.exists() else ROOT).free
    seen = f"{free / (1 << 30):.1f} GiB free at {folder}"
    if free >= FREE_BYTES_AT_LEAST:
        yield Finding("disk", "well", seen)
    else:
        yield Finding("disk", "ill", seen, "make room: intake waits, unacknowledged, when the disk is full")


def _database(database_url: str) -> Iterable[Finding]:
    if not database_url:
        yield Finding("database", "ill", "no address", "set DATABASE_URL, or start a demo with `make demo`")
        return
    try:
        with psycopg.connect(database_url, connect_timeout=int(TIMEOUT_S)) as conn:
            yield Finding(
                "database", "well", f"PostgreSQL {conn.info.server_version // 10000} answers at {conn.info.host}"
            )
            pending = migrate.pending(database_url)
            if pending:
                yield Finding(
                    "schema", "ill", f"{len(pending)} migrations wait, first {pending[0]}", "run `suiden migrate`"
                )
                return
            yield Finding("schema", "well", f"up to date; readings are kept by engine {ingest.reading_engine(conn)}")
            yield from _clock(conn)
            yield from _processes(conn)
            yield from _events(conn)
            yield from _invariants(conn)
    except (psycopg.OperationalError, psycopg.ProgrammingError) as error:
        first_line = str(error).strip().splitlines()[0]
        yield Finding("database", "ill", first_line, "start PostgreSQL, and look whether DATABASE_URL is right")


def _clock(conn: Connection[TupleRow]) -> Iterable[Finding]:
    try:
        anchor = clock.load(conn)
    except clock.ClockNotSet:
        yield Finding("clock", "ill", "utility time was never set", "found a utility: `suiden found`, or `make demo`")
        return
    if anchor.running:
        yield Finding(
            "clock", "well", f"{anchor.at(clock.wall_now()):%Y-%m-%d %H:%M} UTC, {anchor.rate:g} times the wall clock"
        )
    else:
        yield Finding(
            "clock", "ill", f"stands still at {anchor.utility_anchor:%Y-%m-%d %H:%M} UTC", "start the processes again"
        )


def _processes(conn: Connection[TupleRow]) -> Iterable[Finding]:
    seen = heartbeat.heartbeats(conn)
    for name in (*PROCESSES, *OPTIONAL):
        beats = [beat for beat in seen if beat.process.partition(WORKER)[0] == name]
        if not beats and name in PROCESSES:
            yield Finding(name, "ill", "never seen", f"start it: `suiden {name}`")
        for beat in beats:
            yield _process(name, beat)


def _process(name: str, beat: heartbeat.Heartbeat) -> Finding:
    silent = clock.wall_now() - beat.seen_at
    ills = [str(key) for key, state in beat.health.items() if state is False]
    if silent > timedelta(seconds=STALE_S):
        retired = "; is it retired, `suiden gateway --drain` under its name" if WORKER in beat.process else ""
        seen = f"silent for {silent.total_seconds():.0f} s"
        return Finding(beat.process, "ill", seen, f"start it: `suiden {name}`; see its log{retired}")
    if ills:
        seen = f"says that this is not so: {', '.join(ills)}"
        return Finding(beat.process, "ill", seen, "see its log, and the parts above and below")
    return Finding(beat.process, "well", f"seen {max(silent.total_seconds(), 0):.0f} s ago")


def _events(conn: Connection[TupleRow]) -> Iterable[Finding]:
    waiting = events.backlog(conn)
    most = max(waiting.values(), default=0)
    count = events.unresolved_failures(conn)
    if count:
        yield Finding(
            "events",
            "ill",
            f"{count} events could not be handled",
            "see `suiden events list`; with the cause mended, `suiden events retry`",
        )
    elif most > BACKLOG_AT_MOST:
        yield Finding("events", "ill", f"{most} events wait", "the checker is behind: give it time, or see its log")
    else:
        yield Finding("events", "well", f"{most} events wait")


def _invariants(conn: Connection[TupleRow]) -> Iterable[Finding]:
    results = invariants.last_results(conn)
    broken = [result for result in results if result.violations]
    for result in broken:
        yield Finding(
            "books",
            "ill",
            f"{result.name}: {result.violations}, such as {result.example}",
            "stop bill runs and ask for help",
        )
    if not broken:
        seen = f"{len(results)} standing checks find nothing" if results else "standing checks have not run yet"
        yield Finding(
            "books", "well" if results else "unknown", seen, "" if results else "start `suiden scheduler`; look again"
        )


def _broker(mqtt_url: str) -> Finding:
    if not mqtt_url:
        return Finding("broker", "ill", "no address", "set MQTT_URL, or start a demo with `make demo`")
    parts = urlsplit(mqtt_url)
    host, port = parts.hostname or "", parts.port or (8883 if parts.scheme == "mqtts" else 1883)
    try:
        socket.create_connection((host, port), timeout=TIMEOUT_S).close()
    except OSError as error:
        return Finding(
            "broker", "ill", f"{host}:{port}: {error}", "start the MQTT broker, and look whether MQTT_URL is right"
        )
    return Finding("broker", "well", f"answers at {host}:{port}")


def _web(port: str) -> Finding:
    address = f"http://127.0.0.1:{port or 8080}/healthz"
    try:
        with urlopen(address, timeout=TIMEOUT_S) as answer:
            return Finding("web", "well", f"{address} answers {answer.status}")
    except (URLError, OSError) as error:
        return Finding("web", "ill", f"{address}: {error}", "start it: `suiden serve`")
