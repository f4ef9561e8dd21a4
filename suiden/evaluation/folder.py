"""A labelled set of readings in a folder: its meters, its readings in the order of their arrival, its planned works."""

import csv
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from ingest_gateway.domain.checking.arrivals import MISSING, Arrivals
from ingest_gateway.domain.checking.meters import (
    CUSTOMER,
    ELECTRICITY,
    NOWHERE,
    RESIDENTIAL,
    SEGMENTS,
    WATER,
    ZONE_INLET,
    Meters,
)
from suiden.evaluation.trouble import SetUnreadable

KPA_PER = {"kPa": 1.0, "MPa": 1000.0, "bar": 100.0, "": 1.0}
NOMINAL_V = np.array([100.0, 120.0, 200.0, 230.0])  # single-phase mains of the world; 220 and 240 count as 230
NOMINAL_FROM_S = 6 * 3600  # the first hours tell which it is
FULL_SCALE_KPA = 6553.0  # a pressure sensor that sends all ones, or nothing, has a fault of its own


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers of places stand for; a place's number is its position, a meter's too."""

    meters: list[str]
    sites: list[str]
    zones: list[str]
    gateways: list[str]
    site_of_meter: list[int]


@dataclass(frozen=True, slots=True)
class Work:
    """Planned work at a meter or in a zone, seconds since 1970."""

    kind: str
    meter_id: int | None
    zone_id: int | None
    from_s: int
    to_s: int


@dataclass(frozen=True, slots=True)
class Folder:
    """One set. A meter's id is its line in meters.csv, from 0."""

    path: Path
    names: Names
    meters: Meters
    arrivals: Arrivals  # in the order of their arrival
    works: tuple[Work, ...]


def read(path: Path) -> Folder:
    """Read a set.

    :raises SetUnreadable: if a file of it is missing or is not what the format says
    """
    try:
        lines = csv_lines(path / "meters.csv")
        names = _names(lines)
        pressure_unit = np.array([KPA_PER[line["pressure_unit"]] for line in lines])
        parts = [
            _water(path / "readings_water.parquet", names.meters, kpa_per_unit=pressure_unit),
            _electricity(path / "readings_electricity.parquet", names.meters),
        ]
        arrivals = _in_order([part for part in parts if part is not None])
        meters = _meters(lines, names, nominal_v=_nominal_v(names, arrivals))
        works = tuple(_work(line, names) for line in csv_lines(path / "maintenance.csv"))
    except (OSError, KeyError, ValueError, pa.ArrowException) as error:
        raise SetUnreadable(
            f"{path} is not a labelled set: {error}; see docs/checker.md, or make one with `suiden anomaly make`"
        ) from error
    return Folder(path, names, meters, arrivals, works)


