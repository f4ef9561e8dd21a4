"""Excel files of readings: what is read as people see it, what is refused before it does harm."""

import io
import zipfile
from collections import Counter
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest_gateway.domain.files.lines import FileUnusable
from ingest_gateway.domain.wire import TotalReading, WireReading
from ingest_gateway.files import sheet
from tests.reading_files import lines_of, read_or_told

HEADER = "serial,read_at,register"
ROW = "W-1,2026-04-01T00:15:00Z,7"
AT = datetime(2026, 4, 1, 0, 15, tzinfo=UTC)


def local(*parts: int) -> datetime:
    """Give a time as a sheet holds it: without a zone."""
    return datetime(*parts, tzinfo=UTC).replace(tzinfo=None)  # pyright: ignore[reportArgumentType]


def book(*rows: list[object], title: str = "検針") -> openpyxl.Workbook:
    made = openpyxl.Workbook()
    page = made.active
    assert page is not None
    page.title = title
    for row in rows:
        page.append(row)
    return made


def saved(made: openpyxl.Workbook, folder: Path) -> Path:
    path = folder / "readings.xlsx"
    made.save(path)
    return path


def test_a_sheet_is_read_as_people_see_it(tmp_path: Path) -> None:
    made = book(
        ["serial", "検針日", "時刻", "register", "flow"],
        [12345, local(2026, 4, 1), time(9, 15), 123456.0, 12.25],
        [],
        ["W-2", "2026/4/1", "9:15", "7", None],
    )
    made.create_sheet("メモ")
    page = made["検針"]
    page["B2"].number_format = "yyyy/mm/dd"
    left_out: Counter[str] = Counter()
    first, second = lines_of(saved(made, tmp_path), counted=left_out)
    assert first.reading == WireReading(at=AT, meter="12345", register=123456, flow=12.25)
    assert (first.number, first.text) == (2, "12345\t2026-04-01\t09:15:00\t123456\t12.25")
    assert (second.number, second.reading) == (4, WireReading(at=AT, meter="W-2", register=7))
    assert left_out == Counter({"sheet メモ": 1})


def test_a_sheets_times_are_local_and_a_day_alone_is_no_time(tmp_path: Path) -> None:
    made = book(["serial", "read_at", "total_m3"], ["W-1", local(2026, 4, 1, 9, 14, 59, 999_900), 0.1 + 0.2])
    made.active.append(["W-1", local(2026, 4, 1), 1])  # pyright: ignore[reportOptionalMemberAccess]
    made["検針"]["B3"].number_format = "yyyy-mm-dd"
    first, second = lines_of(saved(made, tmp_path))
    assert first.reading == TotalReading(at=AT, meter="W-1", unit="m3", total=Decimal("0.3"))
    assert (second.reason, "no time of day" in second.detail) == ("malformed", True)


def with_part(path: Path, name: str, content: bytes) -> Path:
    packed = io.BytesIO(path.read_bytes())
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.namelist():
            if part != name:
                new.writestr(part, old.read(part))
        new.writestr(name, content)
    return path


def test_a_sheet_that_unpacks_to_too_much_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(book([HEADER]), tmp_path)
    monkeypatch.setattr(sheet, "MAX_INFLATED", 2**22)
    with_part(path, "xl/media/bomb.bin", bytes(2**24))
    assert path.stat().st_size < 2**16
    with pytest.raises(FileUnusable, match="unpacks to more"):
        lines_of(path)


def test_entities_in_a_sheet_are_refused(tmp_path: Path) -> None:
    path = saved(book([HEADER]), tmp_path)
    with_part(path, "xl/sharedStrings.xml", b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><sst>&b;</sst>')
    with pytest.raises(FileUnusable, match="document type"):
        lines_of(path)


def test_a_row_number_beyond_every_sheet_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet, "MAX_ROWS", 2_000)
    made = saved(book(["serial", "read_at", "register"], ["W-1", "2026-04-01 09:15", 7]), tmp_path)
    with zipfile.ZipFile(made) as packed:
        content = packed.read("xl/worksheets/sheet1.xml")
    with_part(made, "xl/worksheets/sheet1.xml", content.replace(b'<row r="2"', b'<row r="99999999999"'))
    with pytest.raises(FileUnusable, match="more than 2000 rows"):
        lines_of(made)


def test_an_archive_that_is_no_sheet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readings.csv", ROW)
    with pytest.raises(FileUnusable, match="ZIP archive"):
        lines_of(path)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 5_500), changes=st.lists(st.tuples(st.integers(0, 5_500), st.binary(max_size=4)), max_size=4))
