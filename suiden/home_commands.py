"""`suiden home`: customers who let their own Home Assistant see their meters."""

import secrets
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import psycopg
import typer
from psycopg import Connection
from psycopg.rows import TupleRow
from rich.console import Console
from rich.markup import escape

from kernel import clock, logs
from kernel.database import Scope, enter_scope
from suiden import settings
from suiden.errors import NotPossibleHere
from suiden.settings import BrokerSettings, ProcessSettings

commands = typer.Typer(no_args_is_help=True, help="Customers' own Home Assistants: who may see their meters there.")
out = Console(soft_wrap=True, highlight=False)

Party = Annotated[str, typer.Argument(help="number of the customer")]
Utility = Annotated[str, typer.Option(envvar="SUIDEN_UTILITY", help="code of the utility")]


@commands.command()
def run() -> None:
    """Tell every home that was opened how its meters stand, until it is stopped."""
    from ingest_gateway import home_assistant

    logs.set_up(process="home")
    given, stop = settings.load(BrokerSettings), threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    home_assistant.run(database_url=given.database_url, mqtt_url=given.mqtt_url, stop=stop)


@commands.command(name="open")
def open_(party: Party, utility: Utility = "hinode") -> None:
    """Give a customer who asked for it a login on the broker; its password is shown once."""
    from ingest_gateway.operations import homes
    from suiden.embedded.access import hash_password

    password = secrets.token_urlsafe(18)
    with _entered(utility) as (conn, utility_id):
        try:
            name = homes.open_home(
                conn,
                utility_id=utility_id,
                party_id=_party(conn, utility_id=utility_id, number=party),
                password_hash=hash_password(password),
                actor="suiden home",
                at=clock.load(conn).at(clock.wall_now()),
            )
        except homes.HomeOpen as error:
            raise NotPossibleHere(str(error)) from error
    out.print(f"login [bold]{name}[/], password [bold]{password}[/]: it is shown this once")
    out.print("run `suiden broker access`, and the broker knows it; `suiden home run` fills its topics")


@commands.command()
def close(party: Party, utility: Utility = "hinode") -> None:
    """End a customer's login; what was published for it is taken back."""
    from ingest_gateway.operations import homes

    with _entered(utility) as (conn, utility_id):
        party_id = _party(conn, utility_id=utility_id, number=party)
        at = clock.load(conn).at(clock.wall_now())
        try:
            name = homes.close_home(conn, utility_id=utility_id, party_id=party_id, actor="suiden home", at=at)
        except homes.HomeUnknown as error:
            raise NotPossibleHere(str(error)) from error
    out.print(f"{name} is closed; run `suiden broker access`, and the broker lets it in no more")


@commands.command(name="list")
def list_(utility: Utility = "hinode") -> None:
    """List the homes that are open, and how many meters each sees."""
    from ingest_gateway.queries.homes import home_logins, home_meters
    from registry import queries as registry

    with _entered(utility) as (conn, utility_id):
        at = clock.load(conn).at(clock.wall_now())
        seen = {home.name: len(home.meters) for home in home_meters(conn, utility_id=utility_id, at=at)}
        found = home_logins(conn, utility_id=utility_id)
        for home in found:
            party = registry.party(conn, utility_id=utility_id, party_id=home.party_id)
            since = f"since {home.opened_at:%Y-%m-%d}"
            out.print(f"[bold]{home.name}[/] {escape(party.party_number)} {since}: {seen[home.name]} meters")
    out.print(f"{len(found)} homes")


@contextmanager
def _entered(code: str) -> Iterator[tuple[Connection[TupleRow], int]]:
    """Work in the name of a utility in one transaction."""
    from registry import queries as registry

    with psycopg.connect(settings.load(ProcessSettings).database_url) as conn:
        found = {utility.code: utility.utility_id for utility in registry.utilities(conn)}
        if code not in found:
            raise NotPossibleHere(f"there is no utility {code}; there are {', '.join(sorted(found)) or 'none'}")
        now = clock.load(conn).at(clock.wall_now())
        enter_scope(conn, scope=Scope(utility_id=found[code], actor="suiden home", now=now))
        yield conn, found[code]


def _party(conn: Connection[TupleRow], *, utility_id: int, number: str) -> int:
    from registry import queries as registry

    found = registry.party_ids(conn, utility_id=utility_id, numbers=[number])
    if number not in found:
        raise NotPossibleHere(f"there is no customer {number}; the counter's search finds numbers by name")
    return found[number]
