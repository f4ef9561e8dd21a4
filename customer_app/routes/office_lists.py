"""Arrears and bill runs: lists for the office, and a file for its spreadsheet."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.responses import Response

from customer_app import collection_pages, labels
from customer_app.dependencies import allowed
from customer_app.rendering import Page
from customer_app.visit import NotFound, Visit
from kernel import money as kernel_money
from kernel.i18n import mark
from kernel.period import Period
from rating_engine import operations as rating_operations
from rating_engine import queries as rating_queries
from rating_engine.queries import ArrearsRow, BillRunRow, CardPaymentToClear, VisitRow
from registry import queries as registry_queries
from registry.queries import Zone

router = APIRouter()

PAGE = 50
MOST_EXPORTED = 100_000
RUNS_SHOWN = 40
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
AGES = {
    "1-30": mark("1–30 days"),
    "31-60": mark("31–60 days"),
    "61-90": mark("61–90 days"),
    "over 90": mark("over 90 days"),
}
CLEARING_REASONS = {
    "other_amount": mark("another amount than was begun"),
    "other_currency": mark("another currency"),
    "unknown_reference": mark("no payment of ours has this reference"),
}
EXCLUSIONS = {
    "tariff_unknown": mark("the tariff is not known"),
    "cycle_mismatch": mark("the tariff bills another number of months"),
    "meter_missing": mark("no meter hung there"),
    "register_missing": mark("a register is missing"),
    "register_ran_backwards": mark("the register ran backwards"),
    "unit_mismatch": mark("the meter's unit is not the tariff's"),
    "size_not_priced": mark("the tariff has no price for this size"),
    "month_not_priced": mark("the tariff has no price for this month"),
    "class_not_priced": mark("the tariff has no price for this class"),
    "partly_billed": mark("part of it was billed before"),
    "cancelled": mark("its bill was cancelled"),
}


@dataclass(frozen=True, slots=True)
class AgeTile:
    service: str
    age: str
    amount: str
    note: str


@dataclass(frozen=True, slots=True)
class Choice:
    code: str
    label: str


@dataclass(frozen=True, slots=True)
class ArrearsLine:
    path: str
    name: str
    kana: str
    account_number: str
    method: str
    bills: str
    overdue: str
    oldest: str
    days: str
    step: str
    holds: tuple[str, ...]
    suspension: str
    look: str


@dataclass(frozen=True, slots=True)
class VisitLine:
    """Where somebody must go; `outcome` is what they are to report."""

    path: str
    name: str
    point_number: str
    place: str
    since: str
    wanted: str
    look: str
    report: str
    outcome: str


@dataclass(frozen=True, slots=True)
class ClearingLine:
    """A card payment whose money is with the provider; `account` leads to where it can be taken, empty: unknown."""

    number: str
    received: str
    amount: str
    reason: str
    account: str
    clear: str


@dataclass(frozen=True, slots=True)
class ArrearsPage(Page):
    TEMPLATE: ClassVar[str] = "office/arrears.html"
    ACTIVE: ClassVar[str] = "/office/arrears"

    ages: tuple[AgeTile, ...]
    clearings: tuple[ClearingLine, ...]
    may_clear: bool
    visits: tuple[VisitLine, ...]
    may_report: bool
    lines: tuple[ArrearsLine, ...]
    districts: tuple[Choice, ...]
    steps: tuple[Choice, ...]
    district: str
    step: str
    earlier: str
    later: str
    export: str


@dataclass(frozen=True, slots=True)
class ExcludedLine:
    point_number: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class RunLine:
    district: str
    service: str
    period: str
    started: str
    finished: str
    billed: str
    excluded: tuple[ExcludedLine, ...]


@dataclass(frozen=True, slots=True)
class DueLine:
    district: str
    service: str
    period: str


@dataclass(frozen=True, slots=True)
class RunsPage(Page):
    TEMPLATE: ClassVar[str] = "office/runs.html"
    ACTIVE: ClassVar[str] = "/office/runs"

    due: tuple[DueLine, ...]
    runs: tuple[RunLine, ...]


@router.get("/office/arrears")
def arrears(
    visit: Annotated[Visit, allowed("collection.view", action="arrears.list")],
    district: str = "",
    step: str = "",
    offset: int = 0,
) -> Response:
    """List accounts in arrears, overdue longest first."""
    _, formats = visit.translate, visit.formats
    zones = _districts(visit)
    start = max(0, offset)
    rows = _rows(visit, zones, district=district, step=step, limit=PAGE + 1, offset=start)
    chosen = {name: given for name, given in {"district": district, "step": step}.items() if given}

    def path(offset: int) -> str:
        return f"/office/arrears?{urlencode({**chosen, 'offset': offset})}"

    page = ArrearsPage(
        ages=tuple(
            AgeTile(
                service=labels.service(_, row.service),
                age=_(AGES.get(row.age, row.age)),
                amount=formats.money(row.open_minor),
                note=_("%(n)s accounts", n=formats.number(row.accounts)),
            )
            for row in rating_queries.ageing_totals(visit.conn, utility_id=visit.utility_id, at=visit.now)
        ),
        clearings=tuple(
            _clearing(visit, row)
            for row in rating_queries.card_payments_to_clear(visit.conn, utility_id=visit.utility_id)
        ),
        may_clear=visit.may("payment.take"),
        visits=tuple(
            _visit(visit, row) for row in rating_queries.visits_to_make(visit.conn, utility_id=visit.utility_id)
        ),
        may_report=visit.may("collection.decide"),
        lines=tuple(_arrears(visit, row) for row in rows[:PAGE]),
        districts=tuple(Choice(zone.code, f"{zone.code} {zone.name}") for zone in zones),
        steps=(
            Choice("none", _("no step yet")),
            *(Choice(code, _(words)) for code, words in collection_pages.STEPS.items()),
        ),
        district=district,
        step=step,
        earlier=path(max(0, start - PAGE)) if start else "",
        later=path(start + PAGE) if len(rows) > PAGE else "",
        export=f"/office/arrears.csv?{urlencode(chosen)}" if visit.may("report.export") else "",
    )
    return visit.show(page)


@router.post("/office/card-payments/{clearing_id}/clear")
def clear(
    clearing_id: int,
    visit: Annotated[
        Visit,
        allowed("payment.take", action="payment.clear", object_kind="card_payment", object_from="clearing_id"),
    ],
) -> Response:
    """Record that a card payment was cleared with the provider."""
    try:
        rating_operations.clear_card_payment(
            visit.conn, utility_id=visit.utility_id, clearing_id=clearing_id, by=visit.actor, at=visit.now
        )
    except rating_operations.ClearingUnknown as error:
        raise NotFound(str(error)) from error
    return visit.go("/office/arrears", said="payment-cleared")


@router.get("/office/arrears.csv")
def export(
    visit: Annotated[Visit, allowed("report.export", action="arrears.export")], district: str = "", step: str = ""
) -> Response:
    """Give the list as a file for a spreadsheet."""
    _ = visit.translate
    rows = _rows(visit, _districts(visit), district=district, step=step, limit=MOST_EXPORTED, offset=0)
    visit.concerns(rows=len(rows), district=district, step=step)
    head = [_("Account"), _("Name"), _("Kana"), _("How they pay"), _("Bills"), _("Overdue"), _("Oldest due"), _("Days")]
    head += [_("Last step"), _("Holds"), _("Suspension")]
    content = csv_text([head, *(_csv_row(visit, row) for row in rows)])
    day = visit.formats.local(visit.now).strftime("%Y%m%d")
    headers = {"Content-Disposition": f'attachment; filename="arrears-{day}.csv"'}
    # The mark at the beginning lets a spreadsheet see that it is UTF-8.
    return Response("\ufeff" + content, media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/office/runs")
def runs(visit: Annotated[Visit, allowed("bill.view", action="bill_run.list")]) -> Response:
    """List bill runs: what is due, what was done, and what was not billed and why."""
    zones = {zone.zone_id: zone.code for zone in _districts(visit)}
    done = rating_queries.recent_bill_runs(visit.conn, utility_id=visit.utility_id, limit=RUNS_SHOWN)
    due = rating_operations.due_runs(visit.conn, utility_id=visit.utility_id, at=visit.now)
    numbers = _point_numbers(visit, done)
    page = RunsPage(
        due=tuple(
            DueLine(one.district_code, labels.service(visit.translate, one.service), visit.formats.period(one.period))
            for one in due
        ),
        runs=tuple(_run(visit, one, zones=zones, numbers=numbers) for one in done),
    )
    return visit.show(page)


def csv_text(rows: Iterable[Sequence[str]]) -> str:
    """Write rows for a spreadsheet; what would be a formula there becomes text."""
    out = io.StringIO()
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell for cell in row])
    return out.getvalue()


def _districts(visit: Visit) -> list[Zone]:
    zones = registry_queries.zones(visit.conn, utility_id=visit.utility_id)
    return [zone for zone in zones if zone.kind == "district"]


def _rows(visit: Visit, zones: list[Zone], *, district: str, step: str, limit: int, offset: int) -> list[ArrearsRow]:
    district_id = next((zone.zone_id for zone in zones if zone.code == district), None)
    return rating_queries.arrears_list(
        visit.conn,
        utility_id=visit.utility_id,
        at=visit.now,
        district_id=district_id,
        step=step if step in ("none", *collection_pages.STEPS) else None,
        limit=limit,
        offset=offset,
    )


def _clearing(visit: Visit, row: CardPaymentToClear) -> ClearingLine:
    _, formats = visit.translate, visit.formats
    reason = _(CLEARING_REASONS[row.reason])
    try:
        amount = kernel_money.format_minor(row.amount_minor, currency=row.currency, locale=formats.locale)
    except kernel_money.CurrencyUnknown:
        amount = f"{row.amount_minor} {row.currency}"
    begun = "" if row.begun_minor is None else f" ({formats.money(row.begun_minor)})"
    return ClearingLine(
        number=row.provider_event_id,
        received=formats.full_datetime(row.received_at),
        amount=amount,
        reason=reason + begun,
        account=f"/office/accounts/{row.account_id}/pay" if row.account_id is not None else "",
        clear=f"/office/card-payments/{row.clearing_id}/clear",
    )


def _arrears(visit: Visit, row: ArrearsRow) -> ArrearsLine:
    _, formats = visit.translate, visit.formats
    suspension, look = collection_pages.SUSPENSION_STATES.get(row.suspension_state or "", ("", ""))
    return ArrearsLine(
        path=f"/office/customers/{row.party_id}",
        name=row.party_name,
        kana=row.party_kana,
        account_number=row.account_number,
        method=_(labels.PAYMENT_METHODS.get(row.payment_method, row.payment_method)),
        bills=formats.number(row.bills),
        overdue=formats.money(row.overdue_minor),
        oldest=formats.date(row.oldest_due_on),
        days=formats.number(row.days_overdue),
        step=_(collection_pages.STEPS[row.step]) if row.step in collection_pages.STEPS else "",
        holds=tuple(_(collection_pages.HOLDS.get(hold, hold)) for hold in row.holds),
        suspension=_(suspension) if suspension else "",
        look=look,
    )


def _visit(visit: Visit, row: VisitRow) -> VisitLine:
    _, formats, is_back = visit.translate, visit.formats, row.state == "restoring"
    return VisitLine(
        path=f"/office/customers/{row.party_id}",
        name=row.party_name,
        point_number=row.point_number,
        place=f"{labels.service(_, row.service)} · {row.address}",
        since=formats.datetime(row.since),
        wanted=_("bring the supply back") if is_back else _("stop the supply"),
        look="is-bad" if is_back else "is-warn",
        report=f"/office/suspensions/{row.suspension_id}/visit",
        outcome="opened" if is_back else "closed",
    )


def _csv_row(visit: Visit, row: ArrearsRow) -> list[str]:
    line = _arrears(visit, row)
    return [
        row.account_number,
        row.party_name,
        row.party_kana,
        line.method,
        str(row.bills),
        str(row.overdue_minor),
        row.oldest_due_on.isoformat(),
        str(row.days_overdue),
        line.step,
        "; ".join(line.holds),
        line.suspension,
    ]


def _point_numbers(visit: Visit, done: list[BillRunRow]) -> dict[int, str]:
    point_ids = sorted({int(one["point_id"]) for run in done for one in run.excluded if one.get("point_id")})
    points = registry_queries.points(visit.conn, utility_id=visit.utility_id, point_ids=point_ids)
    return {point.point_id: point.point_number for point in points}


def _run(visit: Visit, run: BillRunRow, *, zones: dict[int, str], numbers: dict[int, str]) -> RunLine:
    _, formats = visit.translate, visit.formats
    first, end = run.period.lower, run.period.upper
    assert first is not None, "a run's period has a beginning"
    assert end is not None, "a run's period has an end"
    return RunLine(
        district=zones.get(run.district_id, ""),
        service=labels.service(_, run.service),
        period=formats.period(Period(first, end)),
        started=formats.datetime(run.started_at),
        finished=formats.datetime(run.finished_at) if run.finished_at else "",
        billed=formats.number(run.billed),
        excluded=tuple(
            ExcludedLine(
                numbers.get(int(one.get("point_id") or 0), ""),
                _(EXCLUSIONS.get(str(one.get("reason")), str(one.get("reason", "")).replace("_", " "))),
                str(one.get("detail", "")),
            )
            for one in run.excluded
        ),
    )
