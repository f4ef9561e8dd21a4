"""The columns of a table of readings, by their English and Japanese names; what a row says."""

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypedDict, TypeVar
from zoneinfo import ZoneInfo

from ingest_gateway.domain.files.cells import instant_of, integer_of, number_of, plain, shown, unit_of, words_of
from ingest_gateway.domain.files.lines import FileOptions, FileUnusable
from ingest_gateway.domain.wire import Refused, TotalReading, WireReading

T = TypeVar("T")
MAX_COLUMNS = 200
# By field, the names that a header may have; case, spaces, dashes, underscores and brackets do not count. A total may
# have its unit at its end, as in total_m3 or 指針(m3).
NAMES: Mapping[str, tuple[str, ...]] = {
    "serial": (
        "serial", "serial number", "meter", "meter serial", "meter number", "meter no", "meter id",
        "製造番号", "計器番号", "メーター番号", "メータ番号", "量水器番号", "シリアル番号",
    ),
    "read_at": ("read_at", "timestamp", "datetime", "read time", "日時", "検針日時", "計測日時", "測定日時"),
    "date": ("date", "read date", "reading date", "日付", "年月日", "検針日", "計測日", "測定日"),
    "time": ("time", "time of day", "時刻", "検針時刻", "計測時刻", "測定時刻"),
    "register": ("register", "レジスタ", "レジスター", "最小桁指針"),
    "export_register": ("export register", "逆潮流レジスタ", "逆潮流レジスター"),
    "total": ("total", "reading", "index", "指針", "指針値", "今回指針", "検針値", "積算値"),
    "export_total": ("export total", "export", "売電", "売電指針", "逆潮流", "逆潮流指針"),
    "unit": ("unit", "単位"),
    "flow": ("flow", "flow l/h", "流量", "瞬時流量", "流量 l/h", "power", "power w", "電力", "瞬時電力", "電力 w"),
    "flow_1000": ("flow m3/h", "流量 m3/h", "瞬時流量 m3/h", "power kw", "電力 kw", "瞬時電力 kw"),
    "pressure_kpa": ("pressure kpa", "水圧 kpa", "圧力 kpa"),
    "pressure_mpa": ("pressure mpa", "水圧 mpa", "圧力 mpa"),
    "voltage_1": ("voltage", "voltage v", "voltage 1", "voltage 1 v", "電圧", "電圧 v", "電圧1", "電圧1 v"),
    "voltage_2": ("voltage 2", "voltage 2 v", "電圧2", "電圧2 v"),
    "voltage_3": ("voltage 3", "voltage 3 v", "電圧3", "電圧3 v"),
    "battery_pct": ("battery", "battery pct", "battery %", "電池", "電池残量", "電池残量 %"),
    "flags": ("flags", "警報", "異常"),
}  # fmt: skip
TOTALS = ("total", "export_total")
UNIT_ENDINGS = ("m3", "kwh", "wh", "gal", "ft3", "l")

_DOES_NOT_COUNT = re.compile(r"[\s_\-・()\[\]【】:]")


@dataclass(frozen=True, slots=True)
class Columns:
    """Which cell holds what; `units` by field, of totals whose header names one."""

    places: Mapping[str, int]
    units: Mapping[str, str]
    width: int
    left_out: tuple[str, ...]

    def cell(self, cells: Sequence[str], field: str) -> str:
        place = self.places.get(field)
        return "" if place is None else cells[place].strip()


class _Common(TypedDict):
    """What a row says beside its registers or totals."""

    at: datetime
    meter: str
    flow: float | None
    pressure_kpa: float | None
    voltage_v: list[float | None] | None
    battery_pct: int | None
    flags: list[str] | None


def _folded(name: str) -> str:
    return _DOES_NOT_COUNT.sub("", plain(name).casefold())


_FIELDS = {_folded(name): field for field, names in NAMES.items() for name in names}


def columns_of(header: Sequence[str], *, line: int, options: FileOptions) -> Columns:
    """Find the columns of a table by its header.

    :raises FileUnusable: if a name is not known or comes twice, or what every row needs is missing
    """
    if len(header) > MAX_COLUMNS:
        raise FileUnusable(f"line {line}: {len(header)} columns; at most {MAX_COLUMNS} are read")
    left_out = {_folded(name) for name in options.left_out}
    places: dict[str, int] = {}
    units: dict[str, str] = {}
    passed: list[str] = []
    for place, name in enumerate(header):
        if not name.strip() or _folded(name) in left_out:
            passed.append(name.strip() or f"{place + 1}, which has no name")
            continue
        field, unit = _field_of(name, line=line)
        if field in places:
            raise FileUnusable(
                f"line {line}: columns {shown(header[places[field]])} and {shown(name)} both mean {field}: leave one "
                "out with --leave-out"
            )
        places[field] = place
        if unit:
            units[field] = unit
    _check_needed(places, line=line)
    return Columns(places, units, len(header), tuple(passed))


