"""`suiden rejects`: what was refused, why, and sending it through again once the cause is gone."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, get_args

import typer
from rich.console import Console
from rich.markup import escape

from ingest_gateway import operations as ingest
from ingest_gateway import queries
from ingest_gateway.domain.files.cells import instant_of
from ingest_gateway.domain.wire import Reason, Refused
from ingest_gateway.queries import RejectedMessage, RejectFilter
from ingest_gateway.settings import GatewaySettings
from registry.queries import Utility
from suiden import desk, settings
from suiden.desk import Desk
from suiden.errors import NotPossibleHere

commands = typer.Typer(no_args_is_help=True, help="Refused messages: list them, look at one, send them through again.")
out = Console(soft_wrap=True, highlight=False)

PORTION = 500
SHOWN_CHARACTERS = 140

OfUtility = Annotated[str, typer.Option("--utility", envvar="SUIDEN_UTILITY", help="code of the utility")]
ByReason = Annotated[str | None, typer.Option("--reason", help="only those refused for this reason")]
ByTopic = Annotated[str | None, typer.Option("--topic", help="only those with this in their topic")]
Since = Annotated[
    str | None, typer.Option("--since", help="only those that came at or after this time, local or with its zone")
]
Until = Annotated[str | None, typer.Option("--until", help="only those that came before this time")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
NoUtility = Annotated[
    bool, typer.Option("--no-utility", help="those that name no utility of ours, which no page shows")
]


@commands.command(name="list")
def list_rejects(
    reason: ByReason = None,
    topic: ByTopic = None,
    since: Since = None,
    until: Until = None,
    waiting: Annotated[bool, typer.Option("--waiting", help="only those that were not sent again yet")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="list so many, at most")] = 50,
    utility: OfUtility = "hinode",
    no_utility: NoUtility = False,
    as_json: AsJson = False,
) -> None:
    """List refused messages, the last first, and say how many are kept and how many had to go."""
    with desk.work_for(utility, process="rejects") as at:
        chosen = _filter(at.utility, reason=reason, topic=topic, since=since, until=until, waiting=waiting)
        utility_id = None if no_utility else at.utility.utility_id
        found = list(_messages(at, utility_id=utility_id, chosen=chosen, limit=limit))
        room = queries.rejected_room(at.conn, utility_id=utility_id)
        dropped = queries.rejected_dropped(at.conn, utility_id=utility_id)
    if as_json:
        _write_json(
            {
                "rejects": [_told(one) for one in found],
                "kept": asdict(room),
                "dropped": [{**asdict(one), "last_at": one.last_at.isoformat()} for one in dropped],
            }
        )
        return
    for one in found:
        _print_line(one, utility=at.utility)
    most = f" (of {limit} listed at most: see --limit)" if len(found) == limit else ""
    out.print(
        f"{len(found):,} listed{most}; kept: {room.messages:,} with {room.bytes:,} bytes, of which {room.waiting:,} "
        "were not sent again yet"
    )
    for gone in dropped:
        out.print(
            f"no longer kept: {gone.messages:,} × {gone.reason} ({gone.readings:,} readings), the last of "
            f"{gone.last_at.astimezone(at.utility.zone):%Y-%m-%d %H:%M}"
        )


@commands.command()
def show(
    reject_id: Annotated[int, typer.Argument(help="the number that `suiden rejects list` shows")],
    utility: OfUtility = "hinode",
    no_utility: NoUtility = False,
    as_json: AsJson = False,
    raw: Annotated[
        bool, typer.Option("--raw", help="write the message itself, byte by byte, and nothing else")
    ] = False,
) -> None:
    """Show one refused message whole: topic, reason, first and last time, how often, and what was in it."""
    with desk.work_for(utility, process="rejects") as at:
        found = _one(at, utility_id=None if no_utility else at.utility.utility_id, reject_id=reject_id)
    if raw:
        sys.stdout.buffer.write(found.payload)
        return
    if as_json:
        _write_json(_told(found))
        return
    zone = at.utility.zone
    sent_again = f"{found.replayed_at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if found.replayed_at else "not yet"
    cut = f", of which {len(found.payload):,} were kept" if found.payload_bytes > len(found.payload) else ""
    for name, said in (
        ("number", str(found.reject_id)),
        ("reason", found.reason),
        ("detail", _printable(found.detail)),
        ("topic", _printable(found.topic)),
        ("first", f"{found.first_at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"),
        ("last", f"{found.last_at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"),
        ("readings", f"{found.times:,}"),
        ("sent again", sent_again),
        ("bytes", f"{found.payload_bytes:,}{cut}"),
    ):
        out.print(f"[bold]{name:<11}[/]{escape(said)}")
    out.print(escape(_payload(found.payload)))


@commands.command()
def replay(
    reject_ids: Annotated[
        list[int] | None, typer.Argument(help="numbers that `suiden rejects list` shows; none: those chosen by options")
    ] = None,
    reason: ByReason = None,
    topic: ByTopic = None,
    since: Since = None,
    until: Until = None,
    all_waiting: Annotated[bool, typer.Option("--all", help="all that were not sent again yet")] = False,
    accept_backwards: Annotated[
        bool, typer.Option("--accept-backwards", help="somebody looked: registers that fell are true")
    ] = False,
    utility: OfUtility = "hinode",
    as_json: AsJson = False,
) -> None:
    """Send refused messages through intake again, the oldest first, and say what became of each; twice is harmless.

    Chosen by options, those that were sent again before are left out. Each is a transaction of its own. Exit code 0:
    nothing was refused again; 3: something was, or could not be sent.
    """
    is_filtered = bool(reason or topic or since or until or all_waiting)
    if bool(reject_ids) == is_filtered:
        raise NotPossibleHere("say which: numbers, or --reason, --topic, --since, --until, or --all; not both")
    bridges = settings.load(GatewaySettings).bridges
    told: list[dict[str, Any]] = []
    with desk.work_for(utility, process="rejects") as at:
        chosen = _filter(at.utility, reason=reason, topic=topic, since=since, until=until, waiting=True)
        for reject_id in reject_ids or _oldest_first(at, chosen):
            outcome = _replay(at, reject_id, accept_backwards=accept_backwards, bridges=bridges)
            told.append({"reject_id": reject_id, **outcome})
            if not as_json:
                _print_outcome(reject_id, outcome)
    if as_json:
        _write_json(told)
    elif not told:
        out.print("no message that waits is like that")
    if any(one.get("rejected") or "error" in one for one in told):
        raise typer.Exit(3)


def _replay(at: Desk, reject_id: int, *, accept_backwards: bool, bridges: Any) -> dict[str, Any]:
    try:
        done = ingest.replay_reject(
            at.conn,
            utility_id=at.utility.utility_id,
            reject_id=reject_id,
            accept_backwards=accept_backwards,
            at=at.now,
            bridges=bridges,
        )
    except (ingest.NotReplayable, ingest.RejectUnknown) as error:
        at.roll_back()
        return {"error": str(error)}
    outcome = asdict(done)
    detail = {**outcome, "accept_backwards": accept_backwards}
    at.record(action="reject.replay", object_kind="reject", object_id=str(reject_id), detail=detail)
    at.commit()
    return outcome


def _print_outcome(reject_id: int, outcome: dict[str, Any]) -> None:
    if "error" in outcome:
        out.print(f"[bold]{reject_id}[/] [yellow]not sent[/]: {escape(_printable(outcome['error']))}")
        return
    again = f"[yellow]{outcome['rejected']:,} refused again[/]" if outcome["rejected"] else "none refused"
    out.print(
        f"[bold]{reject_id}[/] {outcome['stored']:,} stored, {outcome['duplicates']:,} had been stored before, {again}"
    )


def _oldest_first(at: Desk, chosen: RejectFilter) -> list[int]:
    found = _messages(at, utility_id=at.utility.utility_id, chosen=chosen, limit=None)
    return sorted(one.reject_id for one in found)


def _messages(
    at: Desk, *, utility_id: int | None, chosen: RejectFilter, limit: int | None
) -> Iterator[RejectedMessage]:
    before: int | None = None
    while limit is None or limit > 0:
        size = PORTION if limit is None else min(limit, PORTION)
        page = queries.rejected_page(at.conn, utility_id=utility_id, before=before, limit=size, chosen=chosen)
        yield from page
        if len(page) < size:
            return
        before, limit = page[-1].reject_id, None if limit is None else limit - size


def _one(at: Desk, *, utility_id: int | None, reject_id: int) -> RejectedMessage:
    try:
        return queries.rejected_message(at.conn, utility_id=utility_id, reject_id=reject_id)
    except ingest.RejectUnknown as error:
        raise NotPossibleHere(str(error)) from error


def _filter(
    utility: Utility, *, reason: str | None, topic: str | None, since: str | None, until: str | None, waiting: bool
) -> RejectFilter:
    known: Sequence[str] = get_args(Reason)
    if reason is not None and reason not in known:
        raise NotPossibleHere(f"--reason {reason} is none of {', '.join(sorted(known))}")
    return RejectFilter(
        reason=reason,
        topic=topic,
        since=_instant("--since", since, utility=utility),
        until=_instant("--until", until, utility=utility),
        waiting=waiting,
    )


def _instant(option: str, text: str | None, *, utility: Utility) -> datetime | None:
    if text is None:
        return None
    try:
        return instant_of(f"{text} 00:00" if len(text.strip()) == len("2026-04-01") else text, zone=utility.zone)
    except Refused as error:
        raise NotPossibleHere(f"{option}: {error.detail}") from error


def _print_line(one: RejectedMessage, *, utility: Utility) -> None:
    again = " [dim]sent again[/]" if one.replayed_at else ""
    last = f"{one.last_at.astimezone(utility.zone):%Y-%m-%d %H:%M}"
    out.print(
        f"[bold]{one.reject_id}[/] {last} [yellow]{one.reason}[/] ×{one.times:,}{again} {escape(_printable(one.topic))}"
    )
    out.print(f"    {escape(_printable(one.detail))}")
    said = _payload(one.payload[: SHOWN_CHARACTERS * 4])
    said = said if len(said) <= SHOWN_CHARACTERS else f"{said[:SHOWN_CHARACTERS]}…"
    out.print(f"    [dim]{escape(_printable(said))}[/]")


def _told(one: RejectedMessage) -> dict[str, Any]:
    """Tell a message as JSON; what is no text is told in hexadecimal digits."""
    times = {name: getattr(one, name) for name in ("first_at", "last_at", "replayed_at")}
    told = {**asdict(one), **{name: None if at is None else at.isoformat() for name, at in times.items()}}
    del told["payload"]
    try:
        return {**told, "payload": one.payload.decode()}
    except UnicodeDecodeError:
        return {**told, "payload_hex": one.payload.hex()}


def _payload(payload: bytes) -> str:
    """Show text as it is, with what no terminal should get marked, and anything else in hexadecimal digits."""
    text = payload.decode("utf-8", "replace")
    strange = sum(letter == "\ufffd" or not (letter.isprintable() or letter in "\t\r\n") for letter in text)
    if strange * 4 > len(text):
        return payload.hex(" ")
    return "\n".join(_printable(line) for line in text.splitlines())


def _printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " if letter in "\t\r\n" else "·" for letter in text)


def _write_json(told: Any) -> None:
    sys.stdout.write(json.dumps(told, ensure_ascii=False, indent=2) + "\n")
