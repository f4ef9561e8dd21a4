"""The payment slip's 44 digits."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rating_engine.domain.slip import (
    MOST_YEN,
    Slip,
    SlipSettings,
    SlipSettingsUnusable,
    check_digit,
    encode,
    make_slip,
    settings_from,
)

OURS = SlipSettings("990001")
DUE = date(2026, 4, 21)
days = st.dates(date(2020, 1, 1), date(2099, 12, 31))


def slip(*, settings: SlipSettings | None = OURS, open_minor: int = 4_567, total_minor: int = 4_567,
         tax_minor: int = 415, today: date = DUE, currency: str = "JPY") -> Slip:  # fmt: skip
    return make_slip(
        settings=settings,
        currency=currency,
        account_id=17,
        bill_id=1234,
        total_minor=total_minor,
        tax_minor=tax_minor,
        open_minor=open_minor,
        due_on=DUE,
        today=today,
    )


def test_the_digits_stand_in_the_places_where_stores_look() -> None:
    code = slip().code
    assert code is not None
    assert code.digits[:43] == "91" + "990001" + "0000000017" + "00000001234" + "0" + "260421" + "0" + "004567"
    assert len(code.digits) == 44
    assert code.printed == ("(91)990001-0000000017000000012340", f"260421-0-004567-{code.digits[43]}")


@pytest.mark.parametrize(
    ("body", "check"),
    [("629104150021", 3), ("37610425002123456", 9), ("0", 0), ("1", 7)],  # the first two are GS1's own examples
)
def test_the_check_digit_is_that_of_gs1(body: str, check: int) -> None:
    assert check_digit(body) == check


@given(
    company=st.from_regex(r"\A[0-9]{6}\Z"),
    free=st.from_regex(r"\A[0-9]{21}\Z"),
    reissue=st.booleans(),
    duty=st.booleans(),
    day=days,
    yen=st.integers(1, MOST_YEN),
)
def test_each_digit_misread_is_found(company: str, free: str, reissue: bool, duty: bool, day: date, yen: int) -> None:
    digits = encode(
        company_code=company, free=free, is_reissue=reissue, last_day=day, stamp_duty=duty, amount_yen=yen
    ).digits
    assert len(digits) == 44
    for place in range(43):
        wrong = digits[:place] + str((int(digits[place]) + 1) % 10) + digits[place + 1 :]
        assert check_digit(wrong[:43]) != int(wrong[43]), f"a wrong digit at {place} is not found"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"settings": None}, "no_company"),
        ({"currency": "EUR"}, "not_yen"),
        ({"open_minor": 0}, "nothing_open"),
        ({"open_minor": MOST_YEN + 1}, "too_much"),
    ],
)
def test_a_slip_without_bars_says_why(change: dict[str, object], reason: str) -> None:
    made = slip(**change)  # type: ignore[arg-type]
    assert (made.code, made.why_not) == (None, reason)


def test_stores_take_three_hundred_thousand_yen() -> None:
    made = slip(open_minor=MOST_YEN, total_minor=MOST_YEN, tax_minor=0)
    assert made.code is not None
    assert made.code.digits[36:43] == "1300000"


def test_a_part_paid_or_a_day_too_late_makes_it_a_re_issue() -> None:
    late = slip(today=DUE + timedelta(days=3))
    rest = slip(open_minor=1_000)
    assert (slip().is_reissue, late.is_reissue, rest.is_reissue) == (False, True, True)
    assert not slip(open_minor=0).is_reissue, "nothing is issued for a bill that is paid"
    assert late.code is not None
    assert rest.code is not None
    assert late.last_day == DUE + timedelta(days=3 + OURS.late_days)
    assert late.code.digits[29:36] == f"1{late.last_day:%y%m%d}"
    assert rest.code.digits[29:43] == "1260421" + "0" + "001000"


def test_stamp_duty_is_counted_without_the_tax_that_stands_on_the_bill() -> None:
    def flag(made: Slip) -> str:
        assert made.code is not None
        return made.code.digits[36]

    assert flag(slip(open_minor=54_999, total_minor=54_999, tax_minor=5_000)) == "0"
    assert flag(slip(open_minor=55_000, total_minor=55_000, tax_minor=5_000)) == "1"
    exempt = replace(OURS, stamp_duty_from=None)
    assert flag(slip(settings=exempt, open_minor=55_000, total_minor=55_000, tax_minor=5_000)) == "0"


@pytest.mark.parametrize(
    "told", [{}, {"company_code": "12345"}, {"company_code": "１２３４５６"},
             {"company_code": "123456", "late_days": "x"}],
)  # fmt: skip
def test_settings_that_are_no_settings_are_refused(told: dict[str, object]) -> None:
    with pytest.raises(SlipSettingsUnusable):
        settings_from({"slip": told})


def test_a_utility_without_the_setting_collects_without_slips() -> None:
    assert settings_from({}) is None
    assert settings_from({"slip": {"company_code": "990001"}}) == OURS
