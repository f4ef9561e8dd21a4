"""The direct debit file, to the byte."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_engine.domain import zengin
from rating_engine.domain.zengin import (
    DebitClient,
    DebitFile,
    DebitRecord,
    FieldTooLong,
    KanaUnwritable,
    ZenginUnreadable,
)

CLIENT = DebitClient(
    client_code="0000012345",
    client_name="ﾋﾉﾃﾞﾁﾖｳｽｲﾄﾞｳ",
    bank_code="9901",
    bank_name="ﾋﾉﾃﾞ",
    branch_code="001",
    branch_name="ﾎﾝﾃﾝ",
    account_type="1",
    account_number="1234567",
)
ONE = DebitRecord(
    bank_code="9901",
    bank_name="ﾋﾉﾃﾞ",
    branch_code="002",
    branch_name="ｴｷﾏｴ",
    account_type="1",
    account_number="0000012",
    holder="ﾔﾏﾀﾞ ﾀﾛｳ",
    amount_minor=4224,
    new_code="1",
    customer_number="00000000000000000077",
)
TWO = replace(ONE, account_number="0000013", holder="ｽｽﾞｷ (ｶ", amount_minor=7150, customer_number="0" * 18 + "78")
FILE = DebitFile(client=CLIENT, debit_month=4, debit_day=27, records=(ONE, TWO))

kana = st.text("ｦｱｲｳｴｵｶｷﾝﾞﾟABZ09 ", max_size=15).map(lambda text: text.rstrip(" "))
digits = {n: st.text("0123456789", min_size=n, max_size=n) for n in (3, 4, 7, 20)}
records = st.builds(
    DebitRecord,
    bank_code=digits[4],
    bank_name=kana,
    branch_code=digits[3],
    branch_name=kana,
    account_type=st.sampled_from(zengin.ACCOUNT_TYPES),
    account_number=digits[7],
    holder=kana,
    amount_minor=st.integers(1, 9_999_999_999),
    new_code=st.sampled_from("012"),
    customer_number=digits[20],
    result=st.sampled_from(list(zengin.RESULTS)),
)
files = st.builds(
    DebitFile,
    client=st.just(CLIENT),
    debit_month=st.integers(1, 12),
    debit_day=st.integers(1, 28),
    records=st.lists(records, max_size=5).map(tuple),
)


@given(file=files)
def test_a_result_is_read_as_it_was_written(file: DebitFile) -> None:
    content = zengin.encode_result(file)
    assert zengin.decode_result(content) == file
    assert zengin.decode_result(content.replace(b"\r\n", b"")) == file


@given(file=files)
def test_a_request_has_120_bytes_a_record_and_crlf_after_each(file: DebitFile) -> None:
    asked = replace(file, records=tuple(replace(record, result="0") for record in file.records))
    content = zengin.encode(asked)
    assert {len(line) for line in content.split(b"\r\n")[:-1]} == {120}
    assert len(content) == 122 * (len(asked.records) + 3)
    assert zengin.decode_request(content) == asked


def test_the_fields_lie_where_the_format_says() -> None:
    header, data, _, trailer, end = zengin.encode(FILE).decode("cp932").split("\r\n")[:-1]
    assert (header[:4], header[4:14], header[54:58], header[58:62]) == ("1911", "0000012345", "0427", "9901")
    assert (data[0], data[1:5], data[42], data[43:50], data[80:90]) == ("2", "9901", "1", "0000012", "0000004224")
    assert (data[90], data[91:111], data[111]) == ("1", "00000000000000000077", "0")
    assert trailer == "8" + "000002" + "000000011374" + "0" * 36 + " " * 65
    assert end == "9" + " " * 119


def test_the_result_trailer_counts_both_outcomes() -> None:
    answered = replace(FILE, records=(ONE, replace(TWO, result="1")))
    trailer = zengin.encode_result(answered).decode("cp932").split("\r\n")[3]
    assert trailer[19:55] == "000001" + "000000004224" + "000001" + "000000007150"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("ヤマダ　タロウ", "ﾔﾏﾀﾞ ﾀﾛｳ"),
        ("やまだ はなこ", "ﾔﾏﾀﾞ ﾊﾅｺ"),
        ("カ）ヒノデショッピング", "ｶ)ﾋﾉﾃﾞｼﾖﾂﾋﾟﾝｸﾞ"),
        ("スーパー", "ｽ-ﾊﾟ-"),
        ("ヴァーチャル", "ｳﾞｱ-ﾁﾔﾙ"),
        ("abc１２", "ABC12"),
        ("ミナト・エキマエ", "ﾐﾅﾄ ｴｷﾏｴ"),
    ],
)
def test_names_become_half_width_capitals(text: str, written: str) -> None:
    assert zengin.to_kana(text) == written


def test_wo_is_written_as_the_bank_wants_it() -> None:
    assert (zengin.to_kana("ヲガタ"), zengin.to_kana("ヲガタ", wo="ｵ")) == ("ｦｶﾞﾀ", "ｵｶﾞﾀ")


@pytest.mark.parametrize(("text", "marks"), [("山田", zengin.NAME_MARKS), ("ﾋﾉﾃﾞ(ｴｷ", zengin.BANK_MARKS), ("ｱ_", "")])
def test_what_the_format_does_not_have_is_refused_by_name(text: str, marks: str) -> None:
    with pytest.raises(KanaUnwritable, match=r"character \d+ .* cannot be written"):
        zengin.to_kana(text, marks=marks)


def test_a_field_that_does_not_fit_is_refused() -> None:
    with pytest.raises(FieldTooLong, match="amount"):
        zengin.encode(replace(FILE, records=(replace(ONE, amount_minor=10**10),)))


def broken(change: str) -> bytes:
    lines = zengin.encode(FILE).split(b"\r\n")[:-1]
    match change:
        case "lf":
            return b"\n".join(lines) + b"\n"
        case "cr":
            return b"\r".join(lines) + b"\r"
        case "short":
            return b"\r\n".join([lines[0], lines[1][:-1], *lines[2:]]) + b"\r\n"
        case "half":
            return zengin.encode(FILE)[:300]
        case "no_end":
            return b"\r\n".join(lines[:-1]) + b"\r\n"
        case "count":
            return b"\r\n".join([*lines[:3], lines[3].replace(b"8000002", b"8000003"), lines[4]]) + b"\r\n"
        case "total":
            return b"\r\n".join([lines[0], lines[1].replace(b"0000004224", b"0000004225"), *lines[2:]]) + b"\r\n"
        case "kanji":
            return b"\r\n".join([lines[0][:14] + "山".encode("cp932") + lines[0][16:], *lines[1:]]) + b"\r\n"
        case "day":
            return b"\r\n".join([lines[0].replace(b"0427", b"0431"), *lines[1:]]) + b"\r\n"
        case _:
            return b""


@pytest.mark.parametrize(
    ("change", "record", "column"),
    [
        ("lf", 1, 121),
        ("cr", 1, 121),
        ("short", 2, 120),
        ("half", 3, 57),
        ("no_end", 3, 1),
        ("count", 4, 7),
        ("total", 4, 19),
        ("kanji", 1, 15),
        ("day", 1, 55),
        ("empty", 1, 1),
    ],
)
def test_a_broken_file_is_refused_naming_record_and_column(change: str, record: int, column: int) -> None:
    with pytest.raises(ZenginUnreadable) as refused:
        zengin.decode_request(broken(change))
    assert (refused.value.record, refused.value.column) == (record, column)


@given(content=st.binary(max_size=500))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with pytest.raises(ZenginUnreadable):
        zengin.decode_result(content)
