"""Tables of readings as text, line by line: what is read, what is refused with its reason, what ends the reading."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.files import cells
from ingest_gateway.domain.files.lines import FileLine, FileOptions, FileUnusable, kept, telegram_again
from ingest_gateway.domain.wire import Refused, TotalReading, WireReading
from ingest_gateway.files import source, text
from tests.reading_files import TOKYO, lines_of, read_or_told

HEADER = "serial,read_at,register"
ROW = "W-1,2026-04-01T00:15:00Z,7"
AT = datetime(2026, 4, 1, 0, 15, tzinfo=UTC)


def csv_file(folder: Path, content: str | bytes, *, encoding: str = "utf-8") -> Path:
    path = folder / "readings.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def only(folder: Path, header: str, row: str, *, unit: str = "") -> FileLine:
    (line,) = lines_of(csv_file(folder, f"{header}\n{row}\n"), unit=unit)
    return line


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_is_read_in_every_encoding_and_with_every_end_of_line(
    tmp_path: Path, encoding: str, end: str, delimiter: str
) -> None:
    rows = [["製造番号", "検針日時", "指針(m3)"], ["W-1", "2026年4月1日 9時15分", "１２.５"], []]
    content = end.join(delimiter.join(row) for row in rows)
    (line,) = lines_of(csv_file(tmp_path, content, encoding=encoding))
    assert line == FileLine(
        2,
        delimiter.join(rows[1]),
        TotalReading(at=AT, meter="W-1", unit="m3", total=Decimal("12.5")),
    )


def test_every_column_is_read_by_its_english_or_japanese_name(tmp_path: Path) -> None:
    header = "Meter No,date,Time,Register,export_register,flow (m3/h),pressure_MPa,voltage 1,電圧2,battery_pct,flags"
    line = only(tmp_path, header, "W-1,2026/4/1,9:15,123,4,0.012,0.3,101.5,,88,leak;tamper")
    assert line.reading == WireReading(
        at=AT, meter="W-1", register=123, export_register=4, flow=12.0, pressure_kpa=300.0, voltage_v=[101.5],
        battery_pct=88, flags=["leak", "tamper"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("header", "row", "unit", "total"),
    [
        ("serial,read_at,total,unit", f"{ROW},kWh", "kWh", "7"),
        ("serial,read_at,total_l", ROW, "m3", "0.007"),
        ("serial,read_at,指針［kWh］", ROW, "kWh", "7"),
        ("serial,read_at,積算値㎥", ROW, "m3", "7"),
        ("serial,read_at,total", ROW, "gal", "7"),
    ],
)
def test_a_total_has_its_unit_from_its_own_cell_its_header_or_the_command(
    tmp_path: Path, header: str, row: str, unit: str, total: str
) -> None:
    reading = only(tmp_path, header, row, unit="gal").reading
    assert isinstance(reading, TotalReading)
    assert (reading.unit, reading.total) == (unit, Decimal(total))


@pytest.mark.parametrize(
    ("told", "instant"),
    [
        ("2026-04-01T00:15:00Z", AT),
        ("2026-04-01 09:15", AT),
        ("2026/4/1 9:15:00", AT),
        ("2026.04.01 09:15:00.000", AT),
        ("202604010915", AT),
        ("2026年4月1日9時15分0秒", AT),
        ("２０２６－０４－０１　０９：１５", AT),
        ("2026-04-01 02:15:00+02:00", AT),
        ("2026-03-31 24:00", datetime(2026, 3, 31, 15, tzinfo=UTC)),
    ],
)
def test_times_are_read_as_they_are_written_in_offices(told: str, instant: datetime) -> None:
    assert cells.instant_of(told, zone=TOKYO) == instant


@pytest.mark.parametrize(
    "told",
    ["2026-04-01", "01/04/2026 09:15", "26/4/1 9:15", "2026-02-30 09:15", "2026-04-01 24:30", "2026-04-01 9:75",
     "2026-04-01 25:00", "45748.5", "0000-01-01 00:00", "9999-12-31 24:00", "now", "2026-04-01 09:15+99:99",
     "٢٠٢٦-04-01 1:1"],
)  # fmt: skip
def test_what_is_no_time_is_refused(told: str) -> None:
    with pytest.raises(Refused, match="malformed"):
        cells.instant_of(told, zone=TOKYO)


@pytest.mark.parametrize("told", ["2026-03-29 02:30", "2026-10-25 02:30"])
def test_a_local_time_that_clocks_show_twice_or_never_is_refused_until_its_zone_is_written(told: str) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    with pytest.raises(Refused, match="twice or never"):
        cells.instant_of(told, zone=berlin)
    assert cells.instant_of(f"{told}+01:00", zone=berlin).tzinfo is UTC


@pytest.mark.parametrize(
    ("header", "row", "reason", "words"),
    [
        (HEADER, ",2026-04-01 09:15,7", "malformed", "serial is missing"),
        (HEADER, "W-1,,7", "malformed", "time of the reading is missing"),
        (HEADER, "W-1,2026-04-01 09:15", "malformed", "2 cells, and the header has 3"),
        (HEADER, f"{ROW},8", "malformed", "4 cells, and the header has 3"),
        (HEADER, "W-1,2026-04-01 09:15,7.5", "malformed", "must be whole"),
        (HEADER, 'W-1,2026-04-01 09:15,"1,234"', "malformed", "without commas"),
        (HEADER, "W-1,2026-04-01 09:15,1.2E+05", "malformed", "digits were lost"),
        (HEADER, "W-1,2026-04-01 09:15,nan", "not_finite", "register"),
        (HEADER, "W-1,2026-04-01 09:15,-Infinity", "not_finite", "register"),
        (HEADER, f"W-1,2026-04-01 09:15,{'9' * 41}", "malformed", "no number"),
        ("serial,read_at,total", ROW, "unit_mismatch", "has no unit"),
        ("serial,read_at,total,unit", f"{ROW},therm", "unit_mismatch", "'therm'"),
        ("serial,read_at,total_m3,export_kwh", f"{ROW},1", "unit_mismatch", "one meter"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_by_its_line(
    tmp_path: Path, header: str, row: str, reason: str, words: str
) -> None:
    line = only(tmp_path, header, row)
    assert (line.number, line.text, line.reading, line.reason) == (2, row, None, reason)
    assert words in line.detail


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        ("\n\r\n  \n", "nothing but empty lines"),
        (b"\x00\x01\x02\x03binary", "line 1 is neither text"),
        (f"{HEADER}\n".encode() + b"W-\xff\xff\xfe,1,1\n", "line 2 is neither text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "old kind"),
        (f"{ROW}\n", "no column is called 'W-1'"),
        ("serial,read_at,regsiter\n", "did you mean register?"),
        ("serial,read_at,register,register\n", "both mean register"),
        ("serial,read_at,register,total\n", "are both there"),
        ("serial,date,register\n", "add a column time"),
        ("serial,register\n", "no time of the reading"),
        ("read_at,register\n", "meter's serial"),
        ("serial,read_at\n", "no reading"),
        (f'{HEADER}\n{ROW}\n"W-1,2026', "line 3"),
        (f'{HEADER}\n{ROW}\n"W-1,{ROW * 9}\n' * 60, "quotation mark"),
        (f'{HEADER}\nW-1,"a"b,7\n', "line 2"),
        (f"{HEADER}\nW-1,{'x' * 70_000},7\n", "line 2: a cell is longer"),
        (f"{HEADER}\nW-1,{'x' * 300_000},7\n", "line 2 is longer than"),
        (",".join(f"c{n}" for n in range(300)), "300 columns"),
    ],
)
def test_a_file_that_cannot_be_understood_ends_with_the_line_and_the_cure(
    tmp_path: Path, content: str | bytes, words: str
) -> None:
    with pytest.raises(FileUnusable) as refused:
        lines_of(csv_file(tmp_path, content))
    assert words in str(refused.value)


def test_a_cell_may_hold_line_breaks_and_lines_are_counted_as_editors_do(tmp_path: Path) -> None:
    content = f'{HEADER},flags\n\n{ROW},"le""ak\nx"\n{ROW},\n'
    first, second = lines_of(csv_file(tmp_path, content))
    assert (first.number, first.text) == (3, f'{ROW},"le""ak\nx"')
    assert (second.number, second.text) == (5, f"{ROW},")


def test_columns_may_be_passed_over_and_are_told(tmp_path: Path) -> None:
    left_out: Counter[str] = Counter()
    path = csv_file(tmp_path, f"{HEADER},お名前,\n{ROW},日の出花子,x\n")
    (line,) = lines_of(path, counted=left_out, left_out=frozenset(["お名前"]))
    assert line.reading == WireReading(at=AT, meter="W-1", register=7)
    assert left_out == Counter({"column お名前": 1, "column 5, which has no name": 1})


def test_a_file_that_changes_while_it_is_read_is_not_taken(tmp_path: Path) -> None:
    path = csv_file(tmp_path, f"{HEADER}\n{ROW}\n")
    looked_at = source.look_at(path)
    path.write_text(f"{HEADER}\n{ROW}\n{ROW}\n")
    with pytest.raises(FileUnusable, match="changed while it was read"):
        list(source.read(looked_at, zone=TOKYO, options=FileOptions(), left_out=Counter(), progress=lambda _: None))


readings = st.one_of(
    st.builds(
        WireReading,
        at=st.datetimes(timezones=st.just(UTC)),
        meter=st.text(min_size=1, max_size=20),
        register=st.none() | st.integers(-(10**30), 10**30),
        flow=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        voltage_v=st.none() | st.lists(st.none() | st.floats(0, 500), max_size=3),
        flags=st.none() | st.lists(st.text(max_size=5), min_size=1, max_size=3),
    ),
    st.builds(
        TotalReading,
        at=st.datetimes(timezones=st.just(UTC)),
        meter=st.just("W-1"),
        unit=st.just("m3"),
        total=st.none() | st.decimals(allow_nan=False, allow_infinity=False, places=5),
    ),
)


@settings(max_examples=100, deadline=None)
@given(reading=readings)
def test_a_line_that_is_kept_says_the_same_when_it_is_sent_again(reading: WireReading) -> None:
    again = telegram_again(kept(FileLine(3, "text", reading)), topic="file/hinode/0", utility="hinode")
    assert again.readings == [reading]
    assert type(again.readings[0]) is type(reading)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200)
    | st.text(alphabet='W-1,;"\n\r\t 2026:年月NaN.', max_size=80).map(lambda rest: f"{HEADER}\n{rest}".encode())
)
def test_no_text_file_raises_anything_but_what_names_the_cure(tmp_path: Path, content: bytes) -> None:
    for line in read_or_told(csv_file(tmp_path, content)):
        assert (line.reading is None) == (line.reason is not None)


def test_a_line_that_never_ends_is_not_held_in_memory(tmp_path: Path) -> None:
    with (tmp_path / "long.csv").open("wb") as file:
        file.write(b"a" * 400_000)
    with pytest.raises(FileUnusable, match="longer than"), (tmp_path / "long.csv").open("rb") as raw:
        list(text.Stream(raw, encoding="utf-8", size=1, progress=lambda _: None))
