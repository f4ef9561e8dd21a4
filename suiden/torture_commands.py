"""`suiden torture`: what the product must bear, tried on this machine."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from suiden.torture.decoders import Outcome
    from suiden.torture.ingest import Run

commands = typer.Typer(no_args_is_help=True, help="Try to break the product: faults under load, hostile messages.")
out = Console()


class Broker(StrEnum):
    """Which broker is tortured."""

    embedded = "embedded"
    mosquitto = "mosquitto"


@commands.command()
def ingest(
    cycles: Annotated[int, typer.Option(min=1, help="faults to throw, one after the other")] = 20,
    seed: Annotated[int, typer.Option(help="another seed is another order of faults; the same one repeats it")] = 1,
    broker: Annotated[Broker | None, typer.Option(help="none: Mosquitto where it is installed")] = None,
    only: Annotated[str, typer.Option(help="only these faults, with commas between; see --faults")] = "",
    rate: Annotated[float, typer.Option(min=1, help="messages a second of all senders together")] = 60.0,
    workers: Annotated[int, typer.Option(min=1, max=8, help="gateways that share the messages; needs Mosquitto")] = 1,
    trust: Annotated[
        bool,
        typer.Option("--trust", help="Mosquitto delivers all by itself: lose nothing before it, send nothing again"),
    ] = False,
    report: Annotated[Path | None, typer.Option(help="file for every number, as JSON")] = None,
    faults: Annotated[bool, typer.Option("--faults", help="list the faults and end")] = False,
) -> None:
    """Kill, cut, slow, fill and stop what intake needs, under load; look after each whether the store equals the logs.

    Starts its own PostgreSQL, broker and gateway, and removes them. Senders number their messages and keep them until
    they are acknowledged; one message in twenty is lost on its way, and one ack. Exit code 0 only if nothing was lost,
    nothing doubled and no gap hidden.
    """
    from suiden.embedded.broker import find_mosquitto
    from suiden.errors import NotPossibleHere
    from suiden.torture.ingest import Options, Run

    kinds = _chosen(only)
    if faults:
        _list_faults()
        return
    chosen = broker or (Broker.mosquitto if find_mosquitto() else Broker.embedded)
    if chosen is Broker.mosquitto and find_mosquitto() is None:
        raise NotPossibleHere("Mosquitto is not installed here: apt install mosquitto, or use --broker embedded")
    if (trust or workers > 1) and chosen is Broker.embedded:
        raise NotPossibleHere("the embedded broker keeps no word and deals no shares: this needs --broker mosquitto")
    options = Options(
        cycles=cycles,
        seed=seed,
        broker=chosen.value,
        messages_per_s=rate,
        kinds=kinds,
        workers=workers,
        trusts=trust,
    )
    folder = Path(tempfile.mkdtemp(prefix="suiden-torture-"))
    with _bar(cycles) as bar:
        run = Run(options, folder=folder, say=bar.say, tell=bar.tell)
        _say_what_is_left_out(run)
        try:
            run.run()
        except KeyboardInterrupt:
            run.report.is_stopped = True
        finally:
            _keep_logs(run, folder=folder)
            run.rig.stop()
    _conclude(run, folder=folder, report=report)


@commands.command()
def decoders(
    inputs: Annotated[int, typer.Option(min=1, help="messages for each format")] = 100_000,
    seed: Annotated[int, typer.Option(help="the same one makes the same messages")] = 1,
    format: Annotated[  # noqa: A002 - it is the name of the option
        list[str] | None, typer.Option(help="a format; may be repeated. None: all of them")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="file for every number, as JSON")] = None,
    guided: Annotated[
        bool, typer.Option("--guided", help="led by what the code has not run yet; needs atheris, slower")
    ] = False,
) -> None:
    """Give each decoder messages of real devices, changed at random; a telegram or a reason must come out, at once.

    What comes out is held to its promises: checked against a water and an electricity meter, kept and read back.
    Exit code 0 only if no decoder raised anything else and none took longer than a second.
    """
    from suiden.torture import decoder_telling
    from suiden.torture import decoders as torture
    from suiden.torture import guided as led

    names = decoder_telling.chosen(format)
    outcomes: list[Outcome] = []
    with _bar(inputs * len(names)) as bar:
        for name in names:
            bar.say(name)
            done = len(outcomes) * inputs
            bar.at(done)
            outcomes.append(
                led.torture(name, inputs=inputs, seed=seed)
                if guided
                else torture.torture(name, inputs=inputs, seed=seed, progress=lambda now, done=done: bar.at(done + now))
            )
    if not decoder_telling.conclude(outcomes, seed=seed, report=report, console=out):
        sys.exit(1)


class _Bar:
    """The progress bar, where there is a terminal, and the lines above it."""

    def __init__(self, progress: Progress, *, cycles: int) -> None:
        self._progress = progress
        self._cycles = cycles
        self._task = progress.add_task("starting", total=cycles)

    def say(self, what: str) -> None:
        self._progress.update(self._task, description=what)

    def at(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def tell(self, cycle: object) -> None:
        from suiden.torture.ingest import Cycle
        from suiden.torture.telling import tell_cycle

        assert isinstance(cycle, Cycle), "a run tells its cycles"
        tell_cycle(cycle, of=self._cycles, console=self._progress.console)
        self._progress.advance(self._task)


@contextmanager
def _bar(cycles: int) -> Iterator[_Bar]:
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn())
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, *times, console=out, transient=True, disable=not out.is_terminal) as progress:
        yield _Bar(progress, cycles=cycles)


def _chosen(only: str) -> tuple[str, ...] | None:
    from suiden.errors import NotPossibleHere
    from suiden.torture.faults import KINDS

    kinds = tuple(kind.strip() for kind in only.split(",") if kind.strip())
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise NotPossibleHere(f"no such fault: {', '.join(unknown)}; `suiden torture ingest --faults` lists them")
    return kinds or None


def _list_faults() -> None:
    from suiden.torture.faults import KINDS

    for name, kind in KINDS.items():
        out.print(f"[bold]{name:<22}[/] {(kind.__doc__ or '').strip()}", highlight=False, soft_wrap=True)


def _say_what_is_left_out(run: "Run") -> None:
    """Say aloud what cannot be tried here, before anybody takes the result for more than it is."""
    from suiden.errors import NotPossibleHere

    for kind, why in run.report.left_out.items():
        out.print(f"[yellow]{kind} is left out:[/] {why}", highlight=False)
    if not run.kinds:
        raise NotPossibleHere("none of these faults can be thrown here")


def _keep_logs(run: "Run", *, folder: Path) -> None:
    """Keep the logs of a run that failed: the small disk is gone with this process."""
    if run.report.is_well:
        return
    for name, path in (("postgres.log", run.rig.postgres.log_path), ("broker.log", run.rig.broker.log_path)):
        if path.exists():
            shutil.copy(path, folder / name)


def _conclude(run: "Run", *, folder: Path, report: Path | None) -> None:
    from suiden.torture.telling import tell_report, write_report

    tell_report(run.report, console=out)
    if report is not None:
        write_report(run.report, report)
        out.print(f"every number is in {report}", highlight=False)
    if run.report.is_well:
        shutil.rmtree(folder, ignore_errors=True)
        return
    out.print(f"the logs are in {folder}", highlight=False)
    sys.exit(1)
