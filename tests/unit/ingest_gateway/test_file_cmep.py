"""Files of head-ends in CMEP: registers are read, the rest is left out and counted."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.files.lines import FileLine, FileUnusable
from ingest_gateway.domain.wire import TotalReading
from tests.reading_files import lines_of, read_or_told

AT = datetime(2026, 4, 1, 0, 15, tzinfo=UTC)
HEAD = (
    "MEPMD01,19970819,HEADEND,,UTILITY,,202604010200,"
    "{meter},{purpose},{commodity},{units},{constant},{interval},{count}"
)


def record(*data: str, meter: str = "W-1", count: int | None = None, **head: Any) -> str:
    given = {"purpose": "OK", "commodity": "W", "units": "M3REG", "constant": "1", "interval": "00000015", **head}
    return f"{HEAD.format(meter=meter, count=len(data) if count is None else count, **given)},{','.join(data)}"


def read(folder: Path, *records: str, counted: Counter[str] | None = None, meter_field: int = 8) -> list[FileLine]:
    path = folder / "headend.cmep"
    path.write_bytes("".join(f"{one}\r\n" for one in records).encode())
    return lines_of(path, counted=counted, meter_field=meter_field)


def total(at: datetime, told: str, *, meter: str = "W-1", unit: str = "m3", export: str | None = None) -> TotalReading:
    return TotalReading(
        at=at, meter=meter, unit=unit, total=Decimal(told), export_total=None if export is None else Decimal(export)
    )


def test_registers_are_read_in_utc_and_times_that_are_left_empty_are_counted_on(tmp_path: Path) -> None:
    lines = read(tmp_path, record("202604010015,R0,12.5", ",,12.6", "202604010100,,12.7", ",R,12.8"))
    minutes = [0, 15, 45, 60]
    assert [line.reading for line in lines] == [
        total(AT + timedelta(minutes=minute), told)
        for minute, told in zip(minutes, ("12.5", "12.6", "12.7", "12.8"), strict=True)
    ]
    assert {line.number for line in lines} == {1}


@pytest.mark.parametrize(
    ("head", "unit", "told"),
    [
        ({"units": "KWHREG", "commodity": "E"}, "kWh", "7"),
        ({"units": "KWHREG", "commodity": "E", "constant": "40"}, "kWh", "280"),
        ({"units": "CCFREG", "constant": ""}, "ft3", "700"),
        ({"units": "KGALREG"}, "gal", "7E+3"),
        ({"units": "galreg", "constant": "0.1"}, "gal", "0.7"),
    ],
)
def test_units_and_the_constant_become_what_meters_count(
    tmp_path: Path, head: dict[str, Any], unit: str, told: str
) -> None:
    (line,) = read(tmp_path, record("202604010015,R0,7", **head))
    assert line.reading == total(AT, told, unit=unit)


def test_what_was_taken_and_what_was_given_back_at_one_instant_are_one_reading(tmp_path: Path) -> None:
    given: dict[str, Any] = {"commodity": "E", "meter": "E-1"}
    lines = read(
        tmp_path,
        record("202604010015,R0,7", "202604010030,R0,8", units="KWHREG", **given),
        record("202604010015,R0,3", units="GKWHREG", **given),
        record("202604010015,R0,9", units="KWHREG", commodity="E", meter="E-2"),
    )
    assert [line.reading for line in lines] == [
        total(AT, "7", meter="E-1", unit="kWh", export="3"),
        total(AT + timedelta(minutes=15), "8", meter="E-1", unit="kWh"),
        total(AT, "9", meter="E-2", unit="kWh"),
    ]


def test_a_register_that_is_there_twice_stays_twice_for_intake_to_judge(tmp_path: Path) -> None:
    lines = read(tmp_path, record("202604010015,R0,7"), record("202604010015,R0,8"))
    assert [line.reading for line in lines] == [total(AT, "7"), total(AT, "8")]


def test_what_is_no_register_is_left_out_and_counted(tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    lines = read(
        tmp_path,
        record("202604010015,R0,7"),
        record("202604010015,R0,7", units="KWH", commodity="E"),
        record("202604010015,R0,7", purpose="SUMMARY"),
        record("202604010030,N,"),
        "MEPMD02,19970819,,,,,202604010200,W-1,OK,E,KWHREG,S,1,,,1,TOTAL,,7",
        "MLA01,20080501,HEADEND,,,,202604010200,W-1",
        counted=counted,
    )
    assert len(lines) == 1
    assert counted == Counter(
        {
            "records of KWH, which is no register": 1,
            "records with purpose SUMMARY": 1,
            "values that the head-end marks as empty": 1,
            "records MEPMD02": 1,
            "records MLA01": 1,
        }
    )


@pytest.mark.parametrize(
    ("told", "reason", "words"),
    [
        (record("202604010015,E,7"), "no_register", "estimated"),
        (record("202604010015,A,7"), "no_register", "adjusted"),
        (record("202604010015,X,7"), "malformed", "flag 'X'"),
        (record("202604010015,R0,seven"), "malformed", "'seven'"),
        (record("2026040100,R0,7"), "malformed", "YYYYMMDDHHMM"),
        (record("202613010015,R0,7"), "malformed", "in no calendar"),
        (record(",R0,7"), "malformed", "nothing to count it from"),
        (record("202604010015,R0,7", count=2), "malformed", "2 values are announced"),
        (record("202604010015,R0,7", count=99_999), "malformed", "count of values"),
        (record("202604010015,R0,7", meter=""), "malformed", "--meter-field 6"),
        (record("202604010015,R0,7", units="KVARHREG"), "unit_mismatch", "KVARHREG"),
        (record("202604010015,R0,7", commodity="E"), "unit_mismatch", "commodity"),
        (record("202604010015,R0,7", interval="01000000"), "malformed", "00DDHHMM"),
        (record("202604010015,R0,7", constant="many"), "malformed", "constant"),
        ("MEPMD01,19970819,HEADEND", "malformed", "3 fields"),
        ("OTHER,1,2,3", "malformed", "'OTHER'"),
    ],
)
def test_a_record_that_cannot_be_taken_is_refused_by_its_line(
    tmp_path: Path, told: str, reason: str, words: str
) -> None:
    lines = read(tmp_path, record("202604010000,R0,1", meter="W-0"), told)
    first, second = sorted(lines, key=lambda line: line.number)
    assert first.reading is not None
    assert (second.number, second.reading, second.reason) == (2, None, reason)
    assert words in second.detail


def test_a_check_sum_at_the_end_is_no_value(tmp_path: Path) -> None:
    for end in ("H1A2B", ""):
        (line,) = read(tmp_path, f"{record('202604010015,R0,7')},{end}")
        assert line.reading == total(AT, "7")


def test_the_serial_may_stand_in_another_field_of_the_head(tmp_path: Path) -> None:
    told = record("202604010015,R0,7", meter="").replace(",UTILITY,,", ",UTILITY,W-9,")
    (line,) = read(tmp_path, told, meter_field=6)
    assert line.reading is not None
    assert line.reading.meter == "W-9"


fields = st.sampled_from(
    [
        "",
        "MEPMD01",
        "OK",
        "W",
        "E",
        "KWHREG",
        "GKWHREG",
        "00000015",
        "202604010015",
        "1",
        "2",
        "R0",
        "E",
        "-1",
        "1E999",
        "H0",
    ]
) | st.text(max_size=6)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    records=st.lists(st.lists(fields, max_size=24).map(lambda one: ["MEPMD01", *one]), min_size=1, max_size=4),
    places=st.lists(st.tuples(st.integers(0, 400), st.characters()), max_size=3),
)
def test_no_file_of_a_head_end_raises_anything_but_what_names_the_cure(
    tmp_path: Path, records: list[list[str]], places: list[tuple[int, str]]
) -> None:
    text = "\r\n".join(",".join(one) for one in records)
    for place, letter in places:
        text = text[:place] + letter + text[place + 1 :]
    path = tmp_path / "headend.cmep"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    for line in read_or_told(path):
        assert (line.reading is None) == (line.reason is not None)


def test_a_file_without_a_register_says_what_was_in_it(tmp_path: Path) -> None:
    counted: Counter[str] = Counter()
    assert read(tmp_path, record("202604010015,R0,7", units="KWH", commodity="E"), counted=counted) == []
    assert counted.total() == 1
    with pytest.raises(FileUnusable):
        lines_of(tmp_path / "not there")