def _field_of(name: str, *, line: int) -> tuple[str, str]:
    """Tell what a column means, and the unit that its name ends in."""
    folded = _folded(name)
    if folded in _FIELDS:
        return _FIELDS[folded], ""
    for unit in UNIT_ENDINGS:
        field = _FIELDS.get(folded.removesuffix(unit)) if folded.endswith(unit) else None
        if field in TOTALS:
            return field, unit
    near = difflib.get_close_matches(folded, _FIELDS, n=1, cutoff=0.75)
    hint = f" (did you mean {_FIELDS[near[0]]}?)" if near else ""
    raise FileUnusable(
        f"line {line}: no column is called {shown(name)}{hint}: rename it (docs/files.md lists the names), or "
        f"pass over it with --leave-out {shown(name)}"
    )


def _check_needed(places: Mapping[str, int], *, line: int) -> None:
    def fail(what: str, cure: str) -> None:
        raise FileUnusable(f"line {line}: the header has no {what}: {cure}")

    if "serial" not in places:
        fail(
            "column of the meter's serial", "name it serial or 製造番号; the first line of the file must be the header"
        )
    if "read_at" in places and ("date" in places or "time" in places):
        raise FileUnusable(f"line {line}: both read_at and date or time are there: leave one out with --leave-out")
    if "read_at" not in places and "date" not in places:
        fail("time of the reading", "name it read_at or 検針日時, or give date and time")
    if "date" in places and "time" not in places:
        fail("time of day beside the date", "add a column time or 時刻")
    if places.keys() <= {"serial", "read_at", "date", "time", "unit"}:
        fail("reading", "add a column register, or total with its unit")
    if ("register" in places or "export_register" in places) and (places.keys() & set(TOTALS)):
        raise FileUnusable(
            f"line {line}: registers (in the meter's least digit) and totals (in a unit) are both there: leave one out "
            "with --leave-out"
        )


def reading_of(cells: Sequence[str], *, columns: Columns, zone: ZoneInfo, options: FileOptions) -> WireReading:
    """Read one row, padded to the header's width.

    :raises Refused: if it cannot be read
    """
    if len(cells) != columns.width:
        raise Refused("malformed", f"{len(cells)} cells, and the header has {columns.width}")

    def cell(field: str) -> str:
        return columns.cell(cells, field)

    serial = plain(cell("serial"))
    if not serial:
        raise Refused("malformed", "the meter's serial is missing")
    common: _Common = {
        "at": _instant(cell, columns=columns, zone=zone),
        "meter": serial,
        "flow": _flow(cell),
        "pressure_kpa": _pressure(cell),
        "voltage_v": _voltages(cell),
        "battery_pct": _maybe(cell("battery_pct"), lambda text: integer_of(text, name="battery_pct")),
        "flags": words_of(cell("flags")) or None,
    }
    totals = {field: cell(field) for field in TOTALS}
    if any(totals.values()):
        return _total_reading(totals, columns=columns, unit=cell("unit") or options.unit, common=common)
    return WireReading(
        register=_maybe(cell("register"), lambda text: integer_of(text, name="register")),
        export_register=_maybe(cell("export_register"), lambda text: integer_of(text, name="export_register")),
        **common,
    )


def _total_reading(totals: Mapping[str, str], *, columns: Columns, unit: str, common: _Common) -> TotalReading:
    numbers: dict[str, Decimal] = {}
    units: set[str] = set()
    for field, text in totals.items():
        if not text:
            continue
        named = columns.units.get(field) or unit
        if not named:
            raise Refused("unit_mismatch", f"{field} has no unit: add a column unit, or say --unit m3")
        counted_in, factor = unit_of(named)
        units.add(counted_in)
        numbers[field] = number_of(text, name=field) * factor
    if len(units) > 1:
        raise Refused("unit_mismatch", f"one meter cannot count in {' and '.join(sorted(units))}")
    return TotalReading(
        unit=units.pop(), total=numbers.get("total"), export_total=numbers.get("export_total"), **common
    )


def _instant(cell: Callable[[str], str], *, columns: Columns, zone: ZoneInfo) -> datetime:
    if "read_at" in columns.places:
        text = cell("read_at")
    else:
        text = f"{cell('date')} {cell('time')}".strip()
    if not text:
        raise Refused("malformed", "the time of the reading is missing")
    return instant_of(text, zone=zone)


def _flow(cell: Callable[[str], str]) -> float | None:
    told, thousands = cell("flow"), cell("flow_1000")
    if told and thousands:
        raise Refused("malformed", "the flow is there twice, in two units")
    if thousands:
        return float(number_of(thousands, name="flow") * 1000)
    return _maybe(told, lambda text: float(number_of(text, name="flow")))


def _pressure(cell: Callable[[str], str]) -> float | None:
    kilo, mega = cell("pressure_kpa"), cell("pressure_mpa")
    if kilo and mega:
        raise Refused("malformed", "the pressure is there twice, in two units")
    if mega:
        return float(number_of(mega, name="pressure") * 1000)
    return _maybe(kilo, lambda text: float(number_of(text, name="pressure")))


def _voltages(cell: Callable[[str], str]) -> list[float | None] | None:
    phases = [
        _maybe(cell(f"voltage_{phase}"), lambda text, phase=phase: float(number_of(text, name=f"voltage {phase}")))
        for phase in (1, 2, 3)
    ]
    while phases and phases[-1] is None:
        phases.pop()
    return phases or None


def _maybe(text: str, read: Callable[[str], T]) -> T | None:
    return read(text) if text else None


def is_blank(cells: Iterable[str]) -> bool:
    """Tell whether a row says nothing."""
    return not any(cell.strip() for cell in cells)
