"""Direct debit: the request out, the bank's answer in, whole or not at all."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from rating_engine import operations
from rating_engine.domain import zengin
from rating_engine.operations import DebitResultRefused, Mandate, MandateOverlaps, ZenginUnreadable
from tests.integration.rating_engine.arrears_town import BEGIN, OPENED, Town

pytestmark = pytest.mark.store

DAY = date(2026, 4, 27)


def mandate(account_id: int, *, number: str = "12") -> Mandate:
    return Mandate(
        account_id=account_id,
        bank_code="9901",
        bank_name="ヒノデ",
        branch_code="2",
        branch_name="エキマエ",
        account_type="1",
        account_number=number,
        holder_kana="ヤマダ　タロウ",
        customer_number=str(account_id),
        valid_from=OPENED,
    )


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    made = Town(database_url, customers=4, payment_method="debit")
    with made.work() as conn:
        operations.load_mandates(
            conn,
            utility_id=made.utility_id,
            mandates=[mandate(one.account_id) for one in made.customers[:3]],  # the fourth gave none
        )
    for number, customer in enumerate(made.customers):
        made.bill(customer, total_minor=4000 + number, due_on=DAY)
    yield made
    made.react()
    assert made.violations() == {}
    made.close()


def write(town: Town) -> operations.DebitRequest | None:
    with town.work() as conn:
        return operations.write_debit_file(conn, utility_id=town.utility_id, debit_on=DAY, at=town.clock.at)


def post(town: Town, content: bytes) -> operations.DebitResultPosted:
    with town.work() as conn:
        return operations.post_debit_result(
            conn,
            utility_id=town.utility_id,
            content=content,
            file_name="result.txt",
            posted_by="bank",
            at=town.clock.at,
        )


def answered(content: bytes, results: str) -> zengin.DebitFile:
    asked = zengin.decode_request(content)
    records = [replace(record, result=result) for record, result in zip(asked.records, results, strict=True)]
    return replace(asked, records=tuple(records))


def states(town: Town) -> list[str]:
    return [state for (state,) in town.rows("SELECT state FROM payment_intent ORDER BY account_id")]


def test_the_request_names_who_has_a_mandate_and_lies_whole_in_the_outbox(town: Town, tmp_path: Path) -> None:
    request = write(town)
    assert request is not None
    assert (request.records, request.total_minor) == (3, 12_003)
    with town.work() as conn:
        [path] = operations.place_debit_files(conn, utility_id=town.utility_id, data_dir=tmp_path, at=town.clock.at)
    assert path == tmp_path / "outbox" / "debit" / "debit-20260427-01.txt"
    assert path.read_bytes() == request.content
    assert hashlib.sha256(path.read_bytes()).digest() == request.file_hash
    asked = zengin.decode_request(path.read_bytes())
    assert [(r.amount_minor, r.holder, r.new_code) for r in asked.records] == [
        (4000, "ﾔﾏﾀﾞ ﾀﾛｳ", "1"),
        (4001, "ﾔﾏﾀﾞ ﾀﾛｳ", "1"),
        (4002, "ﾔﾏﾀﾞ ﾀﾛｳ", "1"),
    ]
    assert states(town) == ["pending"] * 3
    assert write(town) is None
    with town.work() as conn:
        assert operations.place_debit_files(conn, utility_id=town.utility_id, data_dir=tmp_path, at=BEGIN) == []


def test_the_answer_pays_what_was_debited_and_tells_who_failed(town: Town) -> None:
    request = write(town)
    assert request is not None
    content = zengin.encode_result(answered(request.content, "010"))
    posted = post(town, content)
    assert (posted.debited, posted.debited_minor, posted.failed, posted.failed_minor) == (2, 8002, 1, 4001)
    assert [town.open_minor(customer) for customer in town.customers] == [0, 4001, 0, 4003]
    assert states(town) == ["succeeded", "failed", "succeeded"]
    [(reason,)] = town.rows("SELECT parameters ->> 'reason' FROM notice WHERE kind = 'debit.failed'")
    assert reason == "short_of_funds"
    again = post(town, content)
    assert (again.is_new, again.debited) == (False, 2)
    assert town.value("SELECT count(*) FROM payment") == 2


def test_a_second_answer_with_other_results_is_refused(town: Town) -> None:
    request = write(town)
    assert request is not None
    post(town, zengin.encode_result(answered(request.content, "000")))
    with pytest.raises(DebitResultRefused, match="answered before"):
        post(town, zengin.encode_result(answered(request.content, "010")))
    assert town.value("SELECT count(*) FROM payment") == 3


def broken(good: zengin.DebitFile) -> dict[str, bytes]:
    """Break an answer in every way that a line, a program or a person may."""
    one, two, three = good.records
    content = zengin.encode_result(good)
    return {
        "a byte lost": content[:200] + content[201:],
        "LF alone": content.replace(b"\r\n", b"\n"),
        "half a file": content[:366],
        "wrong total": content.replace(b"000000012003", b"000000012004"),
        "wrong count": content.replace(b"8000003", b"8000004"),
        "another order": zengin.encode_result(replace(good, records=(two, one, three))),
        "another amount": zengin.encode_result(replace(good, records=(replace(one, amount_minor=1), two, three))),
        "a record missing": zengin.encode_result(replace(good, records=(one, two))),
        "another day": zengin.encode_result(replace(good, debit_day=28)),
        "nobody": zengin.encode_result(replace(good, records=())),
    }


def test_a_broken_answer_posts_nothing(town: Town) -> None:
    request = write(town)
    assert request is not None
    good = answered(request.content, "010")
    for how, content in broken(good).items():
        with pytest.raises((ZenginUnreadable, DebitResultRefused)):
            post(town, content)
        assert town.value("SELECT count(*) FROM payment") == 0, how
        assert town.value("SELECT count(*) FROM payment_file") == 0, how
        assert states(town) == ["pending"] * 3, how
    assert post(town, zengin.encode_result(good)).is_new


def test_a_debit_under_way_is_a_payment_in_flight(town: Town) -> None:
    write(town)
    customer = town.customers[0]
    town.clock.at += timedelta(days=20)
    assert town.collect(customer).steps == ()


def test_the_new_code_says_whether_the_bank_account_is_new_changed_or_as_before(town: Town) -> None:
    first = write(town)
    assert first is not None
    post(town, zengin.encode_result(answered(first.content, "000")))
    changed = town.customers[1]
    town.clock.at += timedelta(days=30)
    with town.work() as conn:
        conn.execute(
            "UPDATE debit_mandate SET valid = tstzrange(lower(valid), %s) WHERE account_id = %s",
            [town.clock.at, changed.account_id],
        )
        new = replace(mandate(changed.account_id, number="99"), valid_from=town.clock.at)
        operations.load_mandates(conn, utility_id=town.utility_id, mandates=[new])
    next_day = DAY + timedelta(days=30)
    for customer in town.customers:
        town.bill(customer, total_minor=5000, due_on=next_day)
    with town.work() as conn:
        second = operations.write_debit_file(conn, utility_id=town.utility_id, debit_on=next_day, at=town.clock.at)
    assert second is not None
    assert [record.new_code for record in zengin.decode_request(second.content).records] == ["0", "2", "0"]


def test_an_account_has_one_mandate_at_a_time(town: Town) -> None:
    with pytest.raises(MandateOverlaps), town.work() as conn:
        operations.load_mandates(conn, utility_id=town.utility_id, mandates=[mandate(town.customers[0].account_id)])
