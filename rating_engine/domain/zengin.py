"""The Zengin direct debit file (code 91): 120-byte records, written and read to the byte."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import jaconv

RECORD_BYTES = 120
SEPARATOR = b"\r\n"
NAME_MARKS = "().-"
BANK_MARKS = "-"
ACCOUNT_TYPES = ("1", "2", "3", "9")
RESULTS = {
    "0": "debited",
    "1": "short_of_funds",
    "2": "no_such_account",
    "3": "stopped_by_holder",
    "4": "no_mandate",
    "8": "stopped_by_client",
    "9": "other",
}
_END = "9" + " " * 119
_LARGE = str.maketrans("ｧｨｩｪｫｬｭｮｯｰ", "ｱｲｳｴｵﾔﾕﾖﾂ-")
_KANA = frozenset(chr(code) for code in range(0xFF66, 0xFFA0)) - frozenset("ｧｨｩｪｫｬｭｮｯｰ")
_PLAIN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ")


class ZenginUnreadable(ValueError):
    """A file that is not what the format says; `record` and `column` count from 1."""

    def __init__(self, *, record: int, column: int, message: str) -> None:
        super().__init__(f"record {record}, column {column}: {message}")
        self.record = record
        self.column = column


class KanaUnwritable(ValueError):
    """A name holds a character that the format does not have; write it in katakana."""


class FieldTooLong(ValueError):
    """A field does not hold what was given."""


@dataclass(frozen=True, slots=True)
class DebitClient:
    """Who collects, and the account that receives; names in half-width kana."""

    client_code: str
    client_name: str
    bank_code: str
    bank_name: str
    branch_code: str
    branch_name: str
    account_type: str
    account_number: str


@dataclass(frozen=True, slots=True)
class DebitRecord:
    """One account to debit; names in half-width kana, the amount in yen."""

    bank_code: str
    bank_name: str
    branch_code: str
    branch_name: str
    account_type: str
    account_number: str
    holder: str
    amount_minor: int
    new_code: str
    customer_number: str
    result: str = "0"


@dataclass(frozen=True, slots=True)
class DebitFile:
    """A request, or a bank's answer to it; `debit_month` and `debit_day` are all that the format says of the date."""

    client: DebitClient
    debit_month: int
    debit_day: int
    records: tuple[DebitRecord, ...]


def to_kana(text: str, *, marks: str = NAME_MARKS, wo: str = "ｦ") -> str:
    """Write a name as the format does: half-width katakana capitals, A–Z, 0–9, space and `marks`; `wo` is a bank's ヲ.

    :raises KanaUnwritable: if a character has no such form, for instance kanji
    """
    allowed = _KANA | _PLAIN | set(marks)
    if allowed.issuperset(text):
        return text.replace("ｦ", wo)
    wide = jaconv.hira2kata(unicodedata.normalize("NFKC", text)).replace("・", " ")
    narrow = jaconv.z2h(wide, kana=True, ascii=True, digit=True).upper().translate(_LARGE).replace("ｦ", wo)
    for place, character in enumerate(narrow, start=1):
        if character not in allowed:
            raise KanaUnwritable(f"'{text}': character {place} ('{character}') cannot be written; use katakana")
    return narrow


def encode(file: DebitFile) -> bytes:
    """Write a file, CRLF after each record.

    :raises FieldTooLong: if a field does not fit
    :raises KanaUnwritable: if a name holds a character that the format does not have
    """
    records = [data_record(record) for record in file.records]
    return join_request(header=header_record(file), records=records)


def join_request(*, header: str, records: Sequence[str]) -> bytes:
    """Make a request's file from its header and data records, as they were written."""
    amounts = [int(record[80:90]) for record in records]
    return _file([header, *records, _trailer(amounts), _END])


def header_record(file: DebitFile) -> str:
    """Write the header."""
    client = file.client
    return _joined(
        "1911",
        _number(client.client_code, 10, "client code"),
        _text(client.client_name, 40, "client name", NAME_MARKS),
        f"{file.debit_month:02d}{file.debit_day:02d}",
        _bank_fields(client.bank_code, client.bank_name, client.branch_code, client.branch_name),
        _account_type(client.account_type),
        _number(client.account_number, 7, "account number"),
        " " * 17,
    )


