"""`suiden broker`: who may use the broker, from the registry; certificates for its line."""

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import psycopg
import typer
from rich.console import Console
from rich.markup import escape

from ingest_gateway.settings import GatewaySettings
from kernel.clock import wall_now
from suiden import broker_access, certificates, settings
from suiden.broker_access import BrokerLogin, Changes
from suiden.errors import NotPossibleHere
from suiden.settings import ProcessSettings

commands = typer.Typer(no_args_is_help=True, help="The broker: its logins, made from the registry, and certificates.")
out = Console(soft_wrap=True, highlight=False)
SHOWN = 20

Secrets = Annotated[Path, typer.Argument(help="the folder that `suiden secrets` made, such as deploy/secrets")]
Certificates = Annotated[Path, typer.Argument(help="folder of the authority, such as deploy/certificates")]


@commands.command()
def senders(
    as_json: Annotated[bool, typer.Option("--json", help="for `suiden broker access --senders`")] = False,
) -> None:
    """List who the registry lets speak, and on which topics; it reads the database alone."""
    found = _from_registry()
    if as_json:
        sys.stdout.write(broker_access.as_json(found))
        return
    for one in found:
        topics = "; ".join(f"{access} {topic}" for access, topic in one.rules)
        out.print(f"[bold]{escape(one.name)}[/] {one.utility}: {escape(topics)}")
    out.print(f"{len(found)} logins")


@commands.command()
def access(
    folder: Secrets,
    senders_from: Annotated[
        Path | None, typer.Option("--senders", help="list made by `suiden broker senders --json`; - for standard input")
    ] = None,
    rotate: Annotated[list[str] | None, typer.Option(help="sender that gets a new password; may be repeated")] = None,
    rotate_all: Annotated[bool, typer.Option("--rotate-all", help="every sender gets a new password")] = False,
    certificates_only: Annotated[
        bool, typer.Option("--certificates-only", help="no passwords: senders show certificates")
    ] = False,
    reload: Annotated[
        str,
        typer.Option(help='command that lets the broker read the files again, such as "systemctl reload mosquitto"'),
    ] = "",
) -> None:
    """Write the broker's password and access files as the registry has it; tell what changed."""
    if senders_from is None:
        found = _from_registry()
    else:
        found = broker_access.from_json(sys.stdin.read() if str(senders_from) == "-" else senders_from.read_text())
    changes = broker_access.write(
        folder,
        found,
        rotate=rotate or (),
        rotate_all=rotate_all,
        by_password=not certificates_only,
        wall_now=wall_now(),
    )
    _tell(changes)
    if changes.files_changed:
        _reload(reload)
    if changes.refused:
        raise typer.Exit(1)


@commands.command()
def authority(
    folder: Certificates,
    name: Annotated[str, typer.Option(help="its name, for people")] = "Suiden meters",
) -> None:
    """Make a certificate authority of your own; keep ca.key away from the broker and the network."""
    out.print(f"made {certificates.make_authority(folder, name=name)} and ca.key, which nobody else may read")


@commands.command()
def certificate(
    folder: Certificates,
    name: Annotated[str, typer.Argument(help="a sender's name, or the broker's")],
    host: Annotated[
        list[str] | None, typer.Option(help="of the broker: a host name or address it is reached by; may be repeated")
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="how long it is valid")] = 825,
) -> None:
    """Make a certificate and its key: for a sender, which then is its login, or for the broker itself."""
    made = certificates.make_certificate(folder, name=name, hosts=host or (), days=days)
    out.print(f"made {made} and {made.with_suffix('.key')}")


def _from_registry() -> list[BrokerLogin]:
    bridges = settings.load(GatewaySettings).bridges
    with psycopg.connect(settings.load(ProcessSettings).database_url) as conn:
        return broker_access.logins(conn, bridges=bridges)


def _tell(changes: Changes) -> None:
    for word, names in (("added", changes.added), ("removed", changes.removed), ("new password", changes.rotated)):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            out.print(f"{word}: {escape(', '.join(names[:SHOWN]))}{more}")
    for name, why in changes.refused:
        out.print(f"[bold red]left out[/] {escape(name)}: {escape(why)}")
    if changes.handout is not None:
        out.print(f"new passwords are in {changes.handout}: put them into the meters, then delete that file")
    state = "written" if changes.files_changed else "nothing changed"
    out.print(f"{changes.logins} logins beside our own; {state}")


def _reload(command: str) -> None:
    if not command:
        out.print("the broker must read them again: send it SIGHUP, such as `docker compose kill -s HUP broker`")
        return
    done = subprocess.run(shlex.split(command), check=False)
    if done.returncode != 0:
        raise NotPossibleHere(f"`{command}` ended with {done.returncode}: the broker still has the old files")
    out.print("the broker was told to read them again")
