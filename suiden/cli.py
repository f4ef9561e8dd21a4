"""The `suiden` command."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from customer_app.settings import Surface, WebSettings
from kernel import logs, migrate
from suiden import (
    anomaly_commands,
    bench_commands,
    broker_commands,
    event_commands,
    home_commands,
    import_commands,
    rejects_commands,
    settings,
    tariff_commands,
    torture_commands,
)
from suiden.settings import BrokerSettings, CheckerSettings, ProcessSettings, SchedulerSettings

if TYPE_CHECKING:
    from simulators.faults import FaultKind

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run a small water and electricity utility, from the meter to the paid bill.",
)
simulate = typer.Typer(no_args_is_help=True, help="The living town: run it, or throw a fault into it.")
app.add_typer(simulate, name="simulate")
app.add_typer(event_commands.commands, name="events")
app.add_typer(import_commands.commands, name="import")
app.add_typer(rejects_commands.commands, name="rejects")
app.add_typer(broker_commands.commands, name="broker")
app.add_typer(home_commands.commands, name="home")
app.add_typer(torture_commands.commands, name="torture")
app.add_typer(tariff_commands.commands, name="tariff")
app.add_typer(bench_commands.commands, name="bench")
app.add_typer(anomaly_commands.commands, name="anomaly")
out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run the command; an error that a person can mend is one line, not a traceback."""
    from suiden.errors import EXPECTED

    try:
        app()
    except EXPECTED as error:
        err.print(f"[bold red]suiden:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)


@app.command()
def demo(
    port: Annotated[int, typer.Option(envvar="PORT", help="where the web application listens")] = 8080,
    rate: Annotated[
        float, typer.Option(help="how many times faster than the wall clock; 4320 is a day in 20 s")
    ] = 4320.0,
    fresh: Annotated[bool, typer.Option("--fresh", help="forget the last town and begin anew")] = False,
) -> None:
    """Start the whole utility with a living town on this machine; Ctrl-C stops it, a second start goes on."""
    from suiden import demo as demo_process

    demo_process.run(port=port, rate=rate, fresh=fresh, console=out)


@app.command()
def serve(
    surface: Annotated[Surface | None, typer.Option(help="which pages to serve")] = None,
    host: Annotated[str | None, typer.Option(help="address to listen on")] = None,
    port: Annotated[int | None, typer.Option(help="port to listen on")] = None,
) -> None:
    """Serve the pages: for customers, for staff, for the handheld, or all of them."""
    from suiden import workers

    given: dict[str, Any] = {"surface": surface, "host": host, "port": port}
    chosen = settings.load(WebSettings).model_copy(update={k: v for k, v in given.items() if v is not None})
    logs.set_up(process="web")
    workers.serve(chosen)


@app.command()
def gateway(
    drain: Annotated[
        bool, typer.Option("--drain", help="take this worker, which is stopped, out of service, then end")
    ] = False,
    quiet_s: Annotated[
        float, typer.Option(min=1, help="with --drain: seconds without a message that mean all came")
    ] = 5,
) -> None:
    """Take readings in from the MQTT broker, and send commands out to meters."""
    from suiden import workers

    logs.set_up(process="gateway")
    with _stop_on_signal() as stop:
        if drain:
            out.print(workers.drain_gateway(settings.load(BrokerSettings), quiet_s=quiet_s, stop=stop))
            return
        workers.run_gateway(settings.load(BrokerSettings), stop=stop)


@app.command()
def checker() -> None:
    """Relay events and act on them: rollups, anomalies, tickets, money."""
    from suiden import consumers

    logs.set_up(process="checker")
    with _stop_on_signal() as stop:
        consumers.run(settings.load(CheckerSettings), stop=stop)


@app.command()
def scheduler() -> None:
    """Run what is due by the calendar: bill runs, collections, bank files, standing checks."""
    from suiden import schedule

    logs.set_up(process="scheduler")
    with _stop_on_signal() as stop:
        schedule.run(settings.load(SchedulerSettings), stop=stop)


@app.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the schema of this release."""
    database_url = settings.load(ProcessSettings).database_url
    with _progress() as progress:
        task = progress.add_task("migrating the database", total=None)
        applied = migrate.migrate(database_url, progress=lambda name: progress.update(task, description=name))
    out.print(f"applied {len(applied)}: {', '.join(applied)}" if applied else "the database is up to date")


@app.command(name="secrets")
def secrets_command(
    folder: Annotated[Path, typer.Argument(help="where the files go, such as deploy/secrets")],
    town: Annotated[bool, typer.Option(help="with logins for the simulated town's meters")] = True,
    database_host: Annotated[str, typer.Option(help="where the services find PostgreSQL")] = "database:5432",
    broker_host: Annotated[str, typer.Option(help="where the services find the broker")] = "broker:1884",
) -> None:
    """Make the passwords and login files of an installation; what is there already stays."""
    from suiden import founding, secret_files

    names = founding.sender_names() if town else ()
    made = secret_files.make(folder, sender_names=names, database_host=database_host, broker_host=broker_host)
    out.print(f"made {', '.join(made)} in {folder}" if made else f"all files are in {folder} already")


@app.command()
def found(
    code: Annotated[str, typer.Argument(help="short name in addresses and topics, such as hinode")],
    name: Annotated[str, typer.Argument(help="the utility's name as customers know it")],
    time_zone: Annotated[str, typer.Option(help="as in Asia/Tokyo")] = "Asia/Tokyo",
    currency: Annotated[str, typer.Option(help="as in JPY")] = "JPY",
    locale: Annotated[str, typer.Option(help="language of its people")] = "ja",
    password: Annotated[
        str,
        typer.Option(envvar="SUIDEN_ADMIN_PASSWORD", help="of the login `admin`; here, others can see it"),
    ] = "",
    password_file: Annotated[Path | None, typer.Option(help="file that holds this password")] = None,
) -> None:
    """Found a utility: its rights, the tariffs that come with Suiden, the login `admin`. Time runs as on the wall."""
    from registry.operations import LoginUnusable, UtilityExists
    from suiden import founding
    from suiden.errors import NotPossibleHere

    try:
        utility_id = founding.found_empty(
            settings.load(ProcessSettings).database_url,
            code=code,
            name=name,
            time_zone=time_zone,
            currency=currency,
            locale=locale,
            admin_password=_admin_password(password, file=password_file),
        )
    except (LoginUnusable, UtilityExists) as error:
        raise NotPossibleHere(str(error)) from error
    out.print(f"founded {name} as utility {utility_id}; sign in as `admin`")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print a list of findings as JSON")] = False,
    part: Annotated[str | None, typer.Option(help="look at one part only, such as gateway")] = None,
) -> None:
    """Check every part and say what to do; exit 0 only when all is well."""
    from suiden import doctor as examination

    findings = examination.examine(part=part)
    if as_json:
        sys.stdout.write(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False, indent=2) + "\n")
    else:
        examination.print_findings(findings, console=out)
    sys.exit(0 if all(finding.is_well for finding in findings) else 1)


@simulate.command(name="run")
def simulate_run(
    found: Annotated[
        bool, typer.Option("--found", help="found the town's utility first, in a database without one")
    ] = False,
) -> None:
    """Run the town's meters, people, bank and card provider against a running installation."""
    from suiden import workers

    logs.set_up(process="town")
    with _stop_on_signal() as stop:
        workers.run_town(found=found, stop=stop)


Zone = Annotated[str, typer.Argument(help="a zone of the water network, such as W2")]
Transformer = Annotated[str, typer.Argument(help="a transformer, such as E3")]
WaterMeter = Annotated[str, typer.Argument(help="a water meter, such as W-0001")]


@simulate.command()
def burst(zone: Zone) -> None:
    """Break a main in a zone of the running town: pressures fall around it."""
    _throw(kind="burst", place=zone)


@simulate.command()
def leak(meter: WaterMeter) -> None:
    """Let water run without a pause behind a meter of the running town."""
    _throw(kind="leak", place=meter)


@simulate.command()
def stuck(meter: WaterMeter) -> None:
    """Let a meter of the running town stop counting."""
    _throw(kind="stuck", place=meter)


@simulate.command()
def sag(transformer: Transformer) -> None:
    """Let the voltage of a transformer of the running town fall."""
    _throw(kind="sag", place=transformer)


@simulate.command()
def swell(transformer: Transformer) -> None:
    """Let the voltage of a transformer of the running town rise."""
    _throw(kind="swell", place=transformer)


@simulate.command()
def mute(
    sender: Annotated[str, typer.Argument(help="a meter or concentrator, such as W-0001 or C-02")],
    hours: Annotated[float, typer.Option(min=1, help="hours of utility time that its radio is dead")] = 12.0,
) -> None:
    """Let what a sender of the running town says be lost: a gap, which the gateway asks to be filled."""
    _throw(kind="mute", place=sender, size=hours)


@simulate.command()
def fault(
    kind: Annotated[
        str, typer.Argument(help="seep, closure, backflow, tamper, theft, drift, outage, phase_loss, roof, …")
    ],
    place: Annotated[str, typer.Argument(help="a zone, transformer, meter or concentrator, as the kind needs")],
    size: Annotated[float | None, typer.Option(help="how bad, in the kind's own measure; none: as usual")] = None,
) -> None:
    """Throw a fault of any kind into the running town; an unknown kind is answered with the list."""
    from typing import cast

    _throw(kind=cast("FaultKind", kind), place=place, size=size)


def _admin_password(given: str, *, file: Path | None) -> str:
    """Take the password from where it was given, and ask for it where it was not."""
    from suiden.errors import NotPossibleHere
    from suiden.whole_files import read_secret

    if file is not None:
        return read_secret(file)
    if given:
        return given
    try:
        return typer.prompt("Password of the login `admin`", confirmation_prompt=True, hide_input=True)
    except typer.Abort as error:
        raise NotPossibleHere(
            "the login `admin` needs a password: set SUIDEN_ADMIN_PASSWORD, give --password-file, or use a terminal"
        ) from error


def _throw(*, kind: "FaultKind", place: str, size: float | None = None) -> None:
    from suiden import workers

    out.print(workers.throw_fault(kind=kind, place=place, size=size))


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    yield stop


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        yield progress


if __name__ == "__main__":
    main()
