"""`suiden torture`: what the product must bear, tried on this machine."""

import typer

commands = typer.Typer(no_args_is_help=True, help="Try to break the product: faults under load, hostile messages.")
