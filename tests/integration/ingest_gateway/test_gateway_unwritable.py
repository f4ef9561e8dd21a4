"""A message that cannot be read, written or kept keeps no other out, is counted, and comes no more."""

import hashlib
from typing import Any

import pytest
from psycopg import Connection
from psycopg.rows import TupleRow
from structlog.testing import capture_logs

from ingest_gateway.domain import decoders
from ingest_gateway.domain.wire import Telegram
from ingest_gateway.operations import committing
from tests.gateway_intake import Broker, Intake, Writing, acks_on, message, reading, state


def test_a_message_that_cannot_be_written_is_put_aside_and_keeps_no_other_out(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [message(reading(-60, 5)), message(reading(-30, 666)), message(reading(-15, 700))]
    store_one = committing.store_sorted

    def packed(inner: Connection[TupleRow], **more: Any) -> None:
        raise RuntimeError("no stream today")

    def one_by_one(inner: Connection[TupleRow], **more: Any) -> Any:
        if any(row.register == 666 for row in more["batch"].rows.values()):
            raise RuntimeError("no such number")
        return store_one(inner, **more)

    intake, broker = Intake(gateway), Broker()
    prepared = intake.prepare(batch, acks=acks_on(broker, 1, 2, 3))
    monkeypatch.setattr(committing.readings, "copy_packed", packed)
    monkeypatch.setattr(committing, "store_sorted", one_by_one)
    writing = Writing(database_url)
    with capture_logs() as told:
        writing.write(prepared)
    assert [one["event"] for one in told] == ["intake.not_written"] * 3
    intake.settle()
    assert broker.acknowledged == [1, 2, 3]
    assert [row[2] for row in state(conn)["stored"]] == [5, 700]
    assert [(row[2], row[4]) for row in state(conn)["rejected"]] == [("malformed", 1)]
    assert (writing.totals.received, writing.totals.stored, writing.totals.rejected) == (3, 2, 1)
    writing.connection.close()


def test_a_message_that_can_be_neither_written_nor_kept_is_counted_by_its_hash_and_comes_no_more(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = [message(reading(-60, 5)), message(reading(-30, 666))]
    store_one, keep = committing.store_sorted, committing.rejects.keep

    def one_by_one(inner: Connection[TupleRow], **more: Any) -> Any:
        if any(row.register == 666 for row in more["batch"].rows.values()):
            raise RuntimeError("no such number")
        return store_one(inner, **more)

    def picky(inner: Connection[TupleRow], *, refusals: Any, **more: Any) -> None:
        if any(b"666" in refusal.payload for refusal in refusals):
            raise RuntimeError("nor such a payload")
        keep(inner, refusals=refusals, **more)

    intake, broker = Intake(gateway), Broker()
    prepared = intake.prepare(batch, acks=acks_on(broker, 1, 2))
    monkeypatch.setattr(committing.readings, "copy_packed", None)
    monkeypatch.setattr(committing, "store_sorted", one_by_one)
    monkeypatch.setattr(committing.rejects, "keep", picky)
    writing = Writing(database_url)
    with capture_logs() as told:
        writing.write(prepared)
    intake.settle()
    assert broker.acknowledged == [1, 2]
    assert state(conn)["counted"] == [(2, 1, 0, 1)]
    [(topic, payload, *_)] = state(conn)["rejected"]
    assert (topic, bytes(payload).decode()) == ("unstorable", hashlib.sha256(batch[1].payload).hexdigest())
    assert any(one.get("sha256") == bytes(payload).decode() for one in told)
    writing.connection.close()


def test_a_decoder_that_fails_on_one_message_refuses_that_one_alone(
    conn: Connection[TupleRow], gateway: Connection[TupleRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    decode = decoders.decode

    def failing(**more: Any) -> Telegram:
        if b"W-NONE" in more["payload"]:
            raise ZeroDivisionError
        return decode(**more)

    monkeypatch.setattr(decoders, "decode", failing)
    batch = [message(reading(-60, 5)), message(reading(-60, 5, "W-NONE")), message(reading(-30, 6))]
    with capture_logs() as told:
        taken = Intake(gateway).take(batch)
    assert [one["event"] for one in told] == ["intake.decoder_failed"]
    assert (taken.stored, taken.reasons) == (2, {"malformed": 1})
    assert state(conn)["rejected"][0][3] == "the decoder failed: ZeroDivisionError"