def data_record(record: DebitRecord) -> str:
    """Write one account to debit."""
    return _joined(
        "2",
        _bank_fields(record.bank_code, record.bank_name, record.branch_code, record.branch_name),
        " " * 4,
        _account_type(record.account_type),
        _number(record.account_number, 7, "account number"),
        _text(record.holder, 30, "holder", NAME_MARKS),
        _number(str(record.amount_minor), 10, "amount"),
        _one_of(record.new_code, "012", "new code"),
        _number(record.customer_number, 20, "customer number"),
        _one_of(record.result, "".join(RESULTS), "result"),
        " " * 8,
    )


def trailer_record(records: Sequence[DebitRecord], *, is_result: bool = False) -> str:
    """Write the trailer: totals of the records, and of a result also what was debited and what was not."""
    amounts = [record.amount_minor for record in records]
    if not is_result:
        return _trailer(amounts)
    paid = [record.amount_minor for record in records if record.result == "0"]
    failed = [record.amount_minor for record in records if record.result != "0"]
    return _trailer(amounts, paid=paid, failed=failed)


def encode_result(file: DebitFile) -> bytes:
    """Write a bank's answer: as the request, with a result on each record and the totals of both outcomes."""
    lines = [header_record(file), *(data_record(record) for record in file.records)]
    return _file([*lines, trailer_record(file.records, is_result=True), _END])


def decode_request(content: bytes) -> DebitFile:
    """:raises ZenginUnreadable: naming the record and column that is wrong, totals included"""
    return _decode(content, is_result=False)


def decode_result(content: bytes) -> DebitFile:
    """:raises ZenginUnreadable: naming the record and column that is wrong, totals included"""
    return _decode(content, is_result=True)


