"""The `suiden` command."""

import json
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from kernel import logs, migrate
from suiden import settings
from suiden.settings import GatewaySettings, ProcessSettings, Surface, WebSettings

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run a small water and electricity utility, from the meter to the paid bill.",
)
simulate = typer.Typer(no_args_is_help=True, help="The living town: run it, or throw a fault into it.")
app.add_typer(simulate, name="simulate")
out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run the command; an error that a person can mend is one line, not a traceback."""
    from suiden.errors import EXPECTED

    try:
        app()
    except EXPECTED as error:
        err.print(f"[bold red]suiden:[/] {error}", highlight=False)
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
def gateway() -> None:
    """Take readings in from the MQTT broker, and send commands out to meters."""
    from suiden import workers

    logs.set_up(process="gateway")
    with _stop_on_signal() as stop:
        workers.run_gateway(settings.load(GatewaySettings), stop=stop)


@app.command()
def checker() -> None:
    """Relay events and act on them: rollups, anomalies, tickets, money."""
    from suiden import consumers

    logs.set_up(process="checker")
    with _stop_on_signal() as stop:
        consumers.run(database_url=settings.load(ProcessSettings).database_url, stop=stop)


@app.command()
def scheduler() -> None:
    """Run what is due by the calendar: bill runs, collections, bank files, standing checks."""
    from suiden import schedule

    logs.set_up(process="scheduler")
    with _stop_on_signal() as stop:
        schedule.run(settings.load(ProcessSettings), stop=stop)


@app.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the schema of this release."""
    database_url = settings.load(ProcessSettings).database_url
    with _progress() as progress:
        task = progress.add_task("migrating the database", total=None)
        applied = migrate.migrate(database_url, progress=lambda name: progress.update(task, description=name))
    out.print(f"applied {len(applied)}: {', '.join(applied)}" if applied else "the database is up to date")


@app.command()
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="print a list of findings as JSON")] = False,
) -> None:
    """Check every part and say what to do; exit 0 only when all is well."""
    from suiden import doctor as examination

    findings = examination.examine()
    if as_json:
        sys.stdout.write(json.dumps([finding.as_dict() for finding in findings], ensure_ascii=False, indent=2) + "\n")
    else:
        examination.print_findings(findings, console=out)
    sys.exit(0 if all(finding.is_well for finding in findings) else 1)


@simulate.command(name="run")
def simulate_run() -> None:
    """Run the town's meters, people, bank and card provider against a running installation."""
    from suiden import workers

    logs.set_up(process="town")
    workers.run_town()


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


def _throw(*, kind: str, place: str) -> None:
    from suiden import workers

    out.print(workers.throw_fault(kind=kind, place=place))


@contextmanager
def _stop_on_signal() -> Iterator[threading.Event]:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    yield stop


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        yield progress


if __name__ == "__main__":
    main()
