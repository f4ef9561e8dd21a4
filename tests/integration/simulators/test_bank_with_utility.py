"""The bank and the utility read each other's files, though neither uses the other's code."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rating_engine.domain import zengin
from simulators.bank import Bank
from simulators.town import Town


def test_the_utility_reads_what_the_bank_answers_to_its_request(little: Town, tmp_path: Path) -> None:
    records = tuple(
        zengin.DebitRecord(
            bank_code=m.bank_code, bank_name=m.bank_name, branch_code=m.branch_code, branch_name=m.branch_name,
            account_type=m.kind, account_number=m.number, holder=m.holder, amount_minor=1_000 + number,
            new_code="0", customer_number=m.account_number.zfill(20),
        )
        for number, m in enumerate(little.mandates)
    )  # fmt: skip
    client = zengin.DebitClient("12345", "ﾋﾉﾃﾞ", "9001", "ﾋﾉﾃﾞ", "001", "ﾎﾝﾃﾝ", "1", "1")
    asked = zengin.DebitFile(client=client, debit_month=4, debit_day=27, records=records)
    folder = tmp_path / "outbox" / "debit"
    folder.mkdir(parents=True)
    (folder / "april.txt").write_bytes(zengin.encode(asked))
    poor = little.mandates[3].account_number
    known = frozenset(m.account_number for m in little.mandates)
    bank = Bank(data_dir=tmp_path, has_funds=lambda account, _: account != poor, known_accounts=known)

    (answer,) = bank.look(now=datetime(2026, 4, 28, tzinfo=UTC))

    told = zengin.decode_result(answer.read_bytes())
    assert [replace(record, result="0") for record in told.records] == list(records)
    assert [r.customer_number.lstrip("0") for r in told.records if r.result == "1"] == [poor]
    assert {r.result for r in told.records} == {"0", "1"}
