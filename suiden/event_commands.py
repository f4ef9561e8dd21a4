"""`suiden events`: what consumers could not handle, and trying it again."""

from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.markup import escape

from kernel import event_failures
from suiden import settings
from suiden.settings import ProcessSettings

commands = typer.Typer(no_args_is_help=True, help="Events that could not be handled: list them, try them again.")
out = Console(soft_wrap=True, highlight=False)

OnlyConsumer = Annotated[str | None, typer.Option(help="one consumer only, such as money")]


@commands.command(name="list")
def list_failures(consumer: OnlyConsumer = None) -> None:
    """List the events that were put aside and that nobody has looked after, with their errors."""
    with psycopg.connect(settings.load(ProcessSettings).database_url) as conn:
        found = event_failures.failures(conn, consumer=consumer)
    for one in found:
        asked = " (to be tried again)" if one.retry_asked_at else ""
        out.print(
            f"[bold]{one.event_id}[/] {one.consumer} {one.topic} {one.key} of {one.occurred_at:%Y-%m-%d %H:%M}{asked}"
        )
        out.print(f"    {escape(one.error)}")
    out.print(f"{len(found)} events wait to be looked after" if found else "every event was handled")


@commands.command()
def retry(
    event_id: Annotated[
        int | None, typer.Argument(help="the number that `suiden events list` shows; none: all")
    ] = None,
    consumer: OnlyConsumer = None,
) -> None:
    """Let consumers try again what they put aside, once its cause is mended; the running checker does it."""
    with psycopg.connect(settings.load(ProcessSettings).database_url) as conn:
        asked = event_failures.ask_again(conn, consumer=consumer, event_id=event_id)
    out.print(f"{asked} events will be tried again by the checker; see `suiden events list`")
