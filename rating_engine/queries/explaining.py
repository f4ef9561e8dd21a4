"""Explaining a bill, and proving it: rated again from what it pins, to the same bytes."""

from dataclasses import dataclass
from datetime import date

from psycopg import Connection
from psycopg.rows import TupleRow

from rating_engine.domain.bill_input import from_json, hash_of, lines_as_json, rate_input, use_of
from rating_engine.domain.decimals import decimal_text, plain
from rating_engine.domain.rate import Line, months_of, services_of
from rating_engine.operations.tariffs import PinnedTariff, pinned_tariff
from rating_engine.queries.bills import BillView, bill_view
from rating_engine.store import bills as store
from rating_engine.store import tariffs as tariff_store


@dataclass(frozen=True, slots=True)
class ExplainedMonth:
    """A month's share of the use, and by how much its base fee and block table count (1, 1/2 …)."""

    service: str
    month: str
    quantity: str
    base_share: str
    table_share: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a bill is what it is: readings, use, tariff version with its document, months, and each line's arithmetic."""

    view: BillView
    tariff_names: dict[str, str]
    tariff_effective_from: date
    tariff_document: str
    quantity: str
    months: list[ExplainedMonth]
    is_same_again: bool


@dataclass(frozen=True, slots=True)
class Rerating:
    """A bill rated again from its pinned input and tariff version; the stored lines are not read."""

    bill_id: int
    bill_number: str
    lines: tuple[Line, ...]
    total_minor: int
    tax_minor: int
    lines_hash: bytes
    is_input_intact: bool
    is_tariff_intact: bool
    is_same: bool


def explain(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> Explanation:
    """Explain every yen of a bill.

    :raises BillUnknown: if the utility has no such bill
    """
    view = bill_view(conn, utility_id=utility_id, bill_id=bill_id)
    pinned = _pinned(conn, utility_id=utility_id, code=view.bill.tariff_code, version=view.bill.tariff_version)
    stored = tariff_store.version(
        conn, utility_id=utility_id, tariff_code=view.bill.tariff_code, version=view.bill.tariff_version
    )
    assert stored is not None, "the bill refers to it"
    used = use_of(view.given, tariff=pinned.tariff)
    digits = pinned.tariff.quantity.decimals
    return Explanation(
        view=view,
        tariff_names=dict(pinned.tariff.names),
        tariff_effective_from=pinned.tariff.effective_from,
        tariff_document=stored.document,
        quantity=plain(used.quantity, digits=digits),
        months=[
            ExplainedMonth(
                service=service.service,
                month=month.label,
                quantity=decimal_text(month.quantity),
                base_share=decimal_text(month.base),
                table_share=decimal_text(month.table),
            )
            for service in services_of(pinned.tariff, use=used)
            for month in months_of(pinned.tariff, service=service, use=used)
        ],
        is_same_again=rerate(conn, utility_id=utility_id, bill_id=bill_id).is_same,
    )


def rerate(conn: Connection[TupleRow], *, utility_id: int, bill_id: int) -> Rerating:
    """Rate a bill again from what it pins and compare bytes; neither its lines nor any reading is read.

    :raises BillUnknown: if the utility has no such bill
    """
    bill = store.bill(conn, utility_id=utility_id, bill_id=bill_id)
    given = from_json(bill.input)
    pinned = _pinned(conn, utility_id=utility_id, code=bill.tariff_code, version=bill.tariff_version)
    rating = rate_input(given, tariff=pinned.tariff)
    lines_hash = hash_of(lines_as_json(rating.lines))
    is_input_intact = hash_of(bill.input) == bytes(bill.input_hash)
    is_tariff_intact = pinned.document_hash == given.tariff_hash
    same_lines = lines_hash == bytes(bill.lines_hash)
    same_amounts = (rating.total_minor, rating.tax_minor) == (bill.total_minor, bill.tax_minor)
    return Rerating(
        bill_id=bill_id,
        bill_number=bill.bill_number,
        lines=rating.lines,
        total_minor=rating.total_minor,
        tax_minor=rating.tax_minor,
        lines_hash=lines_hash,
        is_input_intact=is_input_intact,
        is_tariff_intact=is_tariff_intact,
        is_same=is_input_intact and is_tariff_intact and same_lines and same_amounts,
    )


def _pinned(conn: Connection[TupleRow], *, utility_id: int, code: str, version: int) -> PinnedTariff:
    return pinned_tariff(conn, utility_id=utility_id, tariff_code=code, version=version)
