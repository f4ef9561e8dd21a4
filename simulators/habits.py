"""How people of each kind use water and power through the day, and how they pay."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulators.noise import Floats, uniform

Kind = Literal["family", "couple", "single", "elderly", "shop", "restaurant", "office"]
KINDS: tuple[Kind, ...] = ("family", "couple", "single", "elderly", "shop", "restaurant", "office")
PayHabit = Literal["prompt", "late", "forgetful", "until_suspended"]


@dataclass(frozen=True, slots=True)
class Habit:
    """Use of a mean day, its deviation, and the weight of each hour; `rest` is for week-ends and holidays."""

    litres: float
    watt_hours: float
    rest_share: float  # of a working day's use
    spread: float
    water_hours: str  # one digit an hour, from midnight
    water_hours_at_rest: str
    power_hours: str
    power_hours_at_rest: str
    heating: float  # more power per degree below 16 °C
    cooling: float  # more power per degree above 24 °C


HABITS: dict[Kind, Habit] = {
    "family": Habit(
        640,
        12_500,
        1.12,
        0.22,
        "100000586322322233578763",
        "100000135776655544578764",
        "322222476544444456899985",
        "322222246777666667899985",
        0.042,
        0.065,
    ),
    "couple": Habit(
        420,
        9_200,
        1.1,
        0.25,
        "100000477211111123567762",
        "100000014676544444567762",
        "322222466433333345799975",
        "322222235666555556799975",
        0.04,
        0.06,
    ),
    "single": Habit(
        220,
        5_400,
        1.15,
        0.32,
        "200000166100000012456786",
        "400000003676443334556787",
        "433222255322222234689998",
        "643222223566555556689998",
        0.045,
        0.07,
    ),
    "elderly": Habit(
        310,
        8_300,
        1.0,
        0.2,
        "000013676544544455653200",
        "000013676544544455653200",
        "222234676555655566765322",
        "222234676555655566765322",
        0.05,
        0.05,
    ),
    "shop": Habit(
        520,
        21_000,
        0.75,
        0.18,
        "000000001467776677753000",
        "000000000356666666521000",
        "222222245799999999974222",
        "222222234688888888863222",
        0.025,
        0.06,
    ),
    "restaurant": Habit(
        2_600,
        36_000,
        1.05,
        0.2,
        "000000001469986568998610",
        "000000001469997679998510",
        "222222234679986678999742",
        "222222234679997789999742",
        0.02,
        0.05,
    ),
    "office": Habit(
        780,
        30_000,
        0.22,
        0.15,
        "000000025677887777531000",
        "000000001222222221000000",
        "222222247999989999964322",
        "222222223333333333222222",
        0.03,
        0.06,
    ),
}

PAY_SHARES: tuple[tuple[PayHabit, float], ...] = (
    ("prompt", 0.62),
    ("late", 0.19),
    ("forgetful", 0.13),
    ("until_suspended", 0.06),
)


def hour_weights(hours: str) -> Floats:
    return np.array([int(digit) for digit in hours], dtype=np.float64)


def pay_habit(seed: int, *, account_number: str) -> PayHabit:
    """Tell how the debtor of an account pays."""
    chance = float(uniform(seed, "pay/habit", int(account_number)))
    for habit, share in PAY_SHARES:
        if chance < share:
            return habit
        chance -= share
    return PAY_SHARES[-1][0]


def days_until_payment(
    seed: int, *, habit: PayHabit, account_number: str, bill_key: int, days_to_pay: int
) -> int | None:
    """Tell on which day after issue a bill is paid; None: not before the supply is suspended.

    `bill_key` is any number that tells the account's bills apart, such as the day of issue.
    """
    chance, whim = (float(uniform(seed, f"pay/{part}", int(account_number), bill_key)) for part in ("day", "whim"))
    match habit:
        case "prompt":
            return 2 + int(chance * (days_to_pay - 4))
        case "late":
            return days_to_pay + 1 + int(chance * 14)
        case "forgetful" if whim < 0.55:
            return days_to_pay + 8 + int(chance * 35)
        case "forgetful":
            return 5 + int(chance * (days_to_pay - 6))
        case "until_suspended":
            return None


def has_funds(seed: int, *, account_number: str, day: int) -> bool:
    """Tell whether the bank account behind a direct debit covers it on a local day, counted from 1970-01-01."""
    poor = float(uniform(seed, "bank/poor", int(account_number))) < 0.12
    return not poor or float(uniform(seed, "bank/funds", int(account_number), day)) < 0.5
