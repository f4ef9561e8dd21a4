"""The files of an evaluation set: readings, register, works and truth."""

import csv
import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet

from simulators.evaluation.options import SetOptions
from simulators.evaluation.register import Meter
from simulators.evaluation.tables import PowerTable, Table, WaterTable
from simulators.evaluation.truth import Happening, PlannedWork

METER_COLUMNS = (
    "meter_id", "site", "domain", "role", "zone", "gateway", "tech", "resolution_l", "has_pressure", "pressure_unit",
    "interval_s", "utc_offset_h", "segment", "phases", "has_pv", "feeder",
)  # fmt: skip


def readings(folder: Path, *, water: WaterTable, power: PowerTable) -> None:
    """Write both files of readings, also an empty one."""
    _parquet(folder / "readings_water.parquet", water)
    _parquet(folder / "readings_electricity.parquet", power)


def register(folder: Path, meters: Iterable[Meter]) -> None:
    with (folder / "meters.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(METER_COLUMNS)
        rows.writerows([_cell(getattr(meter, name)) for name in METER_COLUMNS] for meter in meters)


def works(folder: Path, planned: Iterable[PlannedWork], *, options: SetOptions) -> None:
    with (folder / "maintenance.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("work_order", "site", "zone", "meter_id", "kind", "start", "end"))
        for number, work in enumerate(sorted(planned, key=lambda w: (w.site, w.start_s, w.zone)), start=1):
            span = (_iso(work.start_s, options=options), _iso(work.end_s, options=options))
            rows.writerow((f"WO{number:03d}", work.site, work.zone, work.meter_id, work.kind, *span))


def truth(folder: Path, happenings: Sequence[Happening], *, name: str, options: SetOptions) -> None:
    """Write labels.json: events and distractors by their beginning."""
    ordered = sorted(happenings, key=lambda h: (h.start_s, h.kind, h.meters))
    entries = [_entry(happening, options=options) for happening in ordered]
    for prefix, chosen in (("EV", True), ("DS", False)):
        marked = [e for e, h in zip(entries, ordered, strict=True) if h.is_fault is chosen]
        for number, entry in enumerate(marked, start=1):
            entry["id"] = f"{prefix}{number:03d}"
    labels: dict[str, Any] = {
        "set": name,
        "t0": _iso(0, options=options),
        "eval_start": _iso(options.learning_s, options=options),
        "t_end": _iso(options.duration_s, options=options),
        "events": [e for e, h in zip(entries, ordered, strict=True) if h.is_fault],
        "distractors": [e for e, h in zip(entries, ordered, strict=True) if not h.is_fault],
    }
    (folder / "labels.json").write_text(json.dumps(labels, indent=1) + "\n")


def _entry(happening: Happening, *, options: SetOptions) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "id": "",
        "kind": happening.kind,
        "domain": happening.domain,
        "site": happening.site,
        "scope": happening.scope,
        "meters": list(happening.meters),
        "zones": list(happening.zones),
        "start": _iso(happening.start_s, options=options),
        "end": _iso(happening.end_s, options=options),
        "params": happening.params,
    }
    return entry | ({"gateway": happening.gateway} if happening.gateway else {})


def _parquet(path: Path, table: Table) -> None:
    ids = list(table.meters)
    held = [table.meters[name] for name in ids]
    sizes = [len(h.ts) for h in held]
    index = pyarrow.array(np.repeat(np.arange(len(ids), dtype=np.int32), sizes))
    columns: dict[str, Any] = {
        "meter_id": pyarrow.DictionaryArray.from_arrays(index, pyarrow.array(ids, pyarrow.string()))
    }
    columns["ts"] = _joined([h.ts for h in held]).astype(np.int64)
    columns["received_at"] = _joined([h.received_at for h in held]).astype(np.int64)
    for name in table.integers:
        columns[name] = _joined([h.columns[name] for h in held]).astype(np.int64)
    for name in table.floats:
        values = _joined([h.columns[name] for h in held]).astype(np.float32)
        columns[name] = pyarrow.array(values, mask=np.isnan(values))
    pyarrow.parquet.write_table(pyarrow.table(columns), path, compression="zstd")


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty(0)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    return "" if value is None else value


def _iso(since_start_s: float, *, options: SetOptions) -> str:
    return datetime.fromtimestamp(int(options.starts_s + since_start_s), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
