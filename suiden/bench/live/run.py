"""Running the live benchmark: the product's own processes, a publisher, and everybody who looks on."""

import json
import os
import time
from array import array
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from suiden.bench import rig as rigs
from suiden.bench.live import people
from suiden.bench.live import publisher as publishing
from suiden.bench.live import viewers as screens
from suiden.bench.live.figures import LiveFigures, percentile, shown, waited_ms
from suiden.bench.live.processes import Processes, Snapshot, product
from suiden.bench.rig import Rig

LOAD = "live5000"
OPENED_WITHIN_S = 300.0
WARM_S = 5.0  # published before it is measured
AFTERWARDS_S = 3.0
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Run:
    """One run, as it was measured."""

    plan: publishing.Plan
    first: int  # message that counts; those before it warmed everything up
    before: Snapshot
    after: Snapshot
    end: Snapshot  # when all was stored
    times_ms: "np.ndarray[tuple[int], np.dtype[np.int64]]"
    seen: dict[str, list[int]]
    asked: dict[str, int]


def run_live(
    rig: Rig,
    *,
    rate_per_s: float = 5000,
    duration_s: float = 20,
    viewers: int = 995,
    consoles: int = 5,
    meters: int | None = None,
    warm_s: float = WARM_S,
    say: Say = print,
) -> LiveFigures:
    """Publish to a new utility, by default one reading of each meter a second, and measure when it is seen.

    :raises LiveImpossible: if a process fails
    :raises UtilityExists: if the rig's utility was founded already
    """
    count = meters or max(viewers, int(rate_per_s))
    load_before = os.getloadavg()[0]
    say(f"founding a utility of {count:,} meters with {viewers:,} customers")
    customers, operators = people.found(rig, meters=count, viewers=viewers, consoles=consoles)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="suiden-live-")))
        processes, web_port, gateway_port = stack.enter_context(product(rig, folder=folder))
        say(f"opening {viewers + consoles:,} streams")
        _open_screens(processes, folder=folder, port=web_port, customers=customers, operators=operators)
        say(f"publishing {rate_per_s:,.0f} messages a second for {warm_s:.0f} + {duration_s:.0f} s")
        plan = publishing.Plan(
            mqtt_url=rig.mqtt_url,
            utility=rigs.UTILITY,
            serials=[rigs.serial(number) for number in range(count)],
            rate_per_s=rate_per_s,
            count=int(rate_per_s * (warm_s + duration_s)),
            begun_file=str(folder / "begun"),
            times_file=str(folder / "times"),
        )
        run = _publish(processes, plan, folder=folder, gateway_port=gateway_port, warm_s=warm_s)
    return _figures(run, viewers=viewers, consoles=consoles, load_before=load_before)


def _open_screens(
    processes: Processes,
    *,
    folder: Path,
    port: int,
    customers: list[people.Onlooker],
    operators: list[people.Onlooker],
) -> None:
    screens.Plan(
        port=port,
        customers=[(one.token, one.meter_id) for one in customers],
        operators=[one.token for one in operators],
        ready_file=str(folder / "screens-ready"),
        seen_file=str(folder / "seen"),
    ).write(folder / "screens.json")
    processes.start("screens", "-m", "suiden.bench.live.viewers", str(folder / "screens.json"))
    processes.wait_for(
        (folder / "screens-ready").exists, what="the streams were not all open", timeout_s=OPENED_WITHIN_S
    )


def _publish(processes: Processes, plan: publishing.Plan, *, folder: Path, gateway_port: int, warm_s: float) -> Run:
    plan.write(folder / "publisher.json")
    processes.start("publisher", "-m", "suiden.bench.live.publisher", str(folder / "publisher.json"))
    processes.wait_for(Path(plan.begun_file).exists, what="nothing was published")
    time.sleep(warm_s)
    before = processes.snapshot(gateway_port=gateway_port)
    time.sleep(plan.count / plan.rate_per_s - warm_s)
    after = processes.snapshot(gateway_port=gateway_port)
    processes.join("publisher", timeout_s=60.0)
    time.sleep(AFTERWARDS_S)
    end = processes.snapshot(gateway_port=gateway_port)
    processes.finish("screens")
    seen = json.loads((folder / "seen").read_text())
    times_ms = array("q")
    times_ms.frombytes(Path(plan.times_file).read_bytes())
    return Run(
        plan=plan,
        first=int(plan.rate_per_s * warm_s),
        before=before,
        after=after,
        end=end,
        times_ms=np.array(times_ms, dtype=np.int64),
        asked=seen.pop("asked"),
        seen=seen,
    )


def _figures(run: Run, *, viewers: int, consoles: int, load_before: float) -> LiveFigures:
    numbers = np.arange(run.first, run.plan.count)
    meters = numbers * publishing.stride(len(run.plan.serials)) % len(run.plan.serials)
    watched = meters < viewers
    times_us = run.times_ms * 1000
    seen = {name: np.array(found, dtype=np.int64) for name, found in run.seen.items()}
    on_screen = shown(
        published_screen=meters[watched],
        published_us=times_us[numbers[watched]],
        seen_screen=seen["screen"],
        seen_us=seen["instant_us"],
        arrived_us=seen["arrived_us"],
    )
    measured = seen["console_arrived_us"] >= times_us[run.first]
    console_ms = (seen["console_arrived_us"] - seen["console_instant_us"])[measured] / 1000
    span_s = run.after.at_s - run.before.at_s
    spent_s = {name: run.after.processor_s.get(name, 0.0) - at_s for name, at_s in run.before.processor_s.items()}
    published_s = (run.times_ms[-1] - run.times_ms[run.first]) / 1000
    return LiveFigures(
        load=LOAD,
        readings_per_s=round(float(len(numbers) / max(published_s, 0.001)), 1),
        commit_ms_p50=waited_ms(run.before.waits, run.after.waits, percent=50),
        commit_ms_p95=waited_ms(run.before.waits, run.after.waits, percent=95),
        commit_ms_p99=waited_ms(run.before.waits, run.after.waits, percent=99),
        screen_ms_p50=percentile(on_screen.after_ms, 50),
        screen_ms_p95=percentile(on_screen.after_ms, 95),
        screen_ms_p99=percentile(on_screen.after_ms, 99),
        never_shown=on_screen.never,
        console_ms_p50=percentile(console_ms, 50),
        console_ms_p99=percentile(console_ms, 99),
        console_refreshes_per_s=round(float(len(console_ms) / (published_s + AFTERWARDS_S)), 2),
        viewers=viewers,
        consoles=consoles,
        meters=len(run.plan.serials),
        measured_s=round(span_s, 1),
        published=run.plan.count,
        stored=int(run.end.counters.get("suiden_readings_total/stored", 0)),
        asked=run.asked,
        processor_share={name: round(seconds / span_s, 2) for name, seconds in spent_s.items()},
        load_before=round(load_before, 2),
    )
