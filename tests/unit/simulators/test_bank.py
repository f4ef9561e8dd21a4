"""The bank answers a request file record by record, on the morning after the debit date."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from simulators.bank import Bank, DebitFileUnusable, carry_out, read_request

BEFORE = datetime(2026, 4, 27, 14, 59, tzinfo=UTC)  # 23:59 of the debit day in Japan
AFTER = datetime(2026, 4, 27, 15, 0, tzinfo=UTC)


def data(customer: int, amount: int) -> str:
    record = (
        "2" + "9001" + "ﾋﾉﾃﾞ".ljust(15) + "001" + "ﾎﾝﾃﾝ".ljust(15) + " " * 4 + "1" + f"{7_654_321:07d}"
        + "ﾔﾏﾀﾞ ﾊﾅｺ".ljust(30) + f"{amount:010d}" + "0" + f"{customer:020d}" + "0" + " " * 8
    )  # fmt: skip
    assert len(record) == 120
    return record


def request(*records: str, total: int | None = None, separator: str = "\r\n") -> bytes:
    header = (
        "1911" + "0000012345" + "ﾋﾉﾃﾞﾁﾖｳ".ljust(40) + "0427" + "9001" + "ﾋﾉﾃﾞ".ljust(15) + "001"
        + "ﾎﾝﾃﾝ".ljust(15) + "1" + "0000001" + " " * 17
    )  # fmt: skip
    summed = sum(int(r[80:90]) for r in records) if total is None else total
    trailer = f"8{len(records):06d}{summed:012d}{0:018d}{0:018d}".ljust(120)
    return "".join(r + separator for r in (header, *records, trailer, "9".ljust(120))).encode("cp932")


def bank(tmp_path: Path) -> Bank:
    known = frozenset({"3000001", "3000002"})
    return Bank(data_dir=tmp_path, has_funds=lambda account, _: account != "3000002", known_accounts=known)


def put(tmp_path: Path, content: bytes) -> None:
    folder = tmp_path / "outbox" / "debit"
    folder.mkdir(parents=True)
    (folder / "0427.txt").write_bytes(content)


def test_a_request_is_answered_after_its_day_with_results_and_totals(tmp_path: Path) -> None:
    put(tmp_path, request(data(3_000_001, 4_224), data(3_000_002, 2_926), data(9, 100)))
    assert bank(tmp_path).look(now=BEFORE) == []
    (answer,) = bank(tmp_path).look(now=AFTER)
    lines = answer.read_bytes().decode("cp932").split("\r\n")
    assert [len(line) for line in lines] == [120] * 6 + [0]
    assert [line[111] for line in lines[1:4]] == ["0", "1", "2"]
    assert lines[4][:55] == "8" + "000003" + "000000007250" + "000001" + "000000004224" + "000002" + "000000003026"
    assert lines[5] == "9".ljust(120)


def test_nothing_but_the_results_and_totals_differs_from_the_request(tmp_path: Path) -> None:
    asked = request(data(3_000_001, 4_224))
    answer = carry_out(read_request(asked), result_of=lambda _: "1")
    differing = [at for at, (a, b) in enumerate(zip(asked, answer, strict=True)) if a != b]
    assert differing
    assert all(at == 122 + 111 or 2 * 122 + 19 <= at < 2 * 122 + 55 for at in differing)


def test_a_request_is_answered_once(tmp_path: Path) -> None:
    put(tmp_path, request(data(3_000_001, 4_224)))
    assert len(bank(tmp_path).look(now=AFTER)) == 1
    assert bank(tmp_path).look(now=AFTER) == []
    taken = tmp_path / "inbox" / "debit" / "done"
    taken.mkdir()
    (tmp_path / "inbox" / "debit" / "0427.result.txt").rename(taken / "0427.result.txt")
    assert bank(tmp_path).look(now=AFTER) == []


@pytest.mark.parametrize("content", [
    b"", b"9", request(data(1, 5), total=6), request(data(1, 5), separator="\n"), request(data(1, 5))[:-60],
])  # fmt: skip
def test_a_file_that_is_not_right_is_not_carried_out(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DebitFileUnusable):
        read_request(content)
    put(tmp_path, content)
    assert bank(tmp_path).look(now=AFTER) == []


def test_records_without_separators_are_accepted() -> None:
    assert len(read_request(request(data(1, 5), data(2, 6), separator="")).data) == 2
