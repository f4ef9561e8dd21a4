"""The payment slip for convenience stores: 44 digits that say who collects, for what, until when and how much.

The digits, as stores read them: `91` (a slip), company 6, free 21, re-issue 1, last day YYMMDD, stamp duty 1, amount 6,
check 1. The 21 free digits are the issuer's to give; ours are account id (10) and bill id (11), each filled up with
zeros: a payment that comes back names the account and the bill without any look-up by name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

COMPANY_DIGITS = 6
ACCOUNT_DIGITS = 10
BILL_DIGITS = 11
MOST_YEN = 300_000
STAMP_DUTY_FROM_YEN = 50_000
LATE_DAYS = 14

WhyNot = Literal["", "no_company", "not_yen", "nothing_open", "too_much"]


class SlipSettingsUnusable(ValueError):
    """The utility's setting `slip` is not what a slip needs."""


@dataclass(frozen=True, slots=True)
class SlipSettings:
    """Who collects by slip; money in yen."""

    company_code: str
    stamp_duty_from: int | None = STAMP_DUTY_FROM_YEN  # the receipt bears a stamp from here on; None: never
    late_days: int = LATE_DAYS  # a slip printed after the due day is taken for so many days


@dataclass(frozen=True, slots=True)
class SlipCode:
    """The 44 digits."""

    digits: str

    @property
    def printed(self) -> tuple[str, str]:
        """Give the two lines that stand below the bars."""
        text = self.digits
        return f"(91){text[2:8]}-{text[8:30]}", f"{text[30:36]}-{text[36]}-{text[37:43]}-{text[43]}"


@dataclass(frozen=True, slots=True)
class Slip:
    """What a slip for one bill says: the amount that is open, its last day, and the code or why there is none."""

    amount_minor: int
    last_day: date
    is_reissue: bool
    code: SlipCode | None
    why_not: WhyNot


def settings_from(utility_settings: Mapping[str, Any]) -> SlipSettings | None:
    """Read the utility's setting `slip`; None if it collects without slips.

    :raises SlipSettingsUnusable: if the company code is not six digits, or a number is none
    """
    told = utility_settings.get("slip")
    if told is None:
        return None
    company = str(told.get("company_code", ""))
    if not _is_digits(company, COMPANY_DIGITS):
        raise SlipSettingsUnusable(f"slip.company_code {company!r} of the utility's settings must be six digits")
    try:
        duty = told.get("stamp_duty_from", STAMP_DUTY_FROM_YEN)
        return SlipSettings(company, None if duty is None else int(duty), int(told.get("late_days", LATE_DAYS)))
    except (TypeError, ValueError) as error:
        raise SlipSettingsUnusable("slip.stamp_duty_from and slip.late_days must be whole numbers") from error


def make_slip(
    *,
    settings: SlipSettings | None,
    currency: str,
    account_id: int,
    bill_id: int,
    total_minor: int,
    tax_minor: int,
    open_minor: int,
    due_on: date,
    today: date,
) -> Slip:
    """Make the slip for what is open of a bill.

    It is a re-issue, and its digits differ from the first slip's, once a part is paid or the due day is over.
    """
    is_late = today > due_on
    last_day = today + timedelta(days=settings.late_days if settings else LATE_DAYS) if is_late else due_on
    is_reissue = open_minor > 0 and (is_late or open_minor != total_minor)
    why_not = _why_not(settings=settings, currency=currency, open_minor=open_minor)
    code = None
    if settings is not None and not why_not:
        net_minor = open_minor if open_minor != total_minor else total_minor - tax_minor
        stamp_duty = settings.stamp_duty_from is not None and net_minor >= settings.stamp_duty_from
        code = encode(
            company_code=settings.company_code,
            free=f"{account_id:0{ACCOUNT_DIGITS}d}{bill_id:0{BILL_DIGITS}d}",
            is_reissue=is_reissue,
            last_day=last_day,
            stamp_duty=stamp_duty,
            amount_yen=open_minor,
        )
    return Slip(open_minor, last_day, is_reissue, code, why_not)


def encode(
    *, company_code: str, free: str, is_reissue: bool, last_day: date, stamp_duty: bool, amount_yen: int
) -> SlipCode:
    """Write the 44 digits.

    :raises ValueError: if a part does not fit its place
    """
    if not _is_digits(company_code, COMPANY_DIGITS) or not _is_digits(free, ACCOUNT_DIGITS + BILL_DIGITS):
        raise ValueError(f"company code {company_code!r} must be 6 digits and the free part {free!r} 21")
    if not 0 < amount_yen <= MOST_YEN:
        raise ValueError(f"stores take slips from 1 to {MOST_YEN} yen, not {amount_yen}")
    body = f"91{company_code}{free}{int(is_reissue)}{last_day:%y%m%d}{int(stamp_duty)}{amount_yen:06d}"
    return SlipCode(f"{body}{check_digit(body)}")


def check_digit(body: str) -> int:
    """Compute the check digit: modulus 10, weights 3 and 1 from the right, over all digits with the 91."""
    return -sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body))) % 10


def _why_not(*, settings: SlipSettings | None, currency: str, open_minor: int) -> WhyNot:
    if settings is None:
        return "no_company"
    if currency != "JPY":
        return "not_yen"
    if open_minor <= 0:
        return "nothing_open"
    return "too_much" if open_minor > MOST_YEN else ""


def _is_digits(text: str, length: int) -> bool:
    return len(text) == length and text.isascii() and text.isdigit()
