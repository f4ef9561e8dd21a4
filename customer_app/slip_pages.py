"""Payment slips ready to print: what is to pay, to whom the letter goes, and the bars that a store reads."""

from dataclasses import dataclass
from typing import ClassVar

from customer_app import bill_pages, gs1_128
from customer_app.bill_pages import BillDetail
from customer_app.rendering import Page
from customer_app.visit import Visit
from kernel.i18n import mark
from kernel.text import digits_only
from rating_engine import queries as rating_queries
from rating_engine.queries import BillView, Slip
from registry import queries as registry_queries

WHY_NOT = {
    "no_company": mark("Stores do not take payments for this utility."),
    "not_yen": mark("Stores take yen only."),
    "nothing_open": mark("Nothing is open on this bill."),
    "too_much": mark("Stores take up to ¥300,000. Please pay this bill at our counter or by bank transfer."),
}


@dataclass(frozen=True, slots=True)
class Bars:
    """The bar code: an SVG path in modules, its size on paper, and what stands below."""

    path: str
    modules: int
    width: str
    height: str
    upper: str
    lower: str


@dataclass(frozen=True, slots=True)
class SlipDetail:
    """One slip."""

    name: str
    postcode: str
    address: str
    building: str
    bill: BillDetail
    amount: str
    last_day: str
    is_reissue: bool
    bars: Bars | None
    why_not: str
    printed: str


@dataclass(frozen=True, slots=True)
class SlipPage(Page):
    """The slip with its bill, as one sheet of A4."""

    TEMPLATE: ClassVar[str] = "bills/slip.html"

    slip: SlipDetail
    back: str
    back_words: str


def detail(visit: Visit, view: BillView) -> SlipDetail:
    """Lay the slip of a bill out, as of now."""
    bill = view.bill
    scope = {"utility_id": visit.utility_id}
    slip = rating_queries.slip_of_bill(visit.conn, **scope, view=view, at=visit.now)
    account = registry_queries.account(visit.conn, **scope, account_id=bill.account_id)
    party = registry_queries.party(visit.conn, **scope, party_id=account.party_id)
    point = registry_queries.point(visit.conn, **scope, point_id=bill.point_id)
    channels = registry_queries.channels_of_party(visit.conn, **scope, party_id=account.party_id)
    letters_to = next((channel.address for channel in channels if channel.kind == "post"), "")
    return SlipDetail(
        name=party.name,
        postcode="" if letters_to else _postcode(point.postcode),
        address=letters_to or point.address,
        building="" if letters_to else point.building,
        bill=bill_pages.detail(visit, view, can_pay=False),
        amount=visit.formats.money(slip.amount_minor),
        last_day=visit.formats.date(slip.last_day),
        is_reissue=slip.is_reissue,
        bars=_bars(slip),
        why_not=visit.translate(WHY_NOT[slip.why_not]) if slip.why_not else "",
        printed=visit.formats.day_of(visit.now),
    )


def _bars(slip: Slip) -> Bars | None:
    if slip.code is None:
        return None
    path, modules = gs1_128.svg_path(slip.code.digits)
    upper, lower = slip.code.printed
    return Bars(path, modules, f"{modules * gs1_128.MODULE_MM:.3f}mm", f"{gs1_128.HEIGHT_MM:g}mm", upper, lower)


def _postcode(text: str) -> str:
    digits = digits_only(text)
    return f"〒{digits[:3]}-{digits[3:]}" if len(digits) == 7 else text