def _exists(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


def _trailer(amounts: Sequence[int], *, paid: Sequence[int] = (), failed: Sequence[int] = ()) -> str:
    totals = (
        _number(str(len(some)), 6, "count") + _number(str(sum(some)), 12, "total") for some in (amounts, paid, failed)
    )
    return _joined("8", *totals, " " * 65)


def _file(records: Sequence[str]) -> bytes:
    return b"".join(record.encode("cp932") + SEPARATOR for record in records)


def _joined(*fields: str) -> str:
    record = "".join(fields)
    assert len(record) == RECORD_BYTES, f"a record has 120 characters, not {len(record)}"
    return record


def _bank_fields(bank_code: str, bank_name: str, branch_code: str, branch_name: str) -> str:
    return (
        _number(bank_code, 4, "bank code")
        + _text(bank_name, 15, "bank name", BANK_MARKS)
        + _number(branch_code, 3, "branch code")
        + _text(branch_name, 15, "branch name", BANK_MARKS)
    )


def _number(digits: str, width: int, name: str) -> str:
    if not (digits.isascii() and digits.isdigit()):
        raise FieldTooLong(f"{name} '{digits}' must be digits")
    if len(digits) > width:
        raise FieldTooLong(f"{name} '{digits}' is longer than {width} digits")
    return digits.rjust(width, "0")


def _text(text: str, width: int, name: str, marks: str) -> str:
    narrow = to_kana(text, marks=marks)
    if len(narrow) > width:
        raise FieldTooLong(f"{name} '{narrow}' is longer than {width} characters")
    return narrow.ljust(width)


def _account_type(account_type: str) -> str:
    return _one_of(account_type, "".join(ACCOUNT_TYPES), "account type")


def _one_of(code: str, allowed: str, name: str) -> str:
    if len(code) != 1 or code not in allowed:
        raise FieldTooLong(f"{name} '{code}' must be one of {', '.join(allowed)}")
    return code


def _decode(content: bytes, *, is_result: bool) -> DebitFile:
    lines = [_Line(number, text) for number, text in enumerate(_records(content), start=1)]
    if len(lines) < 3:
        raise ZenginUnreadable(
            record=len(lines) + 1, column=1, message="the file ends before its trailer and end record"
        )
    header, data, trailer, end = lines[0], lines[1:-2], lines[-2], lines[-1]
    client, month, day = _header(header)
    records = tuple(_data(line, is_result=is_result) for line in data)
    trailer.expect(1, "8", "trailer")
    trailer.expect(2, trailer_record(records, is_result=is_result)[1:55], "totals of the records")
    trailer.expect(56, " " * 65, "blank")
    end.expect(1, _END, "end record")
    return DebitFile(client=client, debit_month=month, debit_day=day, records=records)


def _header(line: "_Line") -> tuple[DebitClient, int, int]:
    line.expect(1, "1911", "header of a direct debit file (191, code 1)")
    month, day = int(line.digits(55, 2)), int(line.digits(57, 2))
    if not _exists(2024, month, day):
        raise ZenginUnreadable(record=line.number, column=55, message=f"{month:02d}{day:02d} is no day")
    line.expect(104, " " * 17, "blank")
    client = DebitClient(
        client_code=line.digits(5, 10),
        client_name=line.name(15, 40, NAME_MARKS),
        bank_code=line.digits(59, 4),
        bank_name=line.name(63, 15, BANK_MARKS),
        branch_code=line.digits(78, 3),
        branch_name=line.name(81, 15, BANK_MARKS),
        account_type=line.one_of(96, ACCOUNT_TYPES),
        account_number=line.digits(97, 7),
    )
    return client, month, day


def _data(line: "_Line", *, is_result: bool) -> DebitRecord:
    line.expect(1, "2", "data record")
    line.expect(39, " " * 4, "blank")
    line.expect(113, " " * 8, "blank")
    return DebitRecord(
        bank_code=line.digits(2, 4),
        bank_name=line.name(6, 15, BANK_MARKS),
        branch_code=line.digits(21, 3),
        branch_name=line.name(24, 15, BANK_MARKS),
        account_type=line.one_of(43, ACCOUNT_TYPES),
        account_number=line.digits(44, 7),
        holder=line.name(51, 30, NAME_MARKS),
        amount_minor=int(line.digits(81, 10)),
        new_code=line.one_of(91, ("0", "1", "2")),
        customer_number=line.digits(92, 20),
        result=line.one_of(112, tuple(RESULTS) if is_result else ("0",)),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    number: int
    text: str

    def cut(self, column: int, width: int) -> str:
        return self.text[column - 1 : column - 1 + width]

    def expect(self, column: int, wanted: str, name: str) -> None:
        found = self.cut(column, len(wanted))
        if found != wanted:
            wrong = next(i for i, (f, w) in enumerate(zip(found, wanted, strict=True)) if f != w)
            raise ZenginUnreadable(
                record=self.number, column=column + wrong, message=f"{name}: expected '{wanted}' and found '{found}'"
            )

    def digits(self, column: int, width: int) -> str:
        found = self.cut(column, width)
        for place, character in enumerate(found):
            if character not in "0123456789":
                raise ZenginUnreadable(record=self.number, column=column + place, message=f"'{found}' must be digits")
        return found

    def name(self, column: int, width: int, marks: str) -> str:
        found = self.cut(column, width)
        for place, character in enumerate(found):
            if character not in _KANA and character not in _PLAIN and character not in marks:
                message = f"'{character}' is no character of this format"
                raise ZenginUnreadable(record=self.number, column=column + place, message=message)
        return found.rstrip(" ")

    def one_of(self, column: int, allowed: Sequence[str]) -> str:
        found = self.cut(column, 1)
        if found not in allowed:
            message = f"'{found}' must be one of {', '.join(allowed)}"
            raise ZenginUnreadable(record=self.number, column=column, message=message)
        return found


def _records(content: bytes) -> list[str]:
    """Cut the file into records: CRLF after each, or nothing between them."""
    step = RECORD_BYTES if b"\r" not in content and b"\n" not in content else RECORD_BYTES + len(SEPARATOR)
    records: list[str] = []
    for number, start in enumerate(range(0, len(content), step), start=1):
        chunk = content[start : start + step]
        record = chunk[:RECORD_BYTES]
        for mark in (b"\r", b"\n"):
            if mark in record:
                column = record.index(mark) + 1
                raise ZenginUnreadable(record=number, column=column, message="the record ends before its 120 bytes")
        if len(record) < RECORD_BYTES:
            column = len(record) + 1
            raise ZenginUnreadable(record=number, column=column, message="the record ends before its 120 bytes")
        if step > RECORD_BYTES and chunk[RECORD_BYTES:] != SEPARATOR:
            message = "CR and LF together must follow each record, or nothing after any"
            raise ZenginUnreadable(record=number, column=RECORD_BYTES + 1, message=message)
        records.append(_characters(record, number=number))
    return records


def _characters(record: bytes, *, number: int) -> str:
    for column, byte in enumerate(record, start=1):
        if not (0x20 <= byte < 0x7F or 0xA6 <= byte <= 0xDF):
            message = f"byte {byte:02X} is no character of this format"
            raise ZenginUnreadable(record=number, column=column, message=message)
    return record.decode("cp932")