def test_no_broken_sheet_raises_anything_but_what_names_the_cure(
    tmp_path: Path, whole_sheet: bytes, cut: int, changes: list[tuple[int, bytes]]
) -> None:
    content = bytearray(whole_sheet)
    for place, part in changes:
        content[place : place + len(part)] = part
    del content[len(content) - (cut if cut % 3 == 0 else 0) :]
    path = tmp_path / "broken.xlsx"
    path.write_bytes(bytes(content))
    read_or_told(path)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    part=st.sampled_from(["xl/worksheets/sheet1.xml", "xl/workbook.xml", "xl/styles.xml", "xl/sharedStrings.xml"]),
    place=st.integers(0, 3_000),
    change=st.sampled_from([b"", b"<", b">", b'"', b"9", b"-1", b"NaN", b"<c/>", b"t=", b"\xff", b"&#0;", b's="77"']),
)
def test_no_sheet_with_broken_parts_raises_anything_but_what_names_the_cure(
    tmp_path: Path, whole_sheet: bytes, part: str, place: int, change: bytes
) -> None:
    path = tmp_path / "broken.xlsx"
    path.write_bytes(whole_sheet)
    with zipfile.ZipFile(path) as packed:
        content = packed.read(part)
    place = place % max(len(content), 1)
    with_part(path, part, content[:place] + change + content[place + 1 :])
    read_or_told(path)


MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": f"""<Types xmlns="{PACKAGE}/content-types">
        <Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
        <Override PartName="/xl/workbook.xml" ContentType="{SPREADSHEET}.sheet.main+xml"/>
        <Override PartName="/xl/worksheets/sheet1.xml" ContentType="{SPREADSHEET}.worksheet+xml"/>
        <Override PartName="/xl/sharedStrings.xml" ContentType="{SPREADSHEET}.sharedStrings+xml"/>
        <Override PartName="/xl/styles.xml" ContentType="{SPREADSHEET}.styles+xml"/></Types>""",
    "_rels/.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>""",
    "xl/workbook.xml": f"""<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><workbookPr date1904="0"/>
        <sheets><sheet name="4月" sheetId="1" r:id="r1"/></sheets></workbook>""",
    "xl/_rels/workbook.xml.rels": f"""<Relationships xmlns="{PACKAGE}/relationships">
        <Relationship Id="r1" Type="{OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>
        <Relationship Id="r2" Type="{OFFICE}/sharedStrings" Target="sharedStrings.xml"/>
        <Relationship Id="r3" Type="{OFFICE}/styles" Target="styles.xml"/></Relationships>""",
    "xl/sharedStrings.xml": f"""<sst xmlns="{MAIN}"><si><t>計器番号</t></si>
        <si><r><t>検針</t></r><r><t>日時</t></r><rPh sb="0" eb="2"><t>ケンシン</t></rPh></si><si><t>指針(m3)</t></si>
        <si><t>W-1</t></si></sst>""",
    "xl/styles.xml": f"""<styleSheet xmlns="{MAIN}"><fonts><font/></fonts><fills><fill><patternFill/></fill></fills>
        <borders><border/></borders><cellStyleXfs><xf/></cellStyleXfs><cellXfs><xf/><xf numFmtId="22"/></cellXfs>
        </styleSheet>""",
    "xl/worksheets/sheet1.xml": f"""<worksheet xmlns="{MAIN}"><dimension ref="A1:C2"/><sheetData>
        <row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c><c r="C1" t="s"><v>2</v></c></row>
        <row r="3"><c r="A3" t="s"><v>3</v></c><c r="B3" s="1"><v>46113.385416666664</v></c>
        <c r="C3"><f>A1+1</f><v>12.300000000000001</v></c></row></sheetData></worksheet>""",
}


@pytest.fixture(scope="module")
def whole_sheet() -> bytes:
    """A file as office programs write it: text shared, times as numbers with a style, a formula with its value."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in PARTS.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8"?>{content}')
    return packed.getvalue()


def test_a_file_as_office_programs_write_it_is_read(tmp_path: Path, whole_sheet: bytes) -> None:
    (tmp_path / "a.xlsx").write_bytes(whole_sheet)
    (line,) = lines_of(tmp_path / "a.xlsx")
    assert (line.number, line.text) == (3, "W-1\t2026-04-01 09:15:00\t12.3")
    assert line.reading == TotalReading(at=AT, meter="W-1", unit="m3", total=Decimal("12.3"))
