"""Making bills of agreements: registers, use, rating, journal; everything of one chunk in a few statements."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from psycopg import Connection
from psycopg.rows import TupleRow

from ingest_gateway import queries as ingest
from kernel.period import Period, local_date
from rating_engine.domain.bill_input import BillInput, from_json, rate_input
from rating_engine.domain.cycles import Cycle, days_in, month_labels
from rating_engine.domain.facts import FactMissing, MonthNotPriced
from rating_engine.domain.parts import SizeNotPriced, UseNotPriced
from rating_engine.domain.rate import ClassNotPriced, FactNotKnown, Rating
from rating_engine.domain.segments import MeterSpan, RegisterMissing, Registers, UseBefore, segment, use_before
from rating_engine.domain.use import RegisterPoint, RegisterRanBackwards, Segment, UnitMismatch, exact_use
from rating_engine.operations.tariffs import PinnedTariff, TariffUnknown, tariff_for
from rating_engine.store import bills as bill_store
from rating_engine.store.bills import EarlierBill
from registry.queries import BillableAgreement, Utility

BILLS_TO_ESTIMATE_FROM = 3
Service = Literal["water", "electricity"]


@dataclass(frozen=True, slots=True)
class Excluded:
    """An agreement that a run did not bill, and why; `reason` is one word for a message, `detail` names the place."""

    agreement_id: int
    point_id: int
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Cycled:
    """The cycle that bills are made for."""

    utility: Utility
    cycle: Cycle
    period: Period
    service: Service


@dataclass(frozen=True, slots=True)
class Rated:
    """An agreement with what it is billed: the pinned input and what it comes to."""

    agreement: BillableAgreement
    given: BillInput
    pinned: PinnedTariff
    rating: Rating


def rate_agreements(
    conn: Connection[TupleRow], *, cycled: Cycled, agreements: Sequence[BillableAgreement]
) -> tuple[list[Rated], list[Excluded]]:
    """Rate agreements for their part of the cycle; what cannot be rated is excluded with the reason."""
    earlier = _earlier_bills(conn, cycled=cycled, agreements=agreements)
    spans = {one.agreement_id: list(_spans(one)) for one in agreements}
    registers = _registers(conn, cycled=cycled, spans=[span for some in spans.values() for span in some])
    tariffs: dict[str, PinnedTariff | TariffUnknown] = {}
    rated: list[Rated] = []
    excluded: list[Excluded] = []
    for agreement in agreements:
        try:
            pinned = _tariff(conn, cycled=cycled, code=agreement.tariff_code, known=tariffs)
            given = _input(
                agreement,
                cycled=cycled,
                pinned=pinned,
                spans=spans[agreement.agreement_id],
                registers=registers,
                earlier=earlier.get(agreement.agreement_id, []),
            )
            rated.append(Rated(agreement, given, pinned, rate_input(given, tariff=pinned.tariff)))
        except tuple(REASONS) as error:
            reason = REASONS[type(error)]
            excluded.append(Excluded(agreement.agreement_id, agreement.point_id, reason, str(error)))
    return rated, excluded


class CycleMismatch(Exception):
    """The tariff prices another number of months than the run bills."""


class MeterMissing(Exception):
    """No meter hung at the point in the period."""


REASONS: dict[type[Exception], str] = {
    TariffUnknown: "tariff_unknown",
    CycleMismatch: "cycle_mismatch",
    MeterMissing: "meter_missing",
    RegisterMissing: "register_missing",
    RegisterRanBackwards: "register_ran_backwards",
    UnitMismatch: "unit_mismatch",
    SizeNotPriced: "size_not_priced",
    MonthNotPriced: "month_not_priced",
    ClassNotPriced: "class_not_priced",
    FactNotKnown: "fact_not_known",
    UseNotPriced: "use_not_priced",
    FactMissing: "fact_missing",
}


def _tariff(
    conn: Connection[TupleRow], *, cycled: Cycled, code: str, known: dict[str, PinnedTariff | TariffUnknown]
) -> PinnedTariff:
    if code not in known:
        try:
            known[code] = tariff_for(conn, utility=cycled.utility, tariff_code=code, period=cycled.period)
        except TariffUnknown as error:
            known[code] = error
    found = known[code]
    if isinstance(found, TariffUnknown):
        raise found
    if found.tariff.cycle_months != cycled.cycle.months:
        raise CycleMismatch(f"tariff {code} prices {found.tariff.cycle_months} months, the run {cycled.cycle.months}")
    return found


def _input(
    agreement: BillableAgreement,
    *,
    cycled: Cycled,
    pinned: PinnedTariff,
    spans: Sequence[MeterSpan],
    registers: Registers,
    earlier: Sequence[EarlierBill],
) -> BillInput:
    if not spans:
        raise MeterMissing(f"no meter hung at point {agreement.point_id}")
    zone = cycled.utility.zone
    past = [from_json(one.input) for one in earlier]
    handed_over = _handed_over(earlier, past=past, at=agreement.valid.start)
    before = _use_before(past)
    found = [
        segment(span, registers=registers, handed_over=handed_over.get(span.meter_id), before=before) for span in spans
    ]
    return BillInput(
        tariff_code=pinned.tariff.code,
        tariff_version=pinned.version,
        tariff_hash=pinned.document_hash,
        customer_class=agreement.customer_class,
        size_mm=agreement.size_mm,
        capacity_a=agreement.capacity_a,
        first_day=local_date(agreement.valid.start, zone=zone).isoformat(),
        end_day=local_date(agreement.valid.end, zone=zone).isoformat(),
        days=days_in(agreement.valid, zone=zone),
        cycle_days=days_in(cycled.period, zone=zone),
        months=month_labels(cycled.period, zone=zone, count=cycled.cycle.months),
        segments=tuple(one for one, _ in found),
        notes=tuple(note for _, notes in found for note in notes),
    )


def _spans(agreement: BillableAgreement) -> Iterator[MeterSpan]:
    valid = agreement.valid
    for meter in agreement.installations:
        start, end = max(valid.start, meter.valid_from), valid.end
        is_removed = meter.valid_to is not None and meter.valid_to <= valid.end
        if meter.valid_to is not None:
            end = min(end, meter.valid_to)
        if end <= start:
            continue
        yield MeterSpan(
            meter_id=meter.meter_id,
            serial=meter.serial,
            unit=meter.unit,
            scale=meter.scale,
            digits=meter.digits,
            start=start,
            end=end,
            installed_register=meter.opening_register if meter.valid_from >= valid.start else None,
            removed_register=meter.closing_register if is_removed else None,
        )


def _registers(conn: Connection[TupleRow], *, cycled: Cycled, spans: Sequence[MeterSpan]) -> Registers:
    """Read what is needed, one query for each instant; most agreements share the ends of the cycle."""
    wanted: dict[datetime, set[int]] = {}
    for span in spans:
        for at in (span.start, span.end):
            wanted.setdefault(at, set()).add(span.meter_id)
    found: dict[tuple[int, datetime], RegisterPoint] = {}
    for at, meter_ids in wanted.items():
        registers = ingest.registers_at(
            conn,
            utility_id=cycled.utility.utility_id,
            meter_ids=sorted(meter_ids),
            at=at,
            max_age=cycled.cycle.reading_max_age,
        )
        for meter_id, known in registers.items():
            found[meter_id, at] = RegisterPoint(known.register, known.read_at.isoformat(), known.method)
    return found


def _earlier_bills(
    conn: Connection[TupleRow], *, cycled: Cycled, agreements: Sequence[BillableAgreement]
) -> dict[int, list[EarlierBill]]:
    """Give the last bills of each agreement's point, by agreement."""
    earlier: dict[int, list[EarlierBill]] = {}
    for one in bill_store.latest_before(
        conn,
        utility_id=cycled.utility.utility_id,
        agreement_ids=[agreement.agreement_id for agreement in agreements],
        point_ids=[agreement.point_id for agreement in agreements],
        before=[agreement.valid.start for agreement in agreements],
        limit=BILLS_TO_ESTIMATE_FROM,
    ):
        earlier.setdefault(one.for_agreement_id, []).append(one)
    return earlier


def _handed_over(
    earlier: Sequence[EarlierBill], *, past: Sequence[BillInput], at: datetime
) -> dict[int, RegisterPoint]:
    """Give the closing registers of the bill that ended where this one starts: what was billed is not billed again."""
    if not earlier or earlier[0].period.upper != at:
        return {}
    return {one.meter_id: one.closing for one in past[0].segments}


def _use_before(past: Sequence[BillInput]) -> UseBefore | None:
    rows: list[tuple[Sequence[Segment], int, int, int]] = []
    for one in past:
        if one.segments:
            units, scale = exact_use(one.segments)
            rows.append((one.segments, units, scale, one.days))
    return use_before(rows)
