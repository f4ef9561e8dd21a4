"""`suiden anomaly`: labelled sets to measure the checker by, and the measuring."""

import typer
from rich.console import Console

commands = typer.Typer(
    no_args_is_help=True, help="Measure the checker: make labelled sets of readings, evaluate on them."
)
out = Console()


@commands.callback()
def _group() -> None:
    """Keep the group a group while it has one command only."""
