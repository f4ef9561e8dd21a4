"""Small labelled sets on disk."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet

T0 = 1_740_960_000  # 2025-03-03T00:00:00Z
METERS_HEAD = (
    "meter_id,site,domain,role,zone,gateway,tech,resolution_l,has_pressure,pressure_unit,interval_s,utc_offset_h,"
    "segment,phases,has_pv,feeder"
)
METERS = (
    "W1,A,water,customer,A-Z1,A-G1,ultrasonic,1,1,kPa,900,3,residential,0,0,",
    "W2,A,water,customer,A-Z1,A-G1,pulse,10,1,MPa,3600,3,apartment_block,0,0,",
    "W3,A,water,zone_inlet,A-Z2,A-SCADA,electromagnetic,100,1,kPa,900,3,bulk,0,0,",
    "E1,B,electricity,customer,B-T1,B-G1,electronic,0,0,,900,-5,residential,1,1,B-F1",
    "E2,B,electricity,customer,B-T1,B-G1,electronic,0,0,,900,-5,commercial,3,0,B-F1",
)
WORKS_HEAD = "work_order,site,zone,meter_id,kind,start,end"
WORKS = (
    "WO1,A,A-Z1,,planned_closure,2025-03-04T00:00:00Z,2025-03-04T06:00:00Z",
    "WO2,A,,W1,meter_exchange,2025-03-05T00:00:00Z,2025-03-05T02:00:00Z",
)


def water(
    meter: str, at: int, *, late: int = 20, volume: int = 0, flow: int = 0, pressure: float | None = 300.0
) -> Any:
    """Write a water reading."""
    return meter, at, at + late, volume, flow, pressure


def power(
    meter: str, at: int, *, late: int = 20, wh: int = 0, volts: tuple[float | None, ...] = (230.0, None, None)
) -> Any:
    """Write an electricity reading."""
    return meter, at, at + late, wh, 0, *volts


def write(folder: Path, *, waters: list[Any], powers: list[Any], meters: tuple[str, ...] = METERS) -> Path:
    """Write a set without events."""
    (folder / "meters.csv").write_text("\n".join([METERS_HEAD, *meters]) + "\n")
    (folder / "maintenance.csv").write_text("\n".join([WORKS_HEAD, *WORKS]) + "\n")
    told = {"eval_start": "2025-03-03T06:00:00Z", "t_end": "2025-03-10T00:00:00Z", "events": [], "distractors": []}
    (folder / "labels.json").write_text(json.dumps(told))
    names = ("meter_id", "ts", "received_at")
    _table(
        folder / "readings_water.parquet", waters, (*names, "volume_l", "flow_lph", "pressure"), floats=("pressure",)
    )
    volts = ("v1", "v2", "v3")
    _table(folder / "readings_electricity.parquet", powers, (*names, "import_wh", "export_wh", *volts), floats=volts)
    return folder


def _table(path: Path, rows: list[Any], names: tuple[str, ...], *, floats: tuple[str, ...]) -> None:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    arrays: dict[str, Any] = {}
    for name, values in zip(names, columns, strict=True):
        if name == "meter_id":
            arrays[name] = pa.array(list(values), type=pa.string()).dictionary_encode()
        else:
            arrays[name] = pa.array(list(values), type=pa.float32() if name in floats else pa.int64())
    parquet.write_table(pa.table(arrays), path)