def csv_lines(path: Path) -> list[dict[str, str]]:
    """Read a table with a line of names."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _names(lines: list[dict[str, str]]) -> Names:
    sites = sorted({line["site"] for line in lines})
    return Names(
        meters=[line["meter_id"] for line in lines],
        sites=sites,
        zones=sorted({line["zone"] for line in lines if line["zone"]}),
        gateways=sorted({line["gateway"] for line in lines if line["gateway"]}),
        site_of_meter=[sites.index(line["site"]) for line in lines],
    )


def _meters(lines: list[dict[str, str]], names: Names, *, nominal_v: NDArray[np.float64]) -> Meters:
    feeders = sorted({line["feeder"] for line in lines if line["feeder"]})

    def column(kind: Any, of: Any) -> NDArray[Any]:
        return np.array([of(line) for line in lines], dtype=kind)

    def place(column_name: str, known: list[str]) -> NDArray[np.int64]:
        number = {name: n for n, name in enumerate(known)}
        return column(np.int64, lambda line: number.get(line[column_name], NOWHERE))

    count = len(lines)
    return Meters(
        meter_id=np.arange(count, dtype=np.int64),
        service=column(np.int8, lambda line: WATER if line["domain"] == "water" else ELECTRICITY),
        role=column(np.int8, lambda line: ZONE_INLET if line["role"] == "zone_inlet" else CUSTOMER),
        zone_id=place("zone", names.zones),
        network_id=place("site", names.sites),
        gateway_id=place("gateway", names.gateways),
        feeder_id=place("feeder", feeders),
        interval_s=column(np.int64, lambda line: int(line["interval_s"])),
        utc_offset_s=column(np.int64, lambda line: round(float(line["utc_offset_h"]) * 3600)),
        segment=column(np.int8, lambda line: SEGMENTS.get(line["segment"], RESIDENTIAL)),
        base_per_unit=np.ones(count),
        ring=np.zeros(count, dtype=np.int64),
        resolution=column(np.float64, lambda line: max(1.0, float(line["resolution_l"] or 1))),
        mean_flow=column(np.bool_, lambda line: line["tech"] == "pulse"),
        has_pressure=column(np.bool_, lambda line: line["has_pressure"] == "1"),
        phases=column(np.int8, lambda line: int(line["phases"] or 0)),
        nominal_v=nominal_v,
        may_export=column(np.bool_, lambda line: line["has_pv"] == "1"),
    )


def _water(path: Path, meters: list[str], *, kpa_per_unit: NDArray[np.float64]) -> Arrivals | None:
    if not path.exists():
        return None
    table = parquet.read_table(path)
    row = _rows(table, meters)
    pressure_kpa = (_floats(table, "pressure") * kpa_per_unit[row]).astype(np.float32)
    pressure_kpa[(pressure_kpa <= 0) | (pressure_kpa >= FULL_SCALE_KPA)] = np.nan
    return _arrivals(
        table,
        row,
        register=_ints(table, "volume_l"),
        flow=_floats(table, "flow_lph").astype(np.float32),
        pressure_kpa=pressure_kpa,
    )


def _electricity(path: Path, meters: list[str]) -> Arrivals | None:
    if not path.exists():
        return None
    table = parquet.read_table(path)
    return _arrivals(
        table,
        _rows(table, meters),
        register=_ints(table, "import_wh"),
        export_register=_ints(table, "export_wh"),
        **{phase: _floats(table, phase).astype(np.float32) for phase in ("v1", "v2", "v3")},
    )


def _arrivals(table: Any, row: NDArray[np.int64], **columns: NDArray[Any]) -> Arrivals:
    count = len(row)
    unknown = np.full(count, np.nan, dtype=np.float32)
    blank: dict[str, NDArray[Any]] = {
        "register": np.full(count, MISSING, dtype=np.int64),
        "export_register": np.full(count, MISSING, dtype=np.int64),
        "battery_pct": np.full(count, MISSING, dtype=np.int8),
        "flags": np.zeros(count, dtype=np.int32),
        **dict.fromkeys(("flow", "pressure_kpa", "v1", "v2", "v3"), unknown),
    }
    return Arrivals(row=row, at_s=_ints(table, "ts"), received_s=_ints(table, "received_at"), **{**blank, **columns})


def _rows(table: Any, meters: list[str]) -> NDArray[np.int64]:
    number = {name: n for n, name in enumerate(meters)}
    coded = table.column("meter_id").combine_chunks()
    if not pa.types.is_dictionary(coded.type):
        coded = coded.dictionary_encode()
    of_code = np.array([number[name] for name in coded.dictionary.to_pylist()], dtype=np.int64)
    return of_code[coded.indices.to_numpy()]


def _ints(table: Any, name: str) -> NDArray[np.int64]:
    return table.column(name).to_numpy().astype(np.int64)


def _floats(table: Any, name: str) -> NDArray[np.float64]:
    """Give a column; null is NaN."""
    return table.column(name).to_numpy().astype(np.float64)


def _in_order(parts: list[Arrivals]) -> Arrivals:
    """Lay the services together as they arrived; what came in one second stays in the order of the files."""
    names = Arrivals.__dataclass_fields__
    every = Arrivals(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})
    return every.take(np.argsort(every.received_s, kind="stable"))


def _nominal_v(names: Names, arrivals: Arrivals) -> NDArray[np.float64]:
    """Tell each site's nominal voltage from its first hours; NaN where no voltage is sent."""
    site = np.array(names.site_of_meter, dtype=np.int64)
    nominal = np.full(len(site), np.nan)
    sent = ~np.isnan(arrivals.v1) & (arrivals.v1 > 0)
    for number in range(len(names.sites)):
        volts = arrivals.take(np.flatnonzero(sent & (site[arrivals.row] == number)))
        if not len(volts):
            continue
        first = volts.received_s < volts.received_s[0] + NOMINAL_FROM_S
        usual = float(np.median(volts.v1[first]))
        nominal[site == number] = NOMINAL_V[np.argmin(np.abs(np.log(NOMINAL_V / usual)))]
    nominal[~np.isin(np.arange(len(site)), arrivals.row[sent])] = np.nan
    return nominal


def _work(line: dict[str, str], names: Names) -> Work:
    return Work(
        kind=line["kind"],
        meter_id=names.meters.index(line["meter_id"]) if line["meter_id"] else None,
        zone_id=names.zones.index(line["zone"]) if line["zone"] and not line["meter_id"] else None,
        from_s=seconds(line["start"]),
        to_s=seconds(line["end"]),
    )


def seconds(text: str) -> int:
    """Read an instant as the sets write them; without an offset it is UTC."""
    when = datetime.fromisoformat(text)
    return int((when if when.tzinfo else datetime.fromisoformat(text + "+00:00")).timestamp())
