"""What the scheduler's jobs do on a real database: for every utility, and on with the next when one fails."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.errors import DeadlockDetected
from structlog.testing import capture_logs

from ingest_gateway.domain.sorting import Refusal
from ingest_gateway.store import rejects
from kernel.jobs import Job
from rating_engine import operations as rating
from rating_engine.domain import zengin
from registry import operations as registry
from suiden import schedule
from suiden.schedule import Office
from suiden.settings import RetentionSettings
from tests.integration.rating_engine.arrears_town import BEGIN, DEBIT, OPENED, Town

pytestmark = pytest.mark.store

TODAY = date(2026, 4, 14)


@pytest.fixture
def town(database_url: str) -> Iterator[Town]:
    with psycopg.connect(database_url) as conn:  # a neighbour with the lower id, which is asked first
        found(conn, code="kuju", settings={"debit": {**DEBIT, "client_code": "77777"}})
    made = Town(database_url, customers=3, payment_method="debit")
    yield made
    made.close()


@pytest.fixture
def office(town: Town, tmp_path: Path) -> Office:
    return Office(town.worker, town.clock, data_dir=tmp_path)


def found(conn: Connection[Any], *, code: str, settings: dict[str, object]) -> int:
    return registry.found_utility(
        conn, code=code, name=code, time_zone="Asia/Tokyo", currency="JPY", locale="ja", settings=settings
    )


def run_job(office: Office, name: str) -> None:
    job: Job = next(job for job in schedule.jobs(office) if job.name == name)
    job.run(BEGIN)


def load_mandates(town: Town) -> None:
    mandates = [
        rating.Mandate(
            account_id=one.account_id,
            bank_code="9901",
            bank_name="ヒノデ",
            branch_code="2",
            branch_name="エキマエ",
            account_type="1",
            account_number="12",
            holder_kana="ヤマダ　タロウ",
            customer_number=str(one.account_id),
            valid_from=OPENED,
        )
        for one in town.customers
    ]
    with town.work() as conn:
        rating.load_mandates(conn, utility_id=town.utility_id, mandates=mandates)


def test_the_audit_chain_is_linked_its_anchor_told_and_what_was_changed_found(town: Town, office: Office) -> None:
    with town.work() as conn:
        registry.record_audit(
            conn,
            utility_id=town.utility_id,
            actor="office",
            login_id=None,
            remote_address="127.0.0.1",
            action="bill.view",
            object_kind="bill",
            object_id="1",
            party_id=None,
            detail={},
            at=BEGIN,
        )
    with capture_logs() as logs:
        run_job(office, "registry.audit-chain")
    assert [(line["event"], line["linked"]) for line in logs] == [("audit.linked", 1)]
    assert logs[0]["anchor"]
    with psycopg.connect(town.database_url) as conn:
        conn.execute("SET session_replication_role = replica")  # as somebody who owns the server could
        conn.execute("UPDATE audit_entry SET actor = 'nobody'")
    with capture_logs() as logs:
        run_job(office, "registry.audit-verified")
    assert [(line["event"], line["log_level"]) for line in logs] == [("audit.tampered", "error")]


def test_a_day_on_which_no_debit_file_could_be_written_is_made_up_for(town: Town, office: Office) -> None:
    load_mandates(town)
    for days, customer in enumerate(town.customers, start=1):
        town.bill(customer, total_minor=4000, due_on=TODAY + timedelta(days=days))
    for _ in range(2):
        run_job(office, "rating.debit-files")
    assert sorted(path.name for path in (office.data_dir / "outbox" / "debit").iterdir()) == [
        "debit-20260415-01.txt",
        "debit-20260416-01.txt",
        "debit-20260417-01.txt",
    ]


def test_a_banks_answer_finds_its_utility_and_one_that_breaks_stops_no_other(
    town: Town, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_mandates(town)
    town.bill(town.customers[0], total_minor=4000, due_on=TODAY + timedelta(days=3))
    run_job(office, "rating.debit-files")
    [request] = (office.data_dir / "outbox" / "debit").iterdir()
    inbox = office.data_dir / "inbox" / "debit"
    inbox.mkdir(parents=True)
    (inbox / "a-breaks.txt").write_bytes(b"breaks")
    (inbox / "b-answer.txt").write_bytes(zengin.encode_result(zengin.decode_request(request.read_bytes())))
    (inbox / "c-nonsense.txt").write_bytes(b"nonsense")
    post = rating.post_debit_result

    def post_or_break(conn: Connection[Any], *, content: bytes, **more: Any) -> rating.DebitResultPosted:
        if content == b"breaks":
            raise rating.PaymentConflict("taken before for another amount")
        return post(conn, content=content, **more)

    monkeypatch.setattr(rating, "post_debit_result", post_or_break)
    with capture_logs():
        run_job(office, "rating.debit-results")
    assert sorted(str(path.relative_to(inbox)) for path in inbox.rglob("*.txt*")) == [
        "a-breaks.txt",
        "posted/b-answer.txt",
        "refused/c-nonsense.txt",
        "refused/c-nonsense.txt.reason",
    ]
    assert town.open_minor(town.customers[0]) == 0


def test_collection_goes_on_when_a_transaction_got_in_the_way_of_one_account(
    town: Town, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    for customer in town.customers:
        town.bill(customer, total_minor=4000, due_on=TODAY - timedelta(days=30))
    tried: list[int] = []

    def advance(conn: Connection[Any], *, account_id: int, **_: object) -> None:
        del conn
        tried.append(account_id)
        if len(tried) == 1:
            raise DeadlockDetected("another was there")

    monkeypatch.setattr(rating, "advance_collections", advance)
    with capture_logs():
        run_job(office, "rating.collections")
    first, second, third = (customer.account_id for customer in town.customers)
    assert tried == [first, first, second, third]


def test_refused_messages_and_ticks_of_jobs_are_not_kept_for_ever(town: Town, tmp_path: Path) -> None:
    with psycopg.connect(town.database_url) as conn:
        for number in range(3):
            refusal = Refusal(None, "a/topic", f"{number}".encode(), "malformed", "")
            rejects.keep(conn, refusals=[refusal], at=BEGIN - timedelta(days=number * 60))
        for days in (500, 300, 0):
            conn.execute(
                "INSERT INTO job_tick (job, due_at, taken_by) VALUES ('a', %s, 'test')", [BEGIN - timedelta(days=days)]
            )
    office = Office(town.worker, town.clock, data_dir=tmp_path, retention=RetentionSettings(rejected_messages=1))
    run_job(office, "kernel.forget-events")
    run_job(Office(town.worker, town.clock, data_dir=tmp_path), "ingest.forget-rejected")
    assert town.value("SELECT count(*) FROM job_tick") == 2
    assert town.value("SELECT count(*) FROM rejected_message") == 2
    run_job(office, "ingest.forget-rejected")
    assert town.value("SELECT count(*) FROM rejected_message") == 1
