"""A town's mains: one of WNTR's networks under demands of our own, solved by EPANET."""

import pickle
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from simulators.evaluation.options import DAY_S, OptionsUnusable
from simulators.noise import Floats, Ints

NETWORKS = ("Net1", "Net2", "Net3", "Net6", "ky4", "ky10")
KPA_PER_M = 9.80665
LARGE_JUNCTIONS = 1500  # from here on the mains are solved hour by hour
LEAST_HEAD_M = 10.0  # at the taps of those who are metered
FULL_SUPPLY_M = 12.0  # with less, taps give less


class MainsUnsolvable(Exception):
    """EPANET finds no flow and pressure with the changes."""


@dataclass(frozen=True, slots=True)
class Change:
    """What an event does to the mains: a draw at a junction, or a closed link."""

    start_s: float
    end_s: float
    node: str = ""
    draw_l_per_s: float = 0.0
    ramp_s: float = 0.0  # until the draw is full
    link: str = ""


@dataclass(frozen=True, slots=True)
class Solved:
    """Pressures [step, junction] and what junctions take [step, junction], from `first` on."""

    first: int
    head_m: Floats
    taken_l_per_s: Floats


class Mains:
    """The network over the set's days. `step_s` is how far its hydraulic steps are apart."""

    def __init__(self, network: str, *, days: int, zones: int, chance: np.random.Generator) -> None:
        """:raises OptionsUnusable: if WNTR ships no such network"""
        import wntr  # takes seconds to load

        if network not in NETWORKS:
            raise OptionsUnusable(f"no network {network!r}; there are {', '.join(NETWORKS)}")
        self._wntr = wntr
        file = Path(wntr.__file__).parent / "library" / "networks" / f"{network}.inp"
        self._model: Any = wntr.network.WaterNetworkModel(str(file))
        self.days = days
        self.step_s = 3600 if self._model.num_junctions > LARGE_JUNCTIONS else 900
        self.steps = days * DAY_S // self.step_s + 1
        self.junctions: list[str] = list(self._model.junction_name_list)
        self._index = {name: at for at, name in enumerate(self.junctions)}
        self._mean_l_per_s = self._mean_demands()
        self._prepare(chance)
        self._prepared = pickle.dumps(self._model)
        self.zone_of: Ints = self._zones(zones, chance)
        self._level: Floats = np.ones((self.steps, zones))
        self._scale = 1.0

    @property
    def steps_s(self) -> Floats:
        """The instants of the hydraulic steps."""
        return np.arange(self.steps, dtype=np.float64) * self.step_s

    @property
    def mean_l_per_s(self) -> Floats:
        """What each junction takes in the mean."""
        return self._mean_l_per_s * self._scale

    def index(self, junction: str) -> int:
        return self._index[junction]

    def demand(self, level: Floats, *, strain: float = 1.0) -> None:
        """Set the zones' demand [step, zone] as multiples of the mean, and lower all until the pressures bear it.

        A strain above 1 begins with more than the network was drawn for: its pressures swing more.
        """
        self._level = level
        for scale in (1.0, 0.85, 0.7, 0.55, 0.4):
            self._scale = scale * strain
            solved = self.solve(first=0, last=min(self.steps - 1, 3 * DAY_S // self.step_s), changes=())
            used = self._mean_l_per_s > 0
            if np.quantile(solved.head_m[:, used], 0.02) >= LEAST_HEAD_M:
                return

    @cached_property
    def usual(self) -> Solved:
        """The mains without any event."""
        results = self._run(self._fresh(first=0), last=self.steps - 1)
        self._tank_levels = results.node["pressure"][self._model.tank_name_list]
        self._link_status = results.link["status"]
        return self._solved(results, first=0)

    def solve(self, *, first: int, last: int, changes: Sequence[Change]) -> Solved:
        """Solve the steps from `first` to `last` with some changes, from the tank levels that there are usually.

        :raises MainsUnsolvable: if the changes leave nothing that can be solved
        """
        model = self._fresh(first=first)
        for number, change in enumerate(changes):
            self._apply(model, change, number=number, first=first, last=last)
        return self._solved(self._run(model, last=last - first), first=first)

    def served(self, head_m: Floats) -> Floats:
        """Tell which share of their demand taps give at a pressure."""
        return np.sqrt(np.clip(head_m / FULL_SUPPLY_M, 0.0, 1.0))

    @cached_property
    def links_with_flow(self) -> list[str]:
        """List pipes and pumps that carry a good part of a zone's water, largest first."""
        results = self._run(self._fresh(first=0), last=DAY_S // self.step_s)
        flow = results.link["flowrate"].abs().mean() * 1000
        least = 0.15 * float(self.mean_l_per_s.sum()) / self._level.shape[1]
        return [str(name) for name in flow.sort_values(ascending=False).index if flow[name] >= least]

    def _fresh(self, *, first: int) -> Any:
        """Copy the prepared network with its clock at step `first`."""
        model = pickle.loads(self._prepared)  # many times faster than a deep copy
        for zone in range(self._level.shape[1]):
            model.add_pattern(f"zone-{zone}", list(self._level[first:, zone]))
        pattern = [model.get_pattern(f"zone-{zone}") for zone in range(self._level.shape[1])]
        for at, name in enumerate(self.junctions):
            if self._mean_l_per_s[at] > 0:
                model.get_node(name).demand_timeseries_list[0] = (
                    self._mean_l_per_s[at] * self._scale / 1000.0,
                    pattern[self.zone_of[at]],
                )
        self._schedule_pumps(model, from_s=first * self.step_s)
        if first:
            self._set_tanks(model, first)
        return model

    def _set_tanks(self, model: Any, first: int) -> None:
        _ = self.usual
        for name in model.tank_name_list:
            tank = model.get_node(name)
            level = float(self._tank_levels[name].iloc[first])
            tank.init_level = min(max(level, tank.min_level), tank.max_level)
        for name in [*model.pump_name_list, *self._controlled]:
            model.get_link(name).initial_status = "Open" if self._link_status[name].iloc[first] else "Closed"

    def _apply(self, model: Any, change: Change, *, number: int, first: int, last: int) -> None:
        start, end = change.start_s - first * self.step_s, change.end_s - first * self.step_s
        if change.link:
            self._forget_controls(model, change.link)
            control = self._wntr.network.controls
            link = model.get_link(change.link)
            for at, status in ((start, "Closed"), (end, "Open")):
                when = control.SimTimeCondition(model, "=", max(0.0, at))
                does = control.ControlAction(link, "status", self._wntr.network.LinkStatus[status])
                model.add_control(f"change-{number}-{status}", control.Control(when, does))
            return
        at_s = np.arange(last - first + 1) * float(self.step_s)
        share = np.clip((at_s - start) / max(change.ramp_s, 1.0), 0.0, 1.0)
        share[(at_s < start) | (at_s >= end)] = 0.0
        if change.ramp_s == 0:
            share[(at_s >= start) & (at_s < end)] = 1.0
        model.add_pattern(f"change-{number}", list(share))
        model.get_node(change.node).add_demand(change.draw_l_per_s / 1000.0, f"change-{number}")

    def _forget_controls(self, model: Any, link: str) -> None:
        for name in list(model.control_name_list):
            if any(str(getattr(part, "name", "")) == link for part in model.get_control(name).requires()):
                model.remove_control(name)

    def _run(self, model: Any, *, last: int) -> Any:
        model.options.time.duration = last * self.step_s
        with tempfile.TemporaryDirectory(prefix="suiden-mains-") as folder:
            try:
                return self._wntr.sim.EpanetSimulator(model).run_sim(file_prefix=f"{folder}/mains")
            except (self._wntr.epanet.exceptions.EpanetException, ValueError) as error:  # ValueError: results cut short
                raise MainsUnsolvable(f"EPANET gave up: {error}") from error

    def _solved(self, results: Any, *, first: int) -> Solved:
        head = results.node["pressure"][self.junctions].to_numpy(dtype=np.float64)
        taken = results.node["demand"][self.junctions].to_numpy(dtype=np.float64) * 1000.0
        return Solved(first, np.maximum(head, 0.0), taken)

    def _mean_demands(self) -> Floats:
        mean = np.zeros(len(self.junctions))
        for at, name in enumerate(self.junctions):
            for demand in self._model.get_node(name).demand_timeseries_list:
                pattern = demand.pattern
                factor = float(np.mean(pattern.multipliers)) if pattern is not None else 1.0
                mean[at] += demand.base_value * factor * 1000.0
        return mean

    def _prepare(self, chance: np.random.Generator) -> None:
        """Take out what belongs to the network's own day: its demands, its clock, its injected flows."""
        model, time = self._model, self._model.options.time
        time.hydraulic_timestep = time.report_timestep = time.pattern_timestep = self.step_s
        time.rule_timestep = min(time.rule_timestep or 360, self.step_s)
        time.start_clocktime = time.pattern_start = time.report_start = 0
        model.options.quality.parameter = "NONE"
        model.options.hydraulic.demand_model = "DDA"
        model.options.hydraulic.demand_multiplier = 1.0
        for at, name in enumerate(self.junctions):
            node = model.get_node(name)
            if self._mean_l_per_s[at] < 0:
                self._feed_by_pump(node)
                self._mean_l_per_s[at] = 0.0
            node.demand_timeseries_list.clear()
            if self._mean_l_per_s[at] > 0:
                node.add_demand(0.0, None)
        self._take_schedule(chance)
        self._controlled = sorted(
            {str(part.name) for name in model.control_name_list for part in model.get_control(name).requires()
             if getattr(part, "link_type", "") == "Pipe"}
        )  # fmt: skip

    def _feed_by_pump(self, node: Any) -> None:
        """Replace water that the network has appear at a junction by a well with a pump that fills the tank."""
        model, control = self._model, self._wntr.network.controls
        tank = model.get_node(model.tank_name_list[0])
        need = self._mean_l_per_s[self._mean_l_per_s > 0].sum() / 1000.0
        lift = tank.elevation + tank.max_level - node.elevation + 12.0
        model.add_reservoir("well", base_head=node.elevation)
        model.add_curve("well-pump", "HEAD", [(need * 1.7, lift)])
        model.add_pump("well-pump", "well", node.name, "HEAD", "well-pump")
        pump, span = model.get_link("well-pump"), tank.max_level - tank.min_level
        for sign, share, status in (("<", 0.55, "Open"), (">", 0.85, "Closed")):
            when = control.ValueCondition(tank, "level", sign, tank.min_level + share * span)
            does = control.ControlAction(pump, "status", self._wntr.network.LinkStatus[status])
            model.add_control(f"well-{status}", control.Control(when, does))

    def _take_schedule(self, chance: np.random.Generator) -> None:
        """Move what the network does by the clock on its first day to every day, never quite at the same time."""
        kept: list[tuple[str, str, float]] = []
        for name in list(self._model.control_name_list):
            held = self._model.get_control(name)
            if not isinstance(held.condition, self._wntr.network.controls.SimTimeCondition):
                continue
            at_s = float(held.condition._threshold)  # noqa: SLF001 - it has no other name
            if at_s < DAY_S:
                kept += [(str(a.target()[0].name), str(a._value), at_s) for a in held.actions()]  # noqa: SLF001
            self._model.remove_control(name)
        self._schedule = [
            (link, status, day * DAY_S + at_s + chance.normal(0, 900))
            for day in range(self.days + 1)
            for link, status, at_s in kept
        ]

    def _schedule_pumps(self, model: Any, *, from_s: float) -> None:
        control = self._wntr.network.controls
        for number, (link, status, at_s) in enumerate(self._schedule):
            if at_s < from_s or at_s > from_s + self.steps * self.step_s:
                continue
            when = control.SimTimeCondition(model, "=", max(0, int(at_s - from_s)))
            value = self._wntr.network.LinkStatus[status] if not status.isdigit() else int(status)
            does = control.ControlAction(model.get_link(link), "status", value)
            model.add_control(f"clock-{number}", control.Control(when, does))

    def _zones(self, zones: int, chance: np.random.Generator) -> Ints:
        """Divide the junctions into connected zones of like demand: each belongs to the centre nearest along pipes."""
        import networkx

        graph = self._model.to_graph().to_undirected()
        used = [name for name, mean in zip(self.junctions, self._mean_l_per_s, strict=True) if mean > 0]
        centres = [str(chance.choice(used))]
        reach: dict[str, float] = dict.fromkeys(graph, np.inf)
        nearest: dict[str, int] = dict.fromkeys(graph, 0)
        for zone in range(zones):
            hops = networkx.single_source_shortest_path_length(graph, centres[zone])
            for name, distance in hops.items():
                if distance < reach[name]:
                    reach[name], nearest[name] = distance, zone
            far = np.array([reach[name] if np.isfinite(reach[name]) else 0.0 for name in used])
            centres.append(used[int(np.argmax(far * chance.uniform(0.6, 1.0, len(far))))])
        return np.array([nearest[name] for name in self.junctions])
